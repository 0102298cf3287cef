/* SPDX-License-Identifier: BSD-3-Clause */
/* api/copy-stream.c - items of a copy to a target that takes encoded records.
 *
 * Items are encoded side by side on the offload workers, a whole item a
 * hand-over, and appended in the order of the disk: a turnstile lets one item
 * at a time be placed and is released as soon as its place is known, so the
 * write of one overlaps with the placing of the next.
 *
 * Where the source has whole units as records of the very kind that the target
 * takes, these are handed over as they are; only the other units of an item are
 * read and encoded.
 *
 * An item takes one buffer, input in front and records behind.  Tickets are
 * given out in the order in which buffers are asked for, so the item whose turn
 * it is always has one.
 *
 * Concurrency: encode touches only its item; all else runs on the loop.
 */
#include "api/copy.h"

#include "block/chain.h"
#include "io/buffer.h"
#include "io/offload.h"
#include "io/zero.h"

#include <string.h>

typedef struct {
    const VdCopyItem *item;
    uint8_t *in, *out;
    size_t out_len;
    VdRecord *records;
    size_t n_records;
    size_t *handed; /* unit of the item -> bytes of its record, which is at the
                       unit's place in @out; 0 = to be encoded.  NULL = all
                       are */
    VdSpan *zeroes; /* units that were left out */
    size_t n_zeroes;
    VioDigest digest;  /* of the bytes that the records stand for */
    uint64_t at;       /* unit being worked at: where a failure was, */
    const char *doing; /* and at what: "reading", "writing" */
    GError *error;
    bool released;
} StreamBatch;

/* -- on a worker -------------------------------------------------------------
 */

static void
stream_add_record(StreamBatch *batch, uint64_t off, size_t len)
{
    batch->records[batch->n_records++] = (VdRecord){.off = off, .len = len};
    batch->out_len += len;
}

/* From its own place in @out to behind the records that are there: never
 * further back, since no record is longer than that place. */
static void
stream_close_up(StreamBatch *batch, size_t pos, size_t index)
{
    size_t bound = batch->item->copy->records->bound;

    memmove(batch->out + batch->out_len, batch->out + index * bound,
            batch->handed[index]);
    stream_add_record(batch, batch->item->span.off + pos, batch->handed[index]);
}

static bool
stream_leaves_out_zero(const VdCopy *c)
{
    return c->params.sparse_size > 0 && !c->keep_zeroes;
}

/* Does a record that is handed over stand for zeroes, not to be stored?  They
 * are in @in then.  Only worth looking if it can be: no encoder makes between
 * an eighth of the unit (with codes of one bit) and all of it of zeroes. */
static bool
stream_hands_over_zero(StreamBatch *batch, size_t index, size_t len)
{
    const VdCopy *c = batch->item->copy;
    const VdDriver *drv = c->target_driver;
    size_t unit = c->records->unit, used = batch->handed[index];
    uint8_t *in = batch->in + index * unit;

    /* One that is damaged goes over as it is, as its neighbours do. */
    return stream_leaves_out_zero(c) && drv->decode_record &&
           (used <= unit / 7 || used >= unit) &&
           drv->decode_record(batch->out + index * c->records->bound, used, in,
                              NULL) &&
           vio_is_zero(in, len);
}

static bool
stream_encode_unit(StreamBatch *batch, size_t pos, size_t len)
{
    VdCopy *c = batch->item->copy;
    const VdDriver *drv = c->target_driver;
    uint64_t off = batch->item->span.off + pos;
    size_t used = c->records->bound, index = pos / c->records->unit;

    if (batch->handed && batch->handed[index] > 0 &&
        !stream_hands_over_zero(batch, index, len)) {
        stream_close_up(batch, pos, index);
        return true;
    }
    if (stream_leaves_out_zero(c) && vio_is_zero(batch->in + pos, len)) {
        batch->zeroes[batch->n_zeroes++] = (VdSpan){.off = off, .len = len};
        return true;
    }
    batch->at = off;
    batch->doing = "writing";
    if (!drv->encode(c->target->node, off, batch->in + pos, len,
                     batch->out + batch->out_len, &used, &batch->error))
        return false;
    stream_add_record(batch, off, used);
    return true;
}

