/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/stream/recover.c - a stream read without its tables
 * (recover=on).
 *
 * Opening walks from record to record, so that what was cut off, or never
 * completed, can be read as far as it goes.  What has no record reads as
 * zeroes, or as the parent has it.
 *
 * Concurrency: immutable after open; any number of requests may overlap.
 */
#include <inttypes.h>

#include "formats/vmdk/sparse/sparse.h"
#include "formats/vmdk/stream/scan.h"

bool
vmdk_stream_scan_map(const VmdkExtent *e, const struct VmdkScan *scan,
                     uint64_t off, uint64_t len, VdRun *run)
{
    const VmdkSparse *sp = e->sparse;
    uint64_t grain = off >> sp->grain_shift, next;
    const VmdkRecordPlace *place = vmdk_scan_find(scan, grain, &next);
    uint64_t end = (grain + 1) << sp->grain_shift;

    *run = (VdRun){.kind = VD_RUN_PARENT};
    if (place) {
        run->kind = VD_RUN_ENCODED;
        run->child = e->file;
        run->child_off = place->sector * VMDK_SECTOR;
    } else {
        end = next < UINT64_MAX ? next << sp->grain_shift : UINT64_MAX;
    }
    run->len = MIN(len, end - off);
    return true;
}

static bool
recover_co_map(VmdkExtent *e, uint64_t off, uint64_t len, VdRun *run,
               GError **error)
{
    return vmdk_stream_scan_map(e, e->sparse->scan, off, len, run);
}

static void
tell(const VmdkExtent *e)
{
    const VmdkScan *scan = e->sparse->scan;

    if (!scan->ended)
        vd_node_warn(e->state->node,
                     "%s: was cut off at byte %" PRIu64 ": it has %u "
                     "compressed grains, the last up to byte %" PRIu64
                     " of the disk; what is missing reads as zeroes",
                     vd_node_name(e->file), scan->end, scan->places->len,
                     MIN(scan->last, e->len));
}

bool
vmdk_stream_co_recover(VmdkExtent *e, GError **error)
{
    VmdkSparse *sp = e->sparse;

    e->ops = &vmdk_recovered_ops;
    sp->grain_bytes = vmdk_header_grain_bytes(&sp->hdr);
    sp->grain_shift = (unsigned) __builtin_ctzll(sp->grain_bytes);
    sp->reader = vmdk_stream_reader_new(e->file, &sp->hdr);
    sp->scan = g_new0(VmdkScan, 1);
    if (!vmdk_scan_co_records(e->file, &sp->hdr, sp->scan, error))
        return false;
    tell(e);
    return true;
}

void
vmdk_stream_recover_free(VmdkSparse *sp)
{
    if (!sp->scan)
        return;
    vmdk_scan_clear(sp->scan);
    g_clear_pointer(&sp->scan, g_free);
}

const VmdkExtentOps vmdk_recovered_ops = {
    .co_map = recover_co_map,
    .co_decode = vmdk_stream_co_decode,
    .free = vmdk_sparse_free,
};
