/* SPDX-License-Identifier: BSD-3-Clause */
/* api/copy-endless.c - a copy of something whose end is not known before it
 * comes (a pipe).
 *
 * There is nothing to plan: one item after the other is read where the last one
 * ended, the target grows by as much, and the item is searched for zeroes and
 * written while the next one is read.  What is in flight is bounded by the
 * depth of the copy, as always.
 *
 * Concurrency: reading is the dispatcher's; the rest as in copy-data.c.
 */
#include "api/copy.h"

#include "io/buffer.h"

#include <string.h>

#define ENDLESS_SECTOR 512

typedef struct {
    VdCopy *copy;
    VdSpan span;
    uint8_t *buf; /* item_bytes of the pool */
} EndlessItem;

bool
vd_copy_check_endless(VdCopy *c, GError **error)
{
    bool among = false;

    for (unsigned i = 0; i < c->n_sources; i++)
        if (vd_node_limits(c->sources[i].disk->node)->open_ended)
            among = true;
    if (!among)
        return true;
    c->endless = true;
    c->params.offload = VD_OFFLOAD_NONE; /* it lies nowhere */
    if (c->n_sources == 1 && c->begin == 0 && c->sources[0].skip == 0 &&
        c->params.length == 0 && c->params.skip_depth == 0 &&
        c->params.checkpoints == NULL && c->records == NULL &&
        !c->choice.fill_holes)
        return true;
    return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                    "%s: its end is not known, so all of it must be copied, "
                    "by itself and to bytes that can grow",
                    vd_node_name(c->sources[0].disk->node));
}

static bool
endless_co_item(void *arg, GError **error)
{
    EndlessItem *item = arg;
    VdCopy *c = item->copy;

    if (!vd_copy_stopped(c, item->span.off) &&
        vd_copy_co_write_read(c, &item->span, item->buf))
        c->meter.now.done += item->span.len;
    vio_buffer_put(c->loop, item->buf, c->item_bytes);
    vd_meter_update(&c->meter);
    return true; /* failures are in the copy, with their offsets */
}

/* The next @item, in whole sectors; false: there is none, or a failure that has
 * been recorded. */
static bool
endless_co_read(VdCopy *c, EndlessItem *item)
{
    VdNode *node = c->sources[0].disk->node;
    GError *error = NULL;
    size_t got = 0;

    if (!vd_node_co_read_on(node, item->buf, c->item_bytes, &got, &error)) {
        vd_copy_fail(c, item->span.off, "reading", error);
        return false;
    }
    c->result.bytes_read += got;
    item->span.len =
        (got + ENDLESS_SECTOR - 1) / ENDLESS_SECTOR * ENDLESS_SECTOR;
    memset(item->buf + got, 0, item->span.len - got);
    return got > 0;
}

/* Of the target: what has come so far. */
static bool
endless_co_set_size(VdCopy *c, uint64_t size)
{
    GError *error = NULL;

    if (vd_node_co_truncate(c->target->node, size, VD_PREALLOC_OFF, &error))
        return true;
    vd_copy_fail(c, size, "growing the target", error);
    return false;
}

void
vd_copy_co_endless(VdCopy *c, VioCoGroup *group)
{
    uint64_t off = 0;

    /* Nobody knows better. */
    c->meter.now.total = UINT64_MAX;
    /* An item that is not full was the last one. */
    while (off % c->item_bytes == 0 && c->error == NULL &&
           vd_copy_check_cancel(c)) {
        EndlessItem next = {.copy = c,
                            .span = {.off = off, .kind = VD_SPAN_DATA},
                            .buf = vio_co_buffer_get(c->loop, c->item_bytes)};

        if (!endless_co_read(c, &next) ||
            !endless_co_set_size(c, off + next.span.len)) {
            vio_buffer_put(c->loop, next.buf, c->item_bytes);
            break;
        }
        off += next.span.len;
        vio_co_group_spawn(group, endless_co_item,
                           g_memdup2(&next, sizeof(next)), g_free);
    }
    (void) vio_co_group_join(group, NULL); /* members do not fail */
    c->meter.now.total = c->meter.now.done;
    c->end = off;
}
