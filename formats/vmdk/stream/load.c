/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/stream/load.c - from a record in the file to a grain.
 *
 * How long a record is stands at its front.  To need one read all the same,
 * as much is read as the last records took; the rest, if any, after that.
 */
#include <inttypes.h>
#include <string.h>

#include "formats/vmdk/stream/reader.h"
#include "io/buffer.h"

#define GUESS_STEP 4096

/* -- memory ------------------------------------------------------------------
 */

void
vmdk_stream_buffer_get(const VmdkStreamReader *reader, size_t len,
                       VmdkStreamBuffer *buf)
{
    buf->len = len;
    buf->data = vio_buffer_try_get(reader->inflater.loop, len);
    buf->pooled = buf->data != NULL;
    if (!buf->pooled)
        buf->data = g_malloc(len);
}

void
vmdk_stream_buffer_put(const VmdkStreamReader *reader, VmdkStreamBuffer *buf)
{
    if (buf->pooled)
        vio_buffer_put(reader->inflater.loop, buf->data, buf->len);
    else
        g_free(buf->data);
}

void
vmdk_stream_learn(VmdkStreamReader *reader, uint64_t span)
{
    /* Falls slowly, rises at once. */
    size_t slow = reader->guess - reader->guess / 16;

    reader->guess = MAX((size_t) span, MAX(slow, GUESS_STEP));
}

/* -- reading -----------------------------------------------------------------
 */

bool
vmdk_stream_check_record(const VmdkStreamReader *reader, uint64_t record,
                         const VmdkRecord *rec, GError **error)
{
    const char *name = vd_node_name(reader->file);
    uint64_t size = vd_node_size(reader->file);
    uint64_t max = vmdk_record_max_data(&reader->hdr);

    if (rec->data_bytes == 0)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: byte %" PRIu64
                        ": want a compressed grain, found a marker of type %u",
                        name, record, rec->marker);
    if (rec->data_bytes > max)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: byte %" PRIu64
                        ": compressed grain of %u bytes, at most %" PRIu64,
                        name, record, rec->data_bytes, max);
    if (rec->head_bytes + (uint64_t) rec->data_bytes > size - record)
        return vd_throw(
            error, VD_ERROR_CORRUPT,
            "%s: byte %" PRIu64
            ": compressed grain of %u bytes, but the file ends at byte %" PRIu64,
            name, record, rec->data_bytes, size);
    return true;
}

size_t
vmdk_stream_record_room(const VmdkStreamReader *reader)
{
    return VMDK_RECORD_HEAD_MAX + vmdk_record_max_data(&reader->hdr);
}

bool
vmdk_stream_co_load_record(VmdkStreamReader *reader, uint64_t record,
                           const VmdkStreamBuffer *buf, VmdkRecord *rec,
                           GError **error)
{
    const char *name = vd_node_name(reader->file);
    uint64_t size = vd_node_size(reader->file);
    uint8_t head[VMDK_MARKER_HEAD] = {0};
    size_t have, need;

    if (record >= size || size - record < vmdk_record_head_bytes(&reader->hdr))
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: compressed grain at byte %" PRIu64
                        ", but the file ends at byte %" PRIu64,
                        name, record, size);
    have = (size_t) MIN(MIN(reader->guess, buf->len), size - record);
    if (!vd_node_co_pread(reader->file, record, buf->data, have, error))
        return false;
    memcpy(head, buf->data, MIN(have, sizeof(head)));
    vmdk_record_parse(&reader->hdr, head, rec);
    if (!vmdk_stream_check_record(reader, record, rec, error))
        return false;
    need = (size_t) rec->head_bytes + rec->data_bytes;
    return need <= have ||
           vd_node_co_pread(reader->file, record + have, buf->data + have,
                            need - have, error);
}

static bool
record_co_inflate(VmdkStreamReader *reader, uint64_t record, const uint8_t *raw,
                  const VmdkRecord *rec, uint8_t *dst, GError **error)
{
    VmdkInflateJob job = {
        .src = raw + rec->head_bytes,
        .src_len = rec->data_bytes,
        .dst = dst,
        .grain_bytes = reader->grain_bytes,
    };

    vmdk_inflater_co_run(&reader->inflater, &job, 1);
    if (!job.error)
        return true;
    g_propagate_error(error, job.error);
    return vd_prefix(error, "%s: grain at byte %" PRIu64 ": ",
                     vd_node_name(reader->file), record);
}

bool
vmdk_stream_co_load(VmdkStreamReader *reader, uint64_t record, uint8_t *dst,
                    uint64_t *lba, uint64_t *next, GError **error)
{
    size_t room = vmdk_stream_record_room(reader);
    VmdkStreamBuffer buf;
    VmdkRecord rec;
    bool ok;

    vmdk_stream_buffer_get(reader, room, &buf);
    ok = vmdk_stream_co_load_record(reader, record, &buf, &rec, error) &&
         record_co_inflate(reader, record, buf.data, &rec, dst, error);
    vmdk_stream_buffer_put(reader, &buf);
    if (!ok)
        return false;
    *lba = rec.value;
    *next = record + vmdk_record_span(&reader->hdr, &rec);
    vmdk_stream_learn(reader, *next - record);
    return true;
}
