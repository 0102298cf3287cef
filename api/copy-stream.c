/* SPDX-License-Identifier: BSD-3-Clause */
/* api/copy-stream.c - items of a copy to a target that takes encoded records.
 *
 * Items are encoded side by side on the offload workers, a whole item a
 * hand-over, and appended in the order of the disk: a turnstile lets one item
 * at a time be placed and is released as soon as its place is known, so the
 * write of one overlaps with the placing of the next.
 *
 * An item takes one buffer, input in front and records behind.  Tickets are
 * given out in the order in which buffers are asked for, so the item whose turn
 * it is always has one.
 *
 * Concurrency: encode touches only its item; all else runs on the loop.
 */
#include "api/copy.h"

#include "io/buffer.h"
#include "io/offload.h"
#include "io/zero.h"

typedef struct {
    const VdCopyItem *item;
    uint8_t *in, *out;
    size_t out_len;
    VdRecord *records;
    size_t n_records;
    uint64_t zero; /* bytes of units that were left out */
    uint64_t at;   /* unit being encoded: where a failure was */
    GError *error;
    bool released;
} StreamBatch;

/* -- on a worker -------------------------------------------------------------
 */

static bool
stream_encode_unit(StreamBatch *batch, size_t pos, size_t len)
{
    VdCopy *c = batch->item->copy;
    const VdDriver *drv = c->target_driver;
    uint64_t off = batch->item->span.off + pos;
    size_t used = drv->encode_bound;

    if (c->params.sparse_size > 0 && vio_is_zero(batch->in + pos, len)) {
        batch->zero += len;
        return true;
    }
    batch->at = off;
    if (!drv->encode(c->target->node, off, batch->in + pos, len,
                     batch->out + batch->out_len, &used, &batch->error))
        return false;
    batch->records[batch->n_records++] = (VdRecord){.off = off, .len = used};
    batch->out_len += used;
    return true;
}

static void
stream_encode(void *opaque)
{
    StreamBatch *batch = opaque;
    VdCopy *c = batch->item->copy;
    size_t unit = c->target_driver->encode_unit;
    size_t len = batch->item->span.len;
    bool ok = true;

    for (size_t pos = 0; ok && pos < len; pos += unit)
        ok = stream_encode_unit(batch, pos, MIN(unit, len - pos));
}

/* -- on the loop -------------------------------------------------------------
 */

static void
stream_release(void *arg)
{
    StreamBatch *batch = arg;

    batch->released = true;
    vio_turnstile_release(&batch->item->copy->order, batch->item->ticket);
}

static bool
stream_co_prepare(StreamBatch *batch)
{
    VdCopy *c = batch->item->copy;
    const VdSpan *span = &batch->item->span;

    if (vd_copy_stopped(c, span->off) || !vd_copy_co_read(c, span, batch->in))
        return false;
    vio_co_offload(c->loop, stream_encode, batch);
    if (batch->error == NULL)
        return true;
    vd_copy_fail(c, batch->at, "writing", g_steal_pointer(&batch->error));
    return false;
}

static void
stream_co_append(StreamBatch *batch)
{
    VdCopy *c = batch->item->copy;
    const VdSpan *span = &batch->item->span;
    struct iovec iov;
    VdAppend append = {
        .records = batch->records,
        .n_records = batch->n_records,
        .bytes = vio_vec_from_buf(&iov, batch->out, batch->out_len),
        .placed = stream_release,
        .placed_arg = batch,
    };
    GError *error = NULL;

    c->meter.now.zero += batch->zero;
    c->result.bytes_zero += batch->zero;
    if (batch->n_records > 0) {
        if (!vd_copy_co_pace(c, batch->out_len))
            return;
        if (!vd_node_co_append(c->target->node, &append, &error)) {
            vd_copy_fail(c, span->off, "writing", error);
            return;
        }
        c->result.bytes_written += batch->out_len;
    }
    if (span->kind == VD_SPAN_DATA)
        c->meter.now.done += span->len;
}

bool
vd_copy_co_stream_item(void *arg, GError **error)
{
    const VdCopyItem *item = arg;
    VdCopy *c = item->copy;
    size_t unit = c->target_driver->encode_unit;
    size_t room = c->item_bytes + c->out_room;
    uint8_t *buf = vio_co_buffer_get(c->loop, room);
    g_autofree VdRecord *records = g_new(VdRecord, c->item_bytes / unit);
    StreamBatch batch = {.item = item,
                         .in = buf,
                         .out = buf + c->item_bytes,
                         .records = records};
    bool ready = stream_co_prepare(&batch);

    vio_turnstile_co_enter(&c->order, item->ticket);
    if (ready && !vd_copy_stopped(c, item->span.off))
        stream_co_append(&batch);
    if (!batch.released)
        stream_release(&batch);
    vio_buffer_put(c->loop, buf, room);
    vd_meter_update(&c->meter);
    return true; /* failures are in the copy, with their offsets */
}

void
vd_copy_co_stream_end(VdCopy *c)
{
    VdAppend end = {.n_records = 0};
    GError *error = NULL;

    c->meter.now.phase = "tables";
    vd_meter_update(&c->meter);
    if (!vd_node_co_append(c->target->node, &end, &error))
        vd_copy_fail(c, c->total, "writing", error);
}
