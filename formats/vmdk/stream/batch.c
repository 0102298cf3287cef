/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/stream/batch.c - many grains with one request.
 *
 * A copy wants whole grains by the dozen, and their records stand behind one
 * another.  So these are read together, inflated straight to where they are
 * wanted, and handed to the workers in a few pieces, where each alone would
 * cost a request, a coroutine and a hand-over.
 *
 * How long the last record is nobody knows before it is read; if the guess was
 * too short that grain is loaded by itself, as are grains that are wanted in
 * part or that the cache has.
 *
 * Concurrency: one loop; requests may overlap, since nothing is shared.
 */
#include <inttypes.h>
#include <string.h>

#include "formats/vmdk/stream/reader.h"

#define BATCH_BYTES (UINT64_C(1) << 20) /* of the disk */
#define BATCH_MAX 16                    /* grains */
/* Of the file: incompressible grains and their heads. */
#define BATCH_FILE_BYTES (UINT64_C(2) << 20)

typedef struct {
    VmdkStreamReader *reader;
    const VmdkStreamPart *parts;
    size_t n;
    VmdkStreamBuffer buf;
    VmdkInflateJob jobs[BATCH_MAX];
} Batch;

size_t
vmdk_stream_batch_grains(uint64_t grain_bytes)
{
    return (size_t) CLAMP(BATCH_BYTES / grain_bytes, 1, BATCH_MAX);
}

/* -- which of them -----------------------------------------------------------
 */

/* Does this part go straight from the file to its place? */
static bool
part_is_whole(const VmdkStreamReader *reader, const VmdkStreamPart *part)
{
    return part->dst.len == reader->grain_bytes &&
           vio_vec_contiguous(&part->dst) &&
           !vmdk_stream_cache_find(reader, part->record);
}

/* Can @part be read together with those from @first to @last? */
static bool
part_follows(const VmdkStreamReader *reader, const VmdkStreamPart *first,
             const VmdkStreamPart *last, const VmdkStreamPart *part)
{
    uint64_t room = vmdk_stream_record_room(reader) + VMDK_SECTOR;

    return part->record > last->record && part->record - last->record <= room &&
           part->record - first->record <= BATCH_FILE_BYTES - room &&
           part_is_whole(reader, part);
}

/* How many of @parts are read together. */
static size_t
batch_length(const VmdkStreamReader *reader, const VmdkStreamPart *parts,
             size_t n)
{
    size_t i = 1;

    if (!part_is_whole(reader, &parts[0]))
        return 1;
    while (i < MIN(n, BATCH_MAX) &&
           part_follows(reader, &parts[0], &parts[i - 1], &parts[i]))
        i++;
    return i;
}

/* -- together ----------------------------------------------------------------
 */

static bool
batch_co_load(Batch *b, GError **error)
{
    VmdkStreamReader *reader = b->reader;
    uint64_t first = b->parts[0].record, last = b->parts[b->n - 1].record;
    uint64_t size = vd_node_size(reader->file);

    if (last >= size || size - last < vmdk_record_head_bytes(&reader->hdr))
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: compressed grain at byte %" PRIu64
                        ", but the file ends at byte %" PRIu64,
                        vd_node_name(reader->file), last, size);
    vmdk_stream_buffer_get(
        reader, (size_t) (MIN(last + reader->guess, size) - first), &b->buf);
    if (vd_node_co_pread(reader->file, first, b->buf.data, b->buf.len, error))
        return true;
    vmdk_stream_buffer_put(reader, &b->buf);
    return false;
}

/* *@too_short: the record reaches over what was read. */
static bool
batch_parse(Batch *b, size_t i, bool *too_short, GError **error)
{
    VmdkStreamReader *reader = b->reader;
    const VmdkStreamPart *part = &b->parts[i];
    const uint8_t *raw = b->buf.data + (part->record - b->parts[0].record);
    size_t have = (size_t) (b->buf.data + b->buf.len - raw);
    uint8_t head[VMDK_MARKER_HEAD] = {0};
    VmdkRecord rec;

    memcpy(head, raw, MIN(have, sizeof(head)));
    vmdk_record_parse(&reader->hdr, head, &rec);
    if (!vmdk_stream_check_record(reader, part->record, &rec, error) ||
        !vmdk_stream_check_grain(reader, part->record, rec.value, part->grain,
                                 error))
        return false;
    *too_short = rec.head_bytes + (uint64_t) rec.data_bytes > have;
    vmdk_stream_learn(reader, vmdk_record_span(&reader->hdr, &rec));
    b->jobs[i] = (VmdkInflateJob){
        .src = raw + rec.head_bytes,
        .src_len = rec.data_bytes,
        .dst = vio_vec_contiguous(&part->dst),
        .grain_bytes = reader->grain_bytes,
    };
    return true;
}

/* The first of what went wrong is told. */
static bool
batch_end(Batch *b, size_t n, GError *parse_error, GError **error)
{
    GError *first = NULL;

    for (size_t i = 0; i < n; i++)
        if (b->jobs[i].error && !first) {
            first = b->jobs[i].error;
            (void) vd_prefix(&first, "%s: grain at byte %" PRIu64 ": ",
                             vd_node_name(b->reader->file), b->parts[i].record);
        } else {
            g_clear_error(&b->jobs[i].error);
        }
    if (first)
        g_clear_error(&parse_error);
    else
        first = parse_error;
    if (first)
        g_propagate_error(error, first);
    return !first;
}

/* *@done: how many of the parts are where they are wanted. */
static bool
batch_co_read(Batch *b, size_t *done, GError **error)
{
    bool too_short = false, ok = true;
    GError *parse_error = NULL;
    size_t n = 0;

    if (!batch_co_load(b, error))
        return false;
    while (ok && n < b->n) {
        ok = batch_parse(b, n, &too_short, &parse_error);
        if (!ok || too_short)
            break;
        n++;
    }
    vmdk_inflater_co_run(&b->reader->inflater, b->jobs, n);
    vmdk_stream_buffer_put(b->reader, &b->buf);
    *done = n;
    return batch_end(b, n, parse_error, error);
}

/* -- all of them -------------------------------------------------------------
 */

static bool
part_co_read(VmdkStreamReader *reader, const VmdkStreamPart *part,
             GError **error)
{
    return vmdk_stream_co_read(reader, part->record, part->grain, part->skip,
                               &part->dst, error);
}

bool
vmdk_stream_co_read_parts(VmdkStreamReader *reader, const VmdkStreamPart *parts,
                          size_t n, GError **error)
{
    g_autofree Batch *b = g_new(Batch, 1);
    bool ok = true;

    for (size_t i = 0, done; ok && i < n; i += done) {
        *b = (Batch){.reader = reader,
                     .parts = parts + i,
                     .n = batch_length(reader, parts + i, n - i)};
        done = 0;
        ok = b->n == 1 || batch_co_read(b, &done, error);
        if (ok && done == 0) { /* alone */
            ok = part_co_read(reader, parts + i, error);
            done = 1;
        }
    }
    return ok;
}
