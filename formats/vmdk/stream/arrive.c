/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/stream/arrive.c - a stream that is read while it comes
 * (in-order=on).
 *
 * Tables and footer come last, but records lead from one to the next, in the
 * order of the disk.  So who wants a grain waits until the stream has come to
 * it, or past its place; what has come may be read again.  To be whole a
 * stream must have come to its end, which is waited for with the last grain.
 * A table that comes must name the grains in front of it, and no others.
 *
 * Concurrency: one coroutine at a time takes the next steps (lock); requests
 * overlap otherwise.
 */
#include <inttypes.h>

#include "formats/vmdk/sparse/sparse.h"
#include "formats/vmdk/stream/scan.h"
#include "io/bytes.h"

typedef struct VmdkArrival {
    VmdkScan scan;
    VioCoMutex lock;
    uint64_t known; /* grains in front of it have come, or there are none */
    guint tabled;   /* so many of those that have come were in a table */
} VmdkArrival;

static bool
throw_at(const VmdkExtent *e, const char *what, GError **error)
{
    return vd_throw(error, VD_ERROR_CORRUPT, "%s: byte %" PRIu64 ": %s",
                    vd_node_name(e->file), e->sparse->arrival->scan.end, what);
}

/* The next @len bytes behind what is known. */
static bool
arrive_co_await(VmdkExtent *e, uint64_t len, GError **error)
{
    uint64_t end = e->sparse->arrival->scan.end + len;

    return vd_node_co_await(e->file, end, error) &&
           (vd_node_size(e->file) >= end ||
            throw_at(e, "the stream was cut off", error));
}

static bool
check_record(const VmdkExtent *e, const VmdkRecord *rec, GError **error)
{
    const VmdkHeader *hdr = &e->sparse->hdr;
    uint64_t grain = vmdk_record_grain(hdr, rec->value);

    if (rec->data_bytes > vmdk_record_max_data(hdr) || grain == VD_NO_GRAIN)
        return throw_at(e, "there is no compressed grain", error);
    if (grain < e->sparse->arrival->known)
        return throw_at(e, "the grains are not in the order of the disk",
                        error);
    return e->sparse->arrival->scan.places->len < VMDK_SCAN_MAX_RECORDS ||
           vd_throw(error, VD_ERROR_LIMIT,
                    "%s: more than %" PRIu64 " compressed grains",
                    vd_node_name(e->file), VMDK_SCAN_MAX_RECORDS);
}

/* A grain whose head is damaged must not be passed over as a marker. */
static bool
check_marker(const VmdkExtent *e, const VmdkRecord *rec, GError **error)
{
    const VmdkHeader *hdr = &e->sparse->hdr;
    bool known = rec->marker == VMDK_MARKER_PROGRESS ||
                 (rec->marker == VMDK_MARKER_GT &&
                  rec->value == vmdk_header_gt_sectors(hdr)) ||
                 (rec->marker == VMDK_MARKER_GD &&
                  rec->value == vmdk_header_gd_sectors(hdr)) ||
                 (rec->marker == VMDK_MARKER_FOOTER && rec->value == 1);

    return known || throw_at(e, "there is neither a grain nor a marker", error);
}

/* The grains that have come since the last table are its entries. */
static bool
table_names_grains(const VmdkArrival *a, const VmdkHeader *hdr,
                   const uint8_t *table)
{
    const VmdkRecordPlace *places =
        (const VmdkRecordPlace *) (void *) a->scan.places->data;
    guint n = a->scan.places->len, at = a->tabled;

    for (uint32_t i = 0; i < hdr->gtes_per_gt; i++) {
        uint32_t sector = vio_get_le32(table + i * sizeof(uint32_t));

        if (sector <= VMDK_GTE_ZERO)
            continue;
        if (at == n || places[at].sector != sector ||
            places[at].grain % hdr->gtes_per_gt != i ||
            places[at].grain / hdr->gtes_per_gt !=
                places[a->tabled].grain / hdr->gtes_per_gt)
            return false;
        at++;
    }
    return at == n;
}

/* Behind a marker that has been checked. */
static bool
arrive_co_table(VmdkExtent *e, GError **error)
{
    VmdkArrival *a = e->sparse->arrival;
    const VmdkHeader *hdr = &e->sparse->hdr;
    size_t len = (size_t) (vmdk_header_gt_sectors(hdr) * VMDK_SECTOR);
    g_autofree uint8_t *table = g_malloc(len);

    if (!vd_node_co_pread(e->file, a->scan.end + VMDK_SECTOR, table, len,
                          error))
        return false;
    if (!table_names_grains(a, hdr, table))
        return throw_at(e, "the grain table contradicts the grains", error);
    a->tabled = a->scan.places->len;
    return true;
}

