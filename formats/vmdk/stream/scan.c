/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/stream/scan.c - the records of a stream, one after the other.
 *
 * Concurrency: one coroutine; the result is constant.
 */
#include "formats/vmdk/stream/scan.h"

#include <inttypes.h>

#include "block/open.h"
#include "formats/vmdk/stream/check.h"

void
vmdk_scan_clear(VmdkScan *scan)
{
    g_clear_pointer(&scan->places, g_array_unref);
}

static bool
scan_add(VmdkScan *scan, const VmdkHeader *hdr, const char *name,
         uint64_t grain, uint64_t sector, GError **error)
{
    VmdkRecordPlace place = {.grain = grain, .sector = sector};
    uint64_t behind = (grain + 1) * vmdk_header_grain_bytes(hdr);

    if (scan->places->len >= VMDK_SCAN_MAX_RECORDS)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "%s: more than %" PRIu64 " compressed grains", name,
                        VMDK_SCAN_MAX_RECORDS);
    g_array_append_val(scan->places, place);
    scan->last = MAX(scan->last, behind);
    return true;
}

static void
scan_init(VmdkScan *scan)
{
    *scan = (VmdkScan){
        .places = g_array_new(FALSE, FALSE, sizeof(VmdkRecordPlace)),
    };
}

static bool
scan_check_cancel(VdNode *file, GError **error)
{
    if (vio_cancel_check(vd_node_env(file)->cancel) == 0)
        return true;
    return vd_throw(error, VD_ERROR_CANCELLED, "%s: cancelled",
                    vd_node_name(file));
}

/* -- by the markers ----------------------------------------------------------
 */

static int
compare_places(gconstpointer a, gconstpointer b)
{
    const VmdkRecordPlace *p = a, *q = b;

    if (p->grain != q->grain)
        return p->grain < q->grain ? -1 : 1;
    return p->sector < q->sector ? -1 : p->sector > q->sector;
}

/* Ascending, and of each grain the last record. */
static void
scan_settle(VmdkScan *scan)
{
    guint n = 0;

    g_array_sort(scan->places, compare_places);
    for (guint i = 0; i < scan->places->len; i++) {
        VmdkRecordPlace *all = (VmdkRecordPlace *) (void *) scan->places->data;

        if (n > 0 && all[n - 1].grain == all[i].grain)
            n--;
        all[n++] = all[i];
    }
    g_array_set_size(scan->places, n);
}

static bool
is_record(const VmdkHeader *hdr, const VmdkRecord *rec, uint64_t at,
          uint64_t size)
{
    return rec->data_bytes <= vmdk_record_max_data(hdr) &&
           (uint64_t) rec->head_bytes + rec->data_bytes <= size - at &&
           rec->value % hdr->grain_sectors == 0 &&
           rec->value < hdr->capacity_sectors;
}

/* @rec stands at scan->end.  *@go: something may follow it. */
static bool
scan_step(VmdkScan *scan, VdNode *file, const VmdkHeader *hdr,
          const VmdkRecord *rec, bool *go, GError **error)
{
    uint64_t at = scan->end, size = vd_node_size(file);
    uint64_t span = vmdk_record_span(hdr, rec);

    *go = false;
    if (rec->data_bytes == 0 && rec->marker == VMDK_MARKER_EOS) {
        scan->ended = true;
        return true;
    }
    if (rec->data_bytes > 0 && !is_record(hdr, rec, at, size))
        return true;
    if (rec->data_bytes == 0 && (span == 0 || span > size - at))
        return true;
    if (rec->data_bytes > 0 &&
        !scan_add(scan, hdr, vd_node_name(file),
                  rec->value / hdr->grain_sectors, at / VMDK_SECTOR, error))
        return false;
    scan->end += span;
    *go = true;
    return true;
}

bool
vmdk_scan_co_records(VdNode *file, const VmdkHeader *hdr, VmdkScan *scan,
                     GError **error)
{
    uint64_t size = vd_node_size(file);
    bool go = true;

    if (!(hdr->flags & VMDK_FLAG_MARKERS))
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: grains without markers cannot be found without "
                        "their tables",
                        vd_node_name(file));
    scan_init(scan);
    scan->end = hdr->overhead_sectors * VMDK_SECTOR;
    while (go && scan->end < size && size - scan->end >= VMDK_MARKER_HEAD) {
        uint8_t raw[VMDK_MARKER_HEAD];
        VmdkRecord rec;

        if (!scan_check_cancel(file, error) ||
            !vd_node_co_pread(file, scan->end, raw, sizeof(raw), error))
            return false;
        vmdk_record_parse(hdr, raw, &rec);
        if (!scan_step(scan, file, hdr, &rec, &go, error))
            return false;
    }
    scan_settle(scan);
    return true;
}

/* -- by the tables -----------------------------------------------------------
 */

typedef struct {
    VdNode *file;
    const VmdkHeader *hdr;
    VmdkScan *scan;
} TableScan;

static bool
scan_co_entry(void *opaque, uint64_t grain, uint64_t sector, GError **error)
{
    TableScan *t = opaque;

    if (sector * VMDK_SECTOR >= vd_node_size(t->file)) {
        t->scan->lost++;
        return true;
    }
    return scan_check_cancel(t->file, error) &&
           scan_add(t->scan, t->hdr, vd_node_name(t->file), grain, sector,
                    error);
}

bool
vmdk_scan_co_tables(VdNode *file, const VmdkHeader *hdr, VmdkScan *scan,
                    bool *sound, GError **error)
{
    VdCheckResult result = {.max_findings = 1};
    TableScan t = {.file = file, .hdr = hdr, .scan = scan};
    VmdkStreamLedger *ledger = vmdk_stream_ledger_new(file, hdr, &result);
    uint64_t gd_end = hdr->gd_sector + vmdk_header_gd_sectors(hdr);
    bool ok = true;

    scan_init(scan);
    *sound = gd_end * VMDK_SECTOR <= vd_node_size(file);
    if (*sound)
        ok = vmdk_stream_ledger_co_rest(ledger, scan_co_entry, &t, error);
    *sound &= result.corruptions == 0;
    vmdk_stream_ledger_free(ledger);
    g_clear_pointer(&result.findings, g_ptr_array_unref);
    return ok;
}

/* -- looking up --------------------------------------------------------------
 */

const VmdkRecordPlace *
vmdk_scan_find(const VmdkScan *scan, uint64_t grain, uint64_t *next)
{
    const VmdkRecordPlace *all =
        (const VmdkRecordPlace *) (void *) scan->places->data;
    guint lo = 0, hi = scan->places->len;

    while (lo < hi) {
        guint mid = lo + (hi - lo) / 2;

        if (all[mid].grain < grain)
            lo = mid + 1;
        else
            hi = mid;
    }
    *next = UINT64_MAX;
    if (lo < scan->places->len && all[lo].grain == grain)
        return &all[lo];
    if (lo < scan->places->len)
        *next = all[lo].grain;
    return NULL;
}
