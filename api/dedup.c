/* SPDX-License-Identifier: BSD-3-Clause */
/* api/dedup.c - what a link has and its parent has just so is let go of.
 *
 * Both are read and compared sector by sector, wherever the link determines
 * anything; a stretch of equal sectors is handed to the driver as a whole,
 * which lets go of the units inside.  So nothing here has to know how large
 * those are and where they begin.
 *
 * Concurrency: one coroutine; nobody else uses the link.
 */
#include "api/dedup.h"

#include "io/buffer.h"

#include <string.h>

#define DEDUP_PIECE (UINT64_C(1) << 20)
#define DEDUP_SECTOR 512u

typedef struct {
    VdContext *ctx;
    VdNode *node, *parent; /* parent NULL = zeroes */
    uint8_t *mine, *theirs;
    uint64_t equal_off, equal_end; /* equal so far, not handed over yet */
    uint64_t dropped;
    VdMeter *meter;
} Dedup;

/* -- stretches that are equal ---------------------------------------------- */

static bool
dedup_co_hand_over(Dedup *d, GError **error)
{
    uint64_t off = d->equal_off, len = d->equal_end - off;

    d->equal_off = d->equal_end;
    return len == 0 ||
           vd_node_co_uncover(d->node, off, len, &d->dropped, error);
}

static bool
dedup_co_note(Dedup *d, uint64_t off, uint64_t len, bool equal, GError **error)
{
    if ((!equal || off != d->equal_end) && !dedup_co_hand_over(d, error))
        return false;
    if (!equal)
        return true;
    if (off != d->equal_end)
        d->equal_off = off;
    d->equal_end = off + len;
    return true;
}

/* -- comparing ------------------------------------------------------------- */

typedef struct {
    VdNode *node; /* NULL = zeroes */
    uint64_t off, len;
    uint8_t *buf;
} DedupRead;

static bool
dedup_co_read(void *arg, GError **error)
{
    const DedupRead *read = arg;
    struct iovec iov;
    VioVec dst = vio_vec_from_buf(&iov, read->buf, read->len);

    if (read->node != NULL)
        return vd_node_co_preadv_eof(read->node, read->off, &dst, error);
    vio_vec_zero(&dst);
    return true;
}

static bool
dedup_co_read_both(Dedup *d, uint64_t off, uint64_t len, GError **error)
{
    g_autoptr(VioCoGroup) group = vio_co_group_new(2);
    DedupRead mine = {d->node, off, len, d->mine};
    DedupRead theirs = {d->parent, off, len, d->theirs};

    vio_co_group_spawn(group, dedup_co_read, &mine, NULL);
    vio_co_group_spawn(group, dedup_co_read, &theirs, NULL);
    return vio_co_group_join(group, error);
}

static bool
dedup_co_compare(Dedup *d, uint64_t off, uint64_t len, GError **error)
{
    if (!dedup_co_read_both(d, off, len, error))
        return false;
    for (uint64_t i = 0, n; i < len; i += n) {
        bool equal;

        n = MIN(DEDUP_SECTOR, len - i);
        equal = memcmp(d->mine + i, d->theirs + i, n) == 0;
        if (!dedup_co_note(d, off + i, n, equal, error))
            return false;
    }
    return true;
}

/* -- walking --------------------------------------------------------------- */

/* How much of [off, off + *len) the parent is known to show as zeroes: *len is
 * cut to where that, or its contrary, ends. */
static bool
dedup_co_parent_is_zero(Dedup *d, uint64_t off, uint64_t *len, bool *zero,
                        GError **error)
{
    uint64_t size = d->parent != NULL ? vd_node_size(d->parent) : 0;
    VdMapEntry entry = {0};

    *zero = true;
    if (off >= size)
        return true;
    if (!vd_map_co_entry(d->parent, off, MIN(*len, size - off), &entry, error))
        return false;
    *len = MIN(*len, entry.len);
    *zero = entry.flags & VD_MAP_ZERO;
    return true;
}

/* The link determines [off, off + *len); says how much of it has been seen to.
 */
static bool
dedup_co_stretch(Dedup *d, uint64_t off, uint64_t *len, bool zero,
                 GError **error)
{
    bool both_zero = zero;

    if (zero && !dedup_co_parent_is_zero(d, off, len, &both_zero, error))
        return false;
    if (both_zero)
        return dedup_co_note(d, off, *len, true, error);
    *len = MIN(*len, DEDUP_PIECE);
    return dedup_co_compare(d, off, *len, error);
}

static bool
dedup_co_walk(Dedup *d, GError **error)
{
    uint64_t size = vd_node_size(d->node), base = d->meter->now.done;

    for (uint64_t off = 0, len; off < size; off += len) {
        VdRun run;

        if (!vd_context_check_cancel(d->ctx, error) ||
            !vd_node_co_map(d->node, off, size - off, VD_WANT_DEFAULT, &run,
                            error))
            return false;
        len = run.len;
        if (run.kind != VD_RUN_PARENT &&
            !dedup_co_stretch(d, off, &len, run.kind == VD_RUN_ZERO, error))
            return false;
        d->meter->now.done = base + off + len;
        vd_meter_update(d->meter);
    }
    return dedup_co_hand_over(d, error);
}

bool
vd_dedup_co_run(VdContext *ctx, VdNode *node, VdNode *parent, VdMeter *meter,
                uint64_t *dropped, GError **error)
{
    Dedup d = {.ctx = ctx, .node = node, .parent = parent, .meter = meter};
    bool ok;

    d.mine = vio_co_buffer_get(ctx->loop, 2 * DEDUP_PIECE);
    d.theirs = d.mine + DEDUP_PIECE;
    ok = dedup_co_walk(&d, error) && vd_node_co_flush(node, error);
    vio_buffer_put(ctx->loop, d.mine, 2 * DEDUP_PIECE);
    *dropped = d.dropped;
    return ok;
}
