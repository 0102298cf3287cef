/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/stream/rebuild.c - a stream written anew, record by record.
 *
 * Records are inflated before they are believed, and go over as they are, in
 * ascending order.  Where the tables are lost, markers lead.
 *
 * Concurrency: one coroutine; inflating and encoding go to the workers.
 */
#include <inttypes.h>
#include <string.h>

#include "block/rw.h"
#include "block/codec/codec.h"
#include "io/bytes.h"
#include "formats/vmdk/stream/reader.h"
#include "formats/vmdk/stream/repair.h"

#define BATCH 8 /* records inflated together */
#define HEAD_BYTES 12

typedef struct {
    VmdkPatient *p;
    VdStreamRepair *result;
    bool salvage; /* damaged records are left out: more is lost already */
    VmdkScan scan;
    VmdkHeader hdr; /* of the new file */
    VmdkStreamReader *reader;
    VmdkStreamWriter *writer;
    size_t room;               /* for a record as it may be read */
    uint8_t *in, *plain, *out; /* BATCH of each */
    VmdkRecord recs[BATCH];
    uint64_t grains[BATCH];
    uint64_t sectors[BATCH];
    VmdkInflateJob jobs[BATCH];
    unsigned n;
} Rebuild;

/* -- records -----------------------------------------------------------------
 */

/* A record that cannot be used.  True: go on without it. */
static bool
rebuild_lose(Rebuild *r, uint64_t sector, GError *cause, GError **error)
{
    if (r->salvage) {
        r->result->lost++;
        g_error_free(cause);
        return true;
    }
    g_propagate_error(error, cause);
    return vd_prefix(error,
                     "%s: the grain at byte %" PRIu64
                     " is damaged, and repairing would lose it: ",
                     vd_node_name(r->p->file), sector * VMDK_SECTOR);
}

static bool
check_place(const Rebuild *r, const VmdkRecord *rec,
            const VmdkRecordPlace *place, GError **error)
{
    uint64_t want = place->grain * r->p->hdr.grain_sectors;

    return !(r->p->hdr.flags & VMDK_FLAG_MARKERS) || rec->value == want ||
           vd_throw(error, VD_ERROR_CORRUPT,
                    "grain of sector %" PRIu64
                    " where the table has that of sector %" PRIu64,
                    rec->value, want);
}

/* Only what is damaged is lost; a read that fails is a failure. */
static bool
rebuild_co_load(Rebuild *r, const VmdkRecordPlace *place, GError **error)
{
    VmdkStreamBuffer buf = {.data = r->in + r->n * r->room, .len = r->room};
    VmdkRecord *rec = &r->recs[r->n];
    GError *local = NULL;

    if (place->grain * r->p->hdr.grain_sectors >= r->p->sectors)
        return true; /* no part of the disk */
    if (!vmdk_stream_co_load_record(r->reader, place->sector * VMDK_SECTOR,
                                    &buf, rec, &local) ||
        !check_place(r, rec, place, &local)) {
        if (vd_error_is(local, VD_ERROR_CORRUPT))
            return rebuild_lose(r, place->sector, local, error);
        g_propagate_error(error, local);
        return false;
    }
    r->jobs[r->n] = (VmdkInflateJob){
        .src = buf.data + rec->head_bytes,
        .src_len = rec->data_bytes,
        .dst = r->plain + r->n * r->reader->grain_bytes,
        .grain_bytes = r->reader->grain_bytes,
    };
    r->grains[r->n] = place->grain;
    r->sectors[r->n++] = place->sector;
    return true;
}

typedef struct {
    uint64_t off;
    const uint8_t *src;
    size_t len;
    uint8_t *dst;
    size_t dst_len;
    bool ok;
    GError *error;
} Encode;

static void
encode_run(void *opaque)
{
    Encode *job = opaque;

    job->ok =
        vmdk_stream_encode(job->off, job->src, job->len, VD_CODEC_LEVEL_FAST,
                           job->dst, &job->dst_len, &job->error);
}

/* As it is if it is as importers want it, else recoded. */
static bool
rebuild_co_make_record(Rebuild *r, unsigned i, uint8_t *dst, size_t *len,
                       GError **error)
{
    const VmdkInflateJob *job = &r->jobs[i];
    uint64_t off = r->grains[i] * r->reader->grain_bytes;
    size_t used = HEAD_BYTES + job->src_len;
    size_t span = (used + VMDK_SECTOR - 1) / VMDK_SECTOR * VMDK_SECTOR;
    Encode encode = {.off = off,
                     .src = job->dst,
                     .len = job->grain_bytes,
                     .dst = dst,
                     .dst_len = vmdk_stream_record_bound()};

    if (job->used == job->grain_bytes && span <= vmdk_stream_record_bound() &&
        vmdk_record_has_zlib(job->src, job->src_len)) {
        vio_put_le64(dst, off / VMDK_SECTOR);
        vio_put_le32(dst + 8, (uint32_t) job->src_len);
        memcpy(dst + HEAD_BYTES, job->src, job->src_len);
        memset(dst + used, 0, span - used);
        *len = span;
        return true;
    }
    vio_co_offload(vd_node_loop(r->p->file), encode_run, &encode);
    if (!encode.ok)
        g_propagate_error(error, encode.error);
    *len = encode.dst_len;
    return encode.ok;
}