/* What a record that is handed over stands for. */
static bool
stream_decode_unit(StreamBatch *batch, size_t index)
{
    const VdCopy *c = batch->item->copy;
    size_t pos = index * c->records->unit;

    batch->at = batch->item->span.off + pos;
    batch->doing = "reading";
    return c->target_driver->decode_record(
        batch->out + index * c->records->bound, batch->handed[index],
        batch->in + pos, &batch->error);
}

static bool
stream_sum(StreamBatch *batch)
{
    const VdCopy *c = batch->item->copy;
    size_t unit = c->records->unit;
    size_t len = batch->item->span.len;
    bool ok = true;

    for (size_t i = 0; ok && batch->handed && i * unit < len; i++)
        ok = batch->handed[i] == 0 || stream_decode_unit(batch, i);
    if (ok)
        vd_sums_digest(batch->in, len, &batch->digest);
    return ok;
}

static void
stream_encode(void *opaque)
{
    StreamBatch *batch = opaque;
    VdCopy *c = batch->item->copy;
    size_t unit = c->records->unit;
    size_t len = batch->item->span.len;
    bool ok = c->params.sums == NULL || stream_sum(batch);

    for (size_t pos = 0; ok && pos < len; pos += unit)
        ok = stream_encode_unit(batch, pos, MIN(unit, len - pos));
}

/* -- records as they are -----------------------------------------------------
 */

void
vd_copy_set_records(VdCopy *c)
{
    const VdDriver *drv = c->target_driver;

    /* A record knows its place in the disk, so the disks must begin together;
     * and what cannot be read is found out only by decoding it. */
    if (c->records->name && c->n_sources == 1 && !c->params.salvage &&
        !c->params.recode && c->sources[0].skip == 0 && c->begin == 0 &&
        (c->params.sums == NULL || drv->decode_record))
        c->hand_over = true;
}

/* Does @run hand over all that the target wants of the unit at @off?  Behind
 * the end of a shorter source a record may have anything. */
static bool
stream_is_record(const VdCopy *c, uint64_t off, uint64_t len,
                 const VdChainRun *run)
{
    const VdDriver *drv = run->link ? vd_node_driver(run->link) : NULL;
    const VdRecordFormat *format;

    if (run->run.kind != VD_RUN_ENCODED || run->run.len < len ||
        (len != c->records->unit && off + len != vd_disk_size(c->target)) ||
        !drv->record_format || !drv->co_read_record)
        return false;
    format = drv->record_format(run->link);
    return format && g_strcmp0(format->name, c->records->name) == 0;
}

/* *@used 0: the unit is to be encoded. */
static bool
stream_co_hand_over(VdCopy *c, uint64_t off, uint64_t len, uint8_t *dst,
                    size_t *used, GError **error)
{
    VdNode *source = c->sources[0].disk->node;
    VdChainRun run;

    *used = 0;
    len = MIN(len, c->sources[0].size - off);
    if (!vd_chain_co_map(source, off, len, VD_WANT_DEFAULT, &run, error))
        return false;
    if (!stream_is_record(c, off, len, &run))
        return true;
    *used = c->records->bound;
    if (!vd_node_driver(run.link)->co_read_record(run.link, off, &run.run, dst,
                                                  used, error))
        return false;
    c->result.bytes_read += *used;
    return true;
}

/* The record of the unit at @pos, if there is one. */
static bool
stream_co_take_record(StreamBatch *batch, size_t pos, size_t len)
{
    VdCopy *c = batch->item->copy;
    size_t index = pos / c->records->unit;
    uint64_t off = batch->item->span.off + pos;
    GError *error = NULL;

    if (batch->item->span.kind != VD_SPAN_DATA ||
        stream_co_hand_over(c, off, len, batch->out + index * c->records->bound,
                            &batch->handed[index], &error))
        return true;
    vd_copy_fail(c, off, "reading", error);
    return false;
}

