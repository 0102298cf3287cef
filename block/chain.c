/* SPDX-License-Identifier: BSD-3-Clause */
/* block/chain.c - redo-log chains: which link provides a byte.
 *
 * The links are asked one after the other in a loop, so depth costs neither
 * stack nor device requests; small reads in long chains begin where the last
 * one has found something (block/chain-skip.h).  Parents are read-only while
 * their children are open, so an answer of theirs does not change.
 *
 * Concurrency: yields only where a driver does.
 */
#include "block/chain.h"

#include "block/chain-internal.h"
#include "block/chain-skip.h"
#include "block/map.h"
#include "block/rw-internal.h"

#include <inttypes.h>

static void
set_via(VdChainRun *out, VdNode *link, uint64_t off)
{
    bool reads_itself = link->driver->co_preadv || !out->run.child;

    out->via = reads_itself ? link : out->run.child;
    out->via_off = reads_itself ? off : out->run.child_off;
}

/* A filter shows what its child's chain has, and is read itself. */
static bool
chain_co_map_filter(VdNode *filter, uint64_t off, uint64_t len, unsigned want,
                    VdChainRun *out, GError **error)
{
    VdNode *file = vd_node_file(filter);

    if (!vd_chain_co_map(file, off, len, want, out, error))
        return false;
    if (out->run.kind == VD_RUN_ZERO)
        return true;
    out->run = (VdRun){
        .kind = VD_RUN_DATA,
        .len = out->run.len,
        .child = file,
        .child_off = off,
    };
    out->link = filter;
    out->via = filter;
    out->via_off = off;
    return true;
}

/* Behind the end of a link that is shorter than its child. */
static void
set_behind_end(VdChainRun *out, VdNode *link, unsigned depth, uint64_t len)
{
    *out = (VdChainRun){
        .run = {.kind = VD_RUN_ZERO, .len = len},
        .link = link,
        .depth = depth,
    };
}

bool
vd_chain_co_map_link(VdNode *link, uint64_t off, uint64_t len, unsigned want,
                     VdChainRun *out, GError **error)
{
    if (G_UNLIKELY(vd_map_is_childs(link)))
        return chain_co_map_filter(link, off, len, want, out, error);
    out->link = link;
    out->depth = 0;
    if (!vd_map_co_own(link, off, len, want, &out->run, error))
        return false;
    if (out->run.kind == VD_RUN_DATA || out->run.kind == VD_RUN_ENCODED)
        set_via(out, link, off);
    return true;
}

/* No link has it: zeroes, unless somebody below would know better. */
static void
set_nobody(VdChainRun *out, const VdNode *last)
{
    out->run = (VdRun){.kind = VD_RUN_ZERO, .len = out->run.len};
    out->link = NULL;
    out->parent_missing = last->parent_missing;
    out->missing_is_zero = last->flags & VD_OPEN_HOLES_ZERO;
}

bool
vd_chain_co_map(VdNode *top, uint64_t off, uint64_t len, unsigned want,
                VdChainRun *run, GError **error)
{
    VdChainRun answer = {.run = {.len = len}};
    unsigned depth = 0;

    if (!vd_check_range(top, "block status", off, MAX(len, 1), error))
        return false;
    for (VdNode *link = top;; link = link->parent, depth++) {
        if (depth == 1 && vd_chain_skip_covers(top, off, answer.run.len))
            link = vd_chain_co_skip(top, off, &depth);
        if (off >= link->size) {
            set_behind_end(&answer, link, depth, answer.run.len);
            break;
        }
        if (!vd_chain_co_map_link(link, off, answer.run.len, want, &answer,
                                  error))
            return false;
        answer.depth += depth;
        if (answer.run.kind != VD_RUN_PARENT)
            break;
        if (!link->parent) {
            set_nobody(&answer, link);
            break;
        }
    }
    *run = answer;
    return true;
}

/* -- down to the leaf ------------------------------------------------------ */

static bool
resolve_co_leaf(VdChainRun *run, unsigned want, GError **error)
{
    VdRun hole;

    if (!(want & VD_WANT_ZERO))
        return true;
    if (!vd_map_co_own(run->run.child, run->run.child_off, run->run.len, want,
                       &hole, error))
        return false;
    run->run.len = hole.len;
    if (hole.kind == VD_RUN_ZERO)
        run->run.kind = VD_RUN_ZERO;
    return true;
}

/* One step down.  *@done: further does not go. */
static bool
resolve_co_step(VdChainRun *run, unsigned want, bool *done, GError **error)
{
    VdNode *child = run->run.child;
    VdChainRun below;

    if (run->run.child_off >= child->size) { /* an extent that ends early */
        *done = true;
        return true;
    }
    if (vd_node_is_leaf(child)) {
        *done = true;
        return resolve_co_leaf(run, want, error);
    }
    if (!vd_chain_co_map(child, run->run.child_off,
                         MIN(run->run.len, child->size - run->run.child_off),
                         want, &below, error))
        return false;
    run->run.len = below.run.len;
    *done = below.run.kind != VD_RUN_DATA || !below.run.child;
    if (below.run.kind == VD_RUN_ZERO && !below.parent_missing)
        run->run.kind = VD_RUN_ZERO;
    if (!*done) {
        run->run.child = below.run.child;
        run->run.child_off = below.run.child_off;
    }
    return true;
}

bool
vd_chain_co_resolve_leaf(VdChainRun *run, unsigned want, GError **error)
{
    VdChainRun answer = *run;
    bool done = run->run.kind != VD_RUN_DATA || !run->run.child;

    while (!done) {
        if (!resolve_co_step(&answer, want, &done, error))
            return false;
    }
    *run = answer;
    return true;
}

/* -- reading --------------------------------------------------------------- */

static bool
throw_missing(uint64_t off, GError **error)
{
    return vd_throw(error, VD_ERROR_NOT_FOUND,
                    "the bytes at offset %" PRIu64
                    " are in a parent that was not opened",
                    off);
}

bool
vd_chain_co_read_run(const VdChainRun *run, uint64_t off, const VioVec *dst,
                     GError **error)
{
    if (run->run.kind == VD_RUN_ENCODED)
        return run->link->driver->co_decode(run->link, off, &run->run, dst,
                                            error);
    if (run->via && run->run.kind == VD_RUN_DATA)
        return vd_node_co_preadv(run->via, run->via_off, dst, error);
    if (G_UNLIKELY(run->parent_missing && !run->missing_is_zero))
        return throw_missing(off, error);
    vio_vec_zero(dst);
    return true;
}

unsigned
vd_chain_depth(const VdNode *node)
{
    unsigned depth = 0;

    while (node) {
        bool passes_on = vd_map_is_childs(node);

        depth += !passes_on;
        node = passes_on ? vd_node_file(node) : node->parent;
    }
    return depth;
}
