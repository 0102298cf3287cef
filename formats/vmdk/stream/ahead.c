/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/stream/ahead.c - the next grains, before anyone asks.
 *
 * Records stand behind one another in the order of the disk, so what comes
 * next is known without any table.  After a few requests in sequence the next
 * grains are read with one request and inflated together.  While the bytes
 * are on their way nobody knows which records they hold: who wants a record
 * from among them waits for that, and then for the grain.
 *
 * Concurrency: one coroutine at a time reads ahead.  An error ends it quietly:
 * whoever needs the grain meets it again.
 */
#include <inttypes.h>
#include <string.h>

#include "formats/vmdk/stream/reader.h"

#define AHEAD_AFTER 2 /* steps in sequence before it starts */
#define AHEAD_LOW 2   /* it starts again when fewer grains than this wait */

typedef struct {
    VmdkStreamReader *reader;
    VmdkStreamBuffer buf;
    VmdkStreamGrain *grains[VMDK_STREAM_AHEAD];
    VmdkInflateJob jobs[VMDK_STREAM_AHEAD];
    unsigned n;
} Ahead;

void
vmdk_stream_ahead_co_settle(VmdkStreamReader *reader, uint64_t record)
{
    while (record >= reader->ahead_from && record < reader->ahead_to)
        vio_co_queue_wait(&reader->ahead_waiters);
}

/* Make a grain of the record at @pos of the buffer unless there is one. */
static void
ahead_take(Ahead *a, uint64_t pos, const VmdkRecord *rec)
{
    VmdkStreamReader *reader = a->reader;
    uint64_t record = reader->ahead_from + pos;
    VmdkStreamGrain *grain;

    if (vmdk_stream_cache_find(reader, record))
        return;
    grain = vmdk_stream_cache_add(reader, record);
    grain->lba = rec->value;
    grain->next = record + vmdk_record_span(&reader->hdr, rec);
    a->grains[a->n] = grain;
    a->jobs[a->n] = (VmdkInflateJob){
        .src = a->buf.data + pos + rec->head_bytes,
        .src_len = rec->data_bytes,
        .dst = grain->data,
        .grain_bytes = reader->grain_bytes,
    };
    a->n++;
}

/* The whole records of the buffer; tables between them are passed over. */
static void
ahead_parse(Ahead *a)
{
    const VmdkHeader *hdr = &a->reader->hdr;
    uint64_t pos = 0, span;
    VmdkRecord rec;

    while (a->n < VMDK_STREAM_AHEAD && a->buf.len - pos >= VMDK_SECTOR) {
        vmdk_record_parse(hdr, a->buf.data + pos, &rec);
        span = vmdk_record_span(hdr, &rec);
        if (span == 0 || rec.data_bytes > vmdk_record_max_data(hdr) ||
            span > a->buf.len - pos)
            break;
        if (rec.data_bytes > 0)
            ahead_take(a, pos, &rec);
        pos += span;
    }
    if (a->n == 0)
        a->reader->ahead_end = a->reader->ahead_from;
}

static void
ahead_co_inflate(Ahead *a)
{
    VmdkStreamReader *reader = a->reader;

    vmdk_inflater_co_run(&reader->inflater, a->jobs, a->n);
    for (unsigned i = 0; i < a->n; i++) {
        if (a->jobs[i].error)
            (void) vd_prefix(&a->jobs[i].error,
                             "%s: grain at byte %" PRIu64 ": ",
                             vd_node_name(reader->file), a->grains[i]->record);
        else
            vmdk_stream_learn(reader,
                              a->grains[i]->next - a->grains[i]->record);
        vmdk_stream_cache_loaded(reader, a->grains[i], a->jobs[i].error);
        vmdk_stream_cache_unref(reader, a->grains[i]);
    }
}

static void
ahead_co_run(void *opaque)
{
    Ahead *a = opaque;
    VmdkStreamReader *reader = a->reader;
    bool ok;

    vmdk_stream_buffer_get(reader, reader->ahead_to - reader->ahead_from,
                           &a->buf);
    ok = vd_node_co_pread(reader->file, reader->ahead_from, a->buf.data,
                          a->buf.len, NULL);
    if (ok)
        ahead_parse(a);
    else
        reader->ahead_end = reader->ahead_from;
    reader->ahead_from = reader->ahead_to = 0;
    vio_co_queue_wake_all(&reader->ahead_waiters);

    ahead_co_inflate(a);
    vmdk_stream_buffer_put(reader, &a->buf);
    reader->ahead_busy = false;
    vio_co_queue_wake_all(&reader->ahead_waiters);
    g_free(a);
}

static void
ahead_start(VmdkStreamReader *reader, uint64_t from)
{
    uint64_t size = vd_node_size(reader->file);
    uint64_t want = (uint64_t) VMDK_STREAM_AHEAD * reader->guess;
    Ahead *a;

    if (reader->ahead_busy || from == reader->ahead_end || from >= size ||
        size - from <= VMDK_SECTOR)
        return;
    a = g_new0(Ahead, 1);
    a->reader = reader;
    reader->ahead_busy = true;
    reader->ahead_from = from;
    reader->ahead_to = from + MIN(want, size - from);
    vio_co_start(reader->inflater.loop, ahead_co_run, a);
}

void
vmdk_stream_ahead_note(VmdkStreamReader *reader, const VmdkStreamGrain *grain)
{
    uint64_t next = grain->next;
    unsigned there = 0;

    if (grain->record != reader->last_record) {
        reader->run = grain->record == reader->last_next ? reader->run + 1 : 0;
        reader->last_record = grain->record;
        reader->last_next = next;
    }
    if (reader->run < AHEAD_AFTER || !(reader->hdr.flags & VMDK_FLAG_MARKERS))
        return;
    while (next != 0 && there < AHEAD_LOW &&
           (grain = vmdk_stream_cache_find(reader, next))) {
        next = grain->next;
        there++;
    }
    if (next != 0 && there < AHEAD_LOW)
        ahead_start(reader, next);
}