/* What follows means nothing, but whoever sends it is not done. */
static bool
arrive_co_end(VmdkExtent *e, GError **error)
{
    VmdkArrival *a = e->sparse->arrival;

    if (e->sparse->hdr.gd_sector == VMDK_GD_AT_END &&
        a->tabled != a->scan.places->len)
        return throw_at(e, "the last grains are in no table", error);
    a->scan.ended = vd_node_co_await(e->file, UINT64_MAX, error);
    return a->scan.ended;
}

static void
take_record(VmdkArrival *a, const VmdkHeader *hdr, const VmdkRecord *rec)
{
    VmdkRecordPlace place = {
        .grain = vmdk_record_grain(hdr, rec->value),
        .sector = a->scan.end / VMDK_SECTOR,
    };

    g_array_append_val(a->scan.places, place);
    a->known = place.grain + 1;
}

static bool
arrive_co_step(VmdkExtent *e, GError **error)
{
    VmdkArrival *a = e->sparse->arrival;
    const VmdkHeader *hdr = &e->sparse->hdr;
    uint8_t raw[VMDK_MARKER_HEAD];
    VmdkRecord rec;
    uint64_t span;

    if (!arrive_co_await(e, sizeof(raw), error) ||
        !vd_node_co_pread(e->file, a->scan.end, raw, sizeof(raw), error))
        return false;
    vmdk_record_parse(hdr, raw, &rec);
    if (rec.data_bytes == 0 && rec.marker == VMDK_MARKER_EOS)
        return arrive_co_end(e, error);
    if (rec.data_bytes > 0 ? !check_record(e, &rec, error)
                           : !check_marker(e, &rec, error))
        return false;
    span = vmdk_record_span(hdr, &rec);
    if (!arrive_co_await(e, span, error))
        return false;
    if (rec.data_bytes > 0)
        take_record(a, hdr, &rec);
    else if (rec.marker == VMDK_MARKER_GT && !arrive_co_table(e, error))
        return false;
    a->scan.end += span;
    return true;
}

/* Until it is known what @grain is. */
static bool
arrive_co_reach(VmdkExtent *e, uint64_t grain, GError **error)
{
    VmdkArrival *a = e->sparse->arrival;
    uint64_t n_grains =
        (e->len + e->sparse->grain_bytes - 1) >> e->sparse->grain_shift;
    bool ok = true;

    vio_co_mutex_lock(&a->lock);
    while (ok && !a->scan.ended && (a->known <= grain || grain + 1 >= n_grains))
        ok = arrive_co_step(e, error);
    vio_co_mutex_unlock(&a->lock);
    return ok;
}

static bool
arrive_co_map(VmdkExtent *e, uint64_t off, uint64_t len, VdRun *run,
              GError **error)
{
    const VmdkSparse *sp = e->sparse;

    return arrive_co_reach(e, off >> sp->grain_shift, error) &&
           vmdk_stream_scan_map(e, &sp->arrival->scan, off, len, run);
}

bool
vmdk_stream_co_arrive(VmdkExtent *e, GError **error)
{
    VmdkSparse *sp = e->sparse;

    if (!(sp->hdr.flags & VMDK_FLAG_MARKERS))
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: grains without markers cannot be told before "
                        "their tables have come",
                        vd_node_name(e->file));
    e->ops = &vmdk_arriving_ops;
    sp->grain_bytes = vmdk_header_grain_bytes(&sp->hdr);
    sp->grain_shift = (unsigned) __builtin_ctzll(sp->grain_bytes);
    sp->reader = vmdk_stream_reader_new(e->file, &sp->hdr);
    sp->arrival = g_new0(VmdkArrival, 1);
    sp->arrival->scan = (VmdkScan){
        .places = g_array_new(FALSE, FALSE, sizeof(VmdkRecordPlace)),
        .end = sp->hdr.overhead_sectors * VMDK_SECTOR,
    };
    return true;
}

void
vmdk_stream_arrive_free(VmdkSparse *sp)
{
    if (!sp->arrival)
        return;
    vmdk_scan_clear(&sp->arrival->scan);
    g_clear_pointer(&sp->arrival, g_free);
}

const VmdkExtentOps vmdk_arriving_ops = {
    .co_map = arrive_co_map,
    .co_decode = vmdk_stream_co_decode,
    .free = vmdk_sparse_free,
};
