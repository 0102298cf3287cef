/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/stream/reader.c - reads of compressed grains.
 *
 * A request for a whole grain (a copy) inflates straight into its target; any
 * other goes through the cache, since the rest of the grain is likely to be
 * asked for next.
 *
 * Concurrency: one loop; requests may overlap.  A record is loaded by one
 * coroutine at a time.
 */
#include <inttypes.h>
#include <string.h>

#include "formats/vmdk/stream/reader.h"

static unsigned
cache_size(size_t grain_bytes)
{
    uint64_t n = VMDK_STREAM_CACHE_BYTES / grain_bytes;

    return (unsigned) CLAMP(n, VMDK_STREAM_CACHE_MIN, VMDK_STREAM_CACHE_GRAINS);
}

VmdkStreamReader *
vmdk_stream_reader_new(VdNode *file, const VmdkHeader *hdr)
{
    VmdkStreamReader *reader = g_new0(VmdkStreamReader, 1);

    reader->file = file;
    reader->hdr = *hdr;
    reader->grain_bytes = (size_t) vmdk_header_grain_bytes(hdr);
    /* An incompressible grain and its head. */
    reader->guess = reader->grain_bytes + VMDK_SECTOR;
    reader->inflater.loop = vd_node_loop(file);
    reader->grains = g_hash_table_new(g_int64_hash, g_int64_equal);
    reader->max_grains = cache_size(reader->grain_bytes);
    reader->last_record = UINT64_MAX;
    return reader;
}

void
vmdk_stream_reader_co_free(VmdkStreamReader *reader)
{
    if (!reader)
        return;
    while (reader->ahead_busy)
        vio_co_queue_wait(&reader->ahead_waiters);
    vmdk_stream_cache_clear(reader);
    g_hash_table_unref(reader->grains);
    g_free(reader);
}

bool
vmdk_stream_check_grain(const VmdkStreamReader *reader, uint64_t record,
                        uint64_t lba, uint64_t grain, GError **error)
{
    uint64_t want = grain * reader->hdr.grain_sectors;

    if (!(reader->hdr.flags & VMDK_FLAG_MARKERS) || lba == want)
        return true;
    return vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: byte %" PRIu64 ": grain of sector %" PRIu64
                    " where the table has that of sector %" PRIu64,
                    vd_node_name(reader->file), record, lba, want);
}

static void
grain_co_load(VmdkStreamReader *reader, VmdkStreamGrain *grain)
{
    GError *error = NULL;

    (void) vmdk_stream_co_load(reader, grain->record, grain->data, &grain->lba,
                               &grain->next, &error);
    vmdk_stream_cache_loaded(reader, grain, error);
}

/* The inflated grain of @record, with a reference, whether good or not. */
static VmdkStreamGrain *
grain_co_get(VmdkStreamReader *reader, uint64_t record)
{
    VmdkStreamGrain *grain = vmdk_stream_cache_find(reader, record);

    if (!grain) {
        grain = vmdk_stream_cache_add(reader, record);
        grain_co_load(reader, grain);
        return grain;
    }
    grain->refs++;
    vmdk_stream_cache_touch(reader, grain);
    while (grain->loading)
        vio_co_queue_wait(&grain->waiters);
    return grain;
}

static bool
read_co_cached(VmdkStreamReader *reader, uint64_t record, uint64_t number,
               size_t skip, const VioVec *dst, GError **error)
{
    VmdkStreamGrain *grain = grain_co_get(reader, record);
    bool ok = !grain->error;

    if (!ok && error)
        *error = g_error_copy(grain->error);
    ok = ok &&
         vmdk_stream_check_grain(reader, record, grain->lba, number, error);
    if (ok) {
        vio_vec_copy_in(dst, grain->data + skip);
        vmdk_stream_ahead_note(reader, grain);
    }
    vmdk_stream_cache_unref(reader, grain);
    return ok;
}

static bool
read_co_direct(VmdkStreamReader *reader, uint64_t record, uint64_t number,
               uint8_t *dst, GError **error)
{
    uint64_t lba, next;

    return vmdk_stream_co_load(reader, record, dst, &lba, &next, error) &&
           vmdk_stream_check_grain(reader, record, lba, number, error);
}

bool
vmdk_stream_co_read(VmdkStreamReader *reader, uint64_t record, uint64_t grain,
                    size_t skip, const VioVec *dst, GError **error)
{
    uint8_t *whole =
        dst->len == reader->grain_bytes ? vio_vec_contiguous(dst) : NULL;

    g_assert(skip <= reader->grain_bytes &&
             dst->len <= reader->grain_bytes - skip);
    vmdk_stream_ahead_co_settle(reader, record);
    if (whole && !vmdk_stream_cache_find(reader, record))
        return read_co_direct(reader, record, grain, whole, error);
    return read_co_cached(reader, record, grain, skip, dst, error);
}

/* -- records as they are -----------------------------------------------------
 */

/* What the writer would have written, from what was read. */
static void
copy_record(const VmdkHeader *hdr, const uint8_t *raw, const VmdkRecord *rec,
            uint8_t *dst, size_t *len)
{
    size_t used = (size_t) rec->head_bytes + rec->data_bytes;
    uint64_t span = vmdk_record_span(hdr, rec);

    if (span > *len ||
        !vmdk_record_has_zlib(raw + rec->head_bytes, rec->data_bytes)) {
        *len = 0;
        return;
    }
    memcpy(dst, raw, used);
    memset(dst + used, 0, (size_t) span - used);
    *len = (size_t) span;
}

bool
vmdk_stream_co_read_record(VmdkStreamReader *reader, uint64_t record,
                           uint64_t grain, void *dst, size_t *len,
                           GError **error)
{
    VmdkStreamBuffer buf;
    VmdkRecord rec;
    bool ok;

    vmdk_stream_buffer_get(reader, vmdk_stream_record_room(reader), &buf);
    ok = vmdk_stream_co_load_record(reader, record, &buf, &rec, error) &&
         vmdk_stream_check_grain(reader, record, rec.value, grain, error);
    if (ok) {
        vmdk_stream_learn(reader, vmdk_record_span(&reader->hdr, &rec));
        copy_record(&reader->hdr, buf.data, &rec, dst, len);
    }
    vmdk_stream_buffer_put(reader, &buf);
    return ok;
}
