/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/status-cache.c - what a server has told about holes.
 *
 * Concurrency: see the header.
 */
#include "block/proto/status-cache.h"

#include "io/loop.h"

#define FIRST_ASK (UINT64_C(64) << 20)
/* Others may write there, too. */
#define GOOD_FOR_NS UINT64_C(1000000000)

void
vd_status_clear(VdStatusCache *cache)
{
    if (cache->stretches)
        g_array_unref(cache->stretches);
    *cache = (VdStatusCache){0};
}

void
vd_status_changed(VdStatusCache *cache, uint64_t off, uint64_t len)
{
    cache->changes++;
    if (off >= cache->end || off + len <= cache->off)
        return;
    cache->end = MAX(off, cache->off);
    cache->asked = 0;
}

/* -- asking ---------------------------------------------------------------- */

uint64_t
vd_status_next_ask(const VdStatusCache *cache, uint64_t off, uint64_t unit,
                   uint64_t longest)
{
    uint64_t ask = 2 * cache->asked;

    if (off != cache->end)
        ask = 2 * cache->used / unit * unit;
    return MIN(MAX(ask, FIRST_ASK), longest);
}

/* -- keeping answers ------------------------------------------------------- */

void
vd_status_append(GArray *stretches, uint64_t end, bool hole, bool zero)
{
    VdStretch next = {.end = end, .hole = hole, .zero = zero};

    if (stretches->len > 0) {
        VdStretch *last =
            &g_array_index(stretches, VdStretch, stretches->len - 1);

        if (last->hole == next.hole && last->zero == next.zero) {
            last->end = end;
            return;
        }
    }
    g_array_append_val(stretches, next);
}

void
vd_status_fill(VdStatusCache *cache, uint64_t off, GArray *stretches)
{
    g_clear_pointer(&cache->stretches, g_array_unref);
    cache->stretches = g_array_ref(stretches);
    cache->off = off;
    cache->end = g_array_index(stretches, VdStretch, stretches->len - 1).end;
    cache->until_ns = vio_now_ns() + GOOD_FOR_NS;
}

void
vd_status_keep(VdStatusCache *cache, VdStatusCache *fresh, uint64_t changes)
{
    if (changes != cache->changes) {
        vd_status_clear(fresh);
        return;
    }
    fresh->changes = changes;
    vd_status_clear(cache);
    *cache = *fresh;
}

/* -- looking up ------------------------------------------------------------ */

bool
vd_status_holds(const VdStatusCache *cache, uint64_t off)
{
    return off >= cache->off && off < cache->end &&
           vio_now_ns() < cache->until_ns;
}

/* The stretch that holds @off, which is inside. */
static VdStretch
look_up(const VdStatusCache *cache, uint64_t off)
{
    guint low = 0, high = cache->stretches->len - 1;
    VdStretch found;

    while (low < high) {
        guint middle = (low + high) / 2;

        if (g_array_index(cache->stretches, VdStretch, middle).end <= off)
            low = middle + 1;
        else
            high = middle;
    }
    found = g_array_index(cache->stretches, VdStretch, low);
    found.end = MIN(found.end, cache->end);
    return found;
}

/* A block that is zero in part only is data. */
void
vd_status_set_run(VdStatusCache *cache, uint64_t off, uint64_t end,
                  uint64_t align, VdRun *run)
{
    VdStretch found = look_up(cache, off);

    found.end = MIN(found.end, end);
    if (found.zero)
        found.end -= found.end < end ? found.end % align : 0;
    else
        found.end += (align - found.end % align) % align;
    if (found.end <= off)
        found = (VdStretch){.end = off + align};
    run->len = MIN(found.end, end) - off;
    cache->used = MAX(cache->used, off + run->len - cache->off);
    if (!found.zero)
        return;
    run->kind = VD_RUN_ZERO;
    run->allocated = !found.hole;
}

bool
vd_status_co_map(VdStatusCache *cache, uint64_t off, uint64_t end,
                 uint64_t align, VdStatusFill co_fill, void *client, VdRun *run,
                 GError **error)
{
    VdStatusCache fresh = {0};
    uint64_t changes = cache->changes;
    bool known = false;

    if (vd_status_holds(cache, off)) {
        vd_status_set_run(cache, off, end, align, run);
        return true;
    }
    if (!co_fill(client, off, &fresh, &known, error))
        return false;
    if (known) {
        vd_status_set_run(&fresh, off, end, align, run);
        vd_status_keep(cache, &fresh, changes);
    } else {
        vd_status_clear(&fresh);
    }
    return true;
}
