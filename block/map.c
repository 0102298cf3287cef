/* SPDX-License-Identifier: BSD-3-Clause */
/* block/map.c - what one layer says about a range.
 *
 * Concurrency: yields only where the driver does.
 */
#include "block/map.h"
#include "block/observe.h"

#include "block/chain.h"
#include "block/rw-internal.h"

#include <inttypes.h>

/* Not worth a system call unless somebody wants to know about holes. */
static bool
is_worth_asking(const VdNode *node, unsigned want)
{
    if (!node->driver->co_map)
        return false;
    return !vd_node_is_leaf(node) || (want & VD_WANT_ZERO) ||
           (node->driver->caps & VD_CAP_ZERO_FAST);
}

static bool
check_run(const VdNode *node, uint64_t off, uint64_t len, VdRun *run,
          GError **error)
{
    if (run->len == 0)
        return vd_throw(error, VD_ERROR_FAILED,
                        "%s: driver '%s' maps no bytes at offset %" PRIu64,
                        vd_node_name(node), node->driver->name, off);
    run->len = MIN(run->len, len);
    if (run->kind == VD_RUN_PARENT && !(node->driver->caps & VD_CAP_HAS_PARENT))
        run->kind = VD_RUN_ZERO;
    return true;
}

bool
vd_map_co_own(VdNode *node, uint64_t off, uint64_t len, unsigned want,
              VdRun *run, GError **error)
{
    uint64_t start;

    len = MIN(len, node->size - off);
    node->stats.maps++;
    if (is_worth_asking(node, want)) {
        *run = (VdRun){.kind = VD_RUN_PARENT};
        start = vd_observe_start(node);
        return vd_observe_done(
                   node, VD_REQUEST_MAP, off, len, start,
                   node->driver->co_map(node, off, len, want, run, error)) &&
               check_run(node, off, len, run, error);
    }
    *run = (VdRun){.kind = VD_RUN_DATA, .len = len, .child_off = off};
    return true;
}

bool
vd_node_co_map(VdNode *node, uint64_t off, uint64_t len, unsigned want,
               VdRun *run, GError **error)
{
    VdChainRun answer;

    if (!vd_check_range(node, "block status", off, MAX(len, 1), error))
        return false;
    if (!vd_map_is_childs(node))
        return vd_map_co_own(node, off, len, want, run, error);
    if (!vd_chain_co_map(node, off, len, want, &answer, error))
        return false;
    *run = answer.run;
    return true;
}
