/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/nbd/status.c - where the export has holes.
 *
 * Questions are long and all of the answer is kept, what lies behind the range
 * asked for included: a round trip for thousands of extents, not for one.  They
 * get longer as long as the answers are used up, and shorter again if these get
 * old before that.  What is in the way of an own change is forgotten.
 *
 * Concurrency: an answer that a change overtook is used for the request that
 * asked, and not kept.
 */
#include "block/proto/nbd/client.h"

#include <string.h>

#define FIRST_ASK (UINT64_C(64) << 20)
#define LONGEST_EXTENDED_ASK (UINT64_C(1) << 36)
/* Others may write to the export, too. */
#define GOOD_FOR_NS UINT64_C(1000000000)

typedef struct NbdStretch {
    uint64_t end;
    bool hole, zero;
} NbdStretch;

void
nbd_status_clear(NbdStatusCache *cache)
{
    if (cache->extents)
        g_array_unref(cache->extents);
    *cache = (NbdStatusCache){0};
}

void
nbd_status_changed(NbdClient *client, uint64_t off, uint64_t len)
{
    NbdStatusCache *cache = &client->status;

    cache->changes++;
    if (off >= cache->end || off + len <= cache->off)
        return;
    cache->end = MAX(off, cache->off);
    cache->asked = 0;
}

/* -- keeping answers ------------------------------------------------------- */

static void
append(GArray *stretches, uint64_t end, uint64_t status)
{
    NbdStretch next = {
        .end = end,
        .hole = status & NBD_STATE_HOLE,
        .zero = status & NBD_STATE_ZERO,
    };

    if (stretches->len > 0) {
        NbdStretch *last =
            &g_array_index(stretches, NbdStretch, stretches->len - 1);

        if (last->hole == next.hole && last->zero == next.zero) {
            last->end = end;
            return;
        }
    }
    g_array_append_val(stretches, next);
}

static void
keep(NbdStatusCache *cache, uint64_t off, GArray *extents)
{
    g_autoptr(GArray) stretches = g_array_new(FALSE, FALSE, sizeof(NbdStretch));
    uint64_t at = off;

    for (guint i = 0; i < extents->len; i++) {
        const NbdExtent *extent = &g_array_index(extents, NbdExtent, i);

        at += extent->len;
        append(stretches, at, extent->status);
    }
    g_clear_pointer(&cache->extents, g_array_unref);
    cache->extents = g_steal_pointer(&stretches);
    cache->off = off;
    cache->end = at;
    cache->until_ns = vio_now_ns() + GOOD_FOR_NS;
}

/* -- asking ---------------------------------------------------------------- */

/* What it says about @off; *@known is false if it says nothing. */
static bool
status_co_ask(NbdClient *client, uint64_t off, uint64_t len, GArray *extents,
              bool *known, GError **error)
{
    NbdJob job = {
        .command = NBD_CMD_BLOCK_STATUS,
        .off = off,
        .len = len,
        .extents = extents,
    };
    bool ok = nbd_client_co_run(client, &job, error);

    *known = ok && !job.error && extents->len > 0;
    nbd_job_clear(&job);
    return ok;
}

/* How much to ask about from @off on. */
static uint64_t
next_ask(const NbdClient *client, uint64_t off)
{
    const NbdStatusCache *cache = &client->status;
    uint64_t ask = 2 * cache->asked;

    if (off != cache->end)
        ask = 2 * cache->used / NBD_MAX_MIN_BLOCK * NBD_MAX_MIN_BLOCK;
    return MIN(MAX(ask, FIRST_ASK), client->longest_status);
}

/* A server may find a question too long.  One that does not answer at all
 * is not asked again: all is data then. */
static bool
status_co_ask_shorter(NbdClient *client, uint64_t off, uint64_t len,
                      GArray *extents, bool *known, GError **error)
{
    uint64_t shortest = client->export.max_payload;

    for (;;) {
        if (!status_co_ask(client, off, len, extents, known, error))
            return false;
        if (*known || len <= shortest)
            break;
        len = MAX(len / 2 / NBD_MAX_MIN_BLOCK * NBD_MAX_MIN_BLOCK, shortest);
        client->longest_status = len;
    }
    client->no_status = !*known;
    return true;
}

static bool
status_co_fill(NbdClient *client, uint64_t off, NbdStatusCache *fresh,
               bool *known, GError **error)
{
    g_autoptr(GArray) extents = g_array_new(FALSE, FALSE, sizeof(NbdExtent));

    if (client->longest_status == 0)
        client->longest_status = client->export.headers == NBD_HEADERS_EXTENDED
                                     ? LONGEST_EXTENDED_ASK
                                     : NBD_LONGEST_ASK;
    fresh->asked = next_ask(client, off);
    if (!status_co_ask_shorter(client, off,
                               MIN(fresh->asked, client->export.size - off),
                               extents, known, error))
        return false;
    if (*known)
        keep(fresh, off, extents);
    return true;
}

/* -- the map --------------------------------------------------------------- */

/* The stretch that holds @off, which is inside. */
static NbdStretch
look_up(const NbdStatusCache *cache, uint64_t off)
{
    guint low = 0, high = cache->extents->len - 1;
    NbdStretch found;

    while (low < high) {
        guint middle = (low + high) / 2;

        if (g_array_index(cache->extents, NbdStretch, middle).end <= off)
            low = middle + 1;
        else
            high = middle;
    }
    found = g_array_index(cache->extents, NbdStretch, low);
    found.end = MIN(found.end, cache->end);
    return found;
}

static bool
holds(const NbdStatusCache *cache, uint64_t off)
{
    return off >= cache->off && off < cache->end &&
           vio_now_ns() < cache->until_ns;
}

/* Runs are whole blocks: one that is zero in part only is data. */
static void
set_run(const NbdClient *client, uint64_t off, uint64_t end, NbdStretch found,
        VdRun *run)
{
    uint64_t align = client->export.min_block;

    found.end = MIN(found.end, end);
    if (found.zero)
        found.end -= found.end < end ? found.end % align : 0;
    else
        found.end += (align - found.end % align) % align;
    if (found.end <= off)
        found = (NbdStretch){.end = off + align};
    run->len = MIN(found.end, end) - off;
    if (!found.zero)
        return;
    run->kind = VD_RUN_ZERO;
    run->allocated = !found.hole;
}

bool
nbd_co_map(VdNode *node, uint64_t off, uint64_t len, unsigned want, VdRun *run,
           GError **error)
{
    NbdClient *client = vd_node_state(node);
    NbdStatusCache *cache = &client->status, fresh = {0};
    uint64_t changes = cache->changes;
    bool known = false;

    *run = (VdRun){.kind = VD_RUN_DATA, .len = len, .child_off = off};
    if (!(want & VD_WANT_ZERO) || !client->export.has_allocation ||
        client->no_status || off + len > client->export.size)
        return true;
    if (holds(cache, off)) {
        set_run(client, off, off + len, look_up(cache, off), run);
        cache->used = MAX(cache->used, off + run->len - cache->off);
        return true;
    }
    if (!status_co_fill(client, off, &fresh, &known, error))
        return false;
    if (known)
        set_run(client, off, off + len, look_up(&fresh, off), run);
    if (known && changes == cache->changes) {
        fresh.used = run->len;
        fresh.changes = cache->changes;
        nbd_status_clear(cache);
        *cache = fresh;
    } else {
        nbd_status_clear(&fresh);
    }
    return true;
}