static bool
rebuild_co_append(Rebuild *r, unsigned i, GError **error)
{
    VdRecord record = {.off = r->grains[i] * r->reader->grain_bytes};
    struct iovec iov;
    VdAppend append = {.records = &record, .n_records = 1};

    if (r->jobs[i].error)
        return rebuild_lose(r, r->sectors[i],
                            g_steal_pointer(&r->jobs[i].error), error);
    if (!rebuild_co_make_record(r, i, r->out, &record.len, error))
        return false;
    append.bytes = vio_vec_from_buf(&iov, r->out, record.len);
    if (!vmdk_stream_co_append(r->writer, &append, error))
        return false;
    r->result->grains++;
    r->result->data_end =
        MIN(record.off + r->reader->grain_bytes, r->p->sectors * VMDK_SECTOR);
    return true;
}

static bool
rebuild_co_flush(Rebuild *r, GError **error)
{
    bool ok = true;

    vmdk_inflater_co_run(&r->reader->inflater, r->jobs, r->n);
    for (unsigned i = 0; i < r->n; i++) {
        ok = ok && rebuild_co_append(r, i, error);
        g_clear_error(&r->jobs[i].error);
    }
    r->n = 0;
    return ok;
}

static bool
rebuild_co_records(Rebuild *r, GError **error)
{
    for (guint i = 0; i < r->scan.places->len; i++) {
        if (vio_cancel_check(vd_node_env(r->p->file)->cancel) != 0)
            return vd_throw(error, VD_ERROR_CANCELLED, "%s: repair cancelled",
                            vd_node_name(r->p->file));
        if (!rebuild_co_load(
                r, &g_array_index(r->scan.places, VmdkRecordPlace, i), error) ||
            (r->n == BATCH && !rebuild_co_flush(r, error)))
            return false;
    }
    return rebuild_co_flush(r, error);
}

/* -- where they are ----------------------------------------------------------
 */

static bool
rebuild_co_find(Rebuild *r, GError **error)
{
    VmdkPatient *p = r->p;
    bool sound = false;

    if (!p->unfinished && p->hdr.gd_sector != VMDK_GD_AT_END &&
        !vmdk_scan_co_tables(p->file, &p->hdr, &r->scan, &sound, error))
        return false;
    if (sound) {
        r->salvage = r->scan.lost > 0;
        r->result->cut = r->scan.lost > 0;
        r->result->lost = r->scan.lost;
        return true;
    }
    vmdk_scan_clear(&r->scan);
    r->salvage = true;
    if (!vmdk_scan_co_records(p->file, &p->hdr, &r->scan, error))
        return false;
    r->result->cut = !r->scan.ended || p->unfinished;
    return r->scan.places->len > 0 || r->scan.ended ||
           vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: the tables are lost, and no grain was found from byte "
                    "%" PRIu64 " on",
                    vd_node_name(p->file),
                    p->hdr.overhead_sectors * VMDK_SECTOR);
}

/* -- the new file ------------------------------------------------------------
 */

static bool
rebuild_co_write_text(Rebuild *r, VdNode *target, GError **error)
{
    g_autoptr(VmdkDescriptor) desc =
        vmdk_repair_new_text(r->p->desc, r->p->path, r->p->sectors, error);
    size_t len, area = (size_t) r->hdr.desc_sectors * VMDK_SECTOR;
    g_autofree char *text = NULL;
    g_autofree char *padded = g_malloc0(area);

    if (!desc)
        return false;
    text = vmdk_descriptor_text(desc, &len);
    if (len > area)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "%s: the descriptor would need %zu bytes, at most %zu",
                        vd_node_name(target), len, area);
    memcpy(padded, text, len);
    return vd_node_co_pwrite(target, r->hdr.desc_sector * VMDK_SECTOR, padded,
                             area, error);
}

static bool
rebuild_co_write(Rebuild *r, VdNode *target, GError **error)
{
    VdAppend end = {.n_records = 0};

    vmdk_header_layout_stream(&r->hdr, r->p->sectors, false);
    r->writer = vmdk_stream_writer_new(target, &r->hdr);
    return rebuild_co_write_text(r, target, error) &&
           rebuild_co_records(r, error) &&
           vmdk_stream_co_append(r->writer, &end, error);
}

static void
rebuild_init(Rebuild *r)
{
    r->reader = vmdk_stream_reader_new(r->p->file, &r->p->hdr);
    r->room = vmdk_stream_record_room(r->reader);
    r->in = g_malloc(BATCH * r->room);
    r->plain = g_malloc(BATCH * r->reader->grain_bytes);
    r->out = g_malloc(vmdk_stream_record_bound());
}

static void
rebuild_co_clear(Rebuild *r)
{
    vmdk_stream_writer_free(r->writer);
    vmdk_stream_reader_co_free(r->reader);
    vmdk_scan_clear(&r->scan);
    g_free(r->in);
    g_free(r->plain);
    g_free(r->out);
}

bool
vmdk_repair_co_rebuild(VmdkPatient *p, VdNode *target, VdStreamRepair *result,
                       GError **error)
{
    g_autofree Rebuild *r = g_new0(Rebuild, 1);
    bool ok;

    r->p = p;
    r->result = result;
    rebuild_init(r);
    ok = rebuild_co_find(r, error) && rebuild_co_write(r, target, error);
    rebuild_co_clear(r);
    result->changed = result->rewritten = true;
    return ok;
}