/* Bytes from @from to @to of the item. */
static bool
stream_co_take_bytes(StreamBatch *batch, size_t from, size_t to)
{
    const VdSpan *span = &batch->item->span;
    VdSpan part = {
        .off = span->off + from, .len = to - from, .kind = span->kind};

    return from == to ||
           vd_copy_co_read(batch->item->copy, &part, batch->in + from);
}

/* Records where there are any; what lies between them in one piece, even if the
 * next record fails: what is in front of it may, too, and comes first. */
static bool
stream_co_take(StreamBatch *batch)
{
    VdCopy *c = batch->item->copy;
    const VdSpan *span = &batch->item->span;
    size_t unit = c->records->unit, from = 0;
    bool ok = true;

    for (size_t pos = 0; ok && pos < span->len; pos += unit) {
        size_t len = MIN(unit, span->len - pos);

        if (vd_copy_stopped(c, span->off) || !vd_copy_check_cancel(c))
            return false;
        ok = stream_co_take_record(batch, pos, len);
        if (!ok || batch->handed[pos / unit] > 0) {
            ok = stream_co_take_bytes(batch, from, pos) && ok;
            from = pos + len;
        }
    }
    return ok && stream_co_take_bytes(batch, from, span->len);
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

    if (vd_copy_stopped(c, span->off) ||
        !(batch->handed ? stream_co_take(batch)
                        : vd_copy_co_read(c, span, batch->in)))
        return false;
    vio_co_offload(c->loop, stream_encode, batch);
    if (batch->error == NULL)
        return true;
    vd_copy_fail(c, batch->at, batch->doing, g_steal_pointer(&batch->error));
    return false;
}

/* What was left out is zero already, or becomes so. */
static bool
stream_co_zero(StreamBatch *batch)
{
    VdCopy *c = batch->item->copy;
    bool ok = true;

    for (size_t i = 0; ok && i < batch->n_zeroes; i++) {
        const VdSpan *unit = &batch->zeroes[i];

        c->meter.now.zero += unit->len;
        c->result.bytes_zero += unit->len;
        ok = c->params.target_is_zero ||
             vd_copy_co_zero(c, unit->off, unit->len);
    }
    return ok;
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

    if (!stream_co_zero(batch))
        return;
    if (batch->n_records > 0) {
        if (!vd_copy_co_pace(c, batch->out_len))
            return;
        if (!vd_node_co_append(c->target->node, &append, &error)) {
            vd_copy_fail(c, span->off, "writing", error);
            return;
        }
        c->result.bytes_written += batch->out_len;
    }
    if (span->kind != VD_SPAN_DATA)
        return;
    c->meter.now.done += span->len;
    if (c->params.sums != NULL)
        vd_sums_add_data(c->params.sums, span->off, span->len, &batch->digest);
}

bool
vd_copy_co_stream_item(void *arg, GError **error)
{
    const VdCopyItem *item = arg;
    VdCopy *c = item->copy;
    size_t unit = c->records->unit;
    size_t room = c->item_bytes + c->out_room;
    uint8_t *buf = vio_co_buffer_get(c->loop, room);
    g_autofree VdRecord *records = g_new(VdRecord, c->item_bytes / unit);
    g_autofree VdSpan *zeroes = g_new(VdSpan, c->item_bytes / unit);
    g_autofree size_t *handed =
        c->hand_over ? g_new0(size_t, c->item_bytes / unit) : NULL;
    StreamBatch batch = {.item = item,
                         .in = buf,
                         .out = buf + c->item_bytes,
                         .records = records,
                         .zeroes = zeroes,
                         .handed = handed};
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
        vd_copy_fail(c, c->end, "writing", error);
}
