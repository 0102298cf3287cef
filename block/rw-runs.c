/* SPDX-License-Identifier: BSD-3-Clause */
/* block/rw-runs.c - reading by the map: look up runs, read them side by side.
 *
 * One run is read right here.  Of several, neighbours that lie behind one
 * another are merged, all but the last get a coroutine each, and the last is
 * read here: a request that spans scattered grains costs one device latency.
 *
 * Concurrency: the look-ups do not yield while tables are cached.
 */
#include "block/rw-internal.h"

#include "block/chain.h"

#define RUNS_IN_FLIGHT 16

typedef struct {
    VdChainRun run;
    uint64_t off;
    VioVec dst;
} RunRead;

/* A request of several runs.  What has been looked up but not started yet is
 * @run: bytes [@start, @start + run.run.len) of the request. */
typedef struct {
    VdNode *top;
    uint64_t off;
    const VioVec *dst;
    VdChainRun run;
    size_t start;
    VioCoGroup *group; /* made with the second run that must be read */
} Runs;

static bool
run_read_co_main(void *arg, GError **error)
{
    const RunRead *read = arg;

    return vd_chain_co_read_run(&read->run, read->off, &read->dst, error);
}

static bool
can_merge(const VdChainRun *a, const VdChainRun *b)
{
    if (a->run.kind != b->run.kind)
        return false;
    switch (a->run.kind) {
    case VD_RUN_ZERO:
        return a->parent_missing == b->parent_missing;
    case VD_RUN_DATA:
        return a->link == b->link && a->via == b->via &&
               a->via_off + a->run.len == b->via_off;
    default:
        return false; /* an encoded run is decoded as it was mapped */
    }
}

static VioVec
runs_slice(const Runs *r)
{
    return vio_vec_slice(r->dst, r->start, r->run.run.len);
}

/* Zeroes are not worth a coroutine. */
static bool
runs_co_start(Runs *r, GError **error)
{
    VioVec dst = runs_slice(r);
    RunRead *read;

    if (r->run.run.kind == VD_RUN_ZERO)
        return vd_chain_co_read_run(&r->run, r->off + r->start, &dst, error);
    if (!r->group)
        r->group = vio_co_group_new(RUNS_IN_FLIGHT);
    read = g_new(RunRead, 1);
    *read = (RunRead){r->run, r->off + r->start, dst};
    vio_co_group_spawn(r->group, run_read_co_main, read, g_free);
    return true;
}

/* Look up what follows r->run; start r->run unless it can be extended. */
static bool
runs_co_advance(Runs *r, GError **error)
{
    size_t done = r->start + r->run.run.len;
    VdChainRun next;

    if (!vd_chain_co_map(r->top, r->off + done, r->dst->len - done,
                         VD_WANT_DEFAULT, &next, error))
        return false;
    if (can_merge(&r->run, &next)) {
        r->run.run.len += next.run.len;
        return true;
    }
    if (!runs_co_start(r, error))
        return false;
    r->run = next;
    r->start = done;
    return true;
}

static bool
runs_co_read_last(Runs *r, GError **error)
{
    VioVec dst = runs_slice(r);

    return vd_chain_co_read_run(&r->run, r->off + r->start, &dst, error);
}

/* Join even after a failure: reads in flight still fill the buffer. */
static bool
runs_co_join(Runs *r, bool ok, GError **error)
{
    if (!r->group)
        return ok;
    ok = vio_co_group_join(r->group, ok ? error : NULL) && ok;
    vio_co_group_free(r->group);
    return ok;
}

static bool
runs_failed(const Runs *r)
{
    return r->group && vio_co_group_failed(r->group);
}

bool
vd_runs_co_read(VdNode *top, uint64_t off, const VioVec *dst, GError **error)
{
    Runs r = {.top = top, .off = off, .dst = dst};
    bool ok =
        vd_chain_co_map(top, off, dst->len, VD_WANT_DEFAULT, &r.run, error);

    if (!ok || r.run.run.len == dst->len)
        return ok && vd_chain_co_read_run(&r.run, off, dst, error);
    while (ok && r.start + r.run.run.len < dst->len && !runs_failed(&r))
        ok = runs_co_advance(&r, error);
    if (ok && !runs_failed(&r))
        ok = runs_co_read_last(&r, error);
    return runs_co_join(&r, ok, error);
}
