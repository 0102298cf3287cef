/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/stream/fill-open.c - may this stream be filled?
 *
 * Only what is empty, and of the shape that we and most others make: directory
 * and all tables in front of the records, grains of 64 KiB behind markers.
 *
 * Concurrency: open and close only.
 */
#include "formats/vmdk/stream/fill.h"

#include "io/bytes.h"
#include "formats/vmdk/stream/record.h"

#define GD_SECTOR_BYTE 56 /* in the header */

static bool
refuse(const VmdkExtent *e, const char *why, GError **error)
{
    return vd_throw(error, VD_ERROR_READ_ONLY,
                    "%s: %s: a streamOptimized extent cannot be written in "
                    "place; convert it",
                    vd_node_name(e->file), why);
}

static bool
check_shape(const VmdkExtent *e, GError **error)
{
    const VmdkState *s = e->state;
    const VmdkHeader *hdr = &e->sparse->hdr;

    if (s->n_extents != 1 || e->file != s->file)
        return refuse(e, "is one of several extents", error);
    if (vmdk_has_parent(s))
        return refuse(e, "has a parent", error);
    if (!(hdr->flags & VMDK_FLAG_MARKERS) ||
        hdr->grain_sectors != VMDK_GRAIN_SECTORS ||
        hdr->gtes_per_gt != VMDK_GTES_PER_GT)
        return refuse(e, "is not of the usual grains", error);
    if (vio_get_le64(e->sparse->raw + GD_SECTOR_BYTE) == VMDK_GD_AT_END)
        return refuse(e, "has its directory at the end", error);
    return true;
}

/* All there, none among the records, none on another. */
static bool
check_tables(const VmdkExtent *e, GError **error)
{
    const VmdkTables *tables = e->sparse->tables;
    uint64_t end = tables->hdr.overhead_sectors;

    if (tables->gd_error || tables->gd_damaged)
        return refuse(e, "has damaged grain directories", error);
    for (uint32_t i = 0; i < tables->n_gts; i++)
        if (tables->gd[i] <= VMDK_GTE_ZERO ||
            (uint64_t) tables->gd[i] + tables->gt_sectors > end)
            return refuse(e, "has not all its grain tables in front", error);
    if (vmdk_tables_meta_end(tables) > end)
        return refuse(e, "has not all its metadata in front", error);
    return vmdk_tables_check_apart(tables, error);
}

static bool
check_table_is_empty(VmdkExtent *e, const VdTable *table, uint32_t n, void *arg,
                     GError **error)
{
    for (uint32_t i = 0; i < n; i++)
        if (vmdk_table_entry(table, i) != VMDK_GTE_ABSENT)
            return refuse(e, "has grains already", error);
    return true;
}

/* Tables may have been lost. */
static bool
fill_co_check_no_record(VmdkExtent *e, GError **error)
{
    uint64_t off = e->sparse->hdr.overhead_sectors * VMDK_SECTOR;
    uint8_t raw[VMDK_MARKER_HEAD] = {0};
    struct iovec iov;
    VioVec dst = vio_vec_from_buf(&iov, raw, sizeof(raw));
    VmdkRecord rec;

    if (!vd_node_co_preadv_eof(e->file, off, &dst, error))
        return false;
    vmdk_record_parse(&e->sparse->hdr, raw, &rec);
    return rec.data_bytes == 0 ||
           refuse(e, "has grains that its tables do not name", error);
}

static int
window_grains(const VmdkExtent *e)
{
    uint64_t n = e->state->fill_window / e->sparse->grain_bytes;

    return (int) CLAMP(n, 1, G_MAXINT);
}

bool
vmdk_fill_co_open(VmdkExtent *e, GError **error)
{
    VmdkFill *fill;

    if (!check_shape(e, error) || !check_tables(e, error) ||
        !vmdk_sparse_co_walk_all(e, check_table_is_empty, NULL, error) ||
        !fill_co_check_no_record(e, error))
        return false;
    fill = g_new0(VmdkFill, 1);
    fill->e = e;
    fill->window = vmdk_fill_grains_new();
    fill->leaving = vmdk_fill_grains_new();
    fill->max_window = window_grains(e);
    fill->next_sector = e->sparse->hdr.overhead_sectors;
    e->sparse->fill = fill;
    e->ops = &vmdk_fill_ops;
    return true;
}

void
vmdk_fill_free(VmdkFill *fill)
{
    if (!fill)
        return;
    g_tree_destroy(fill->window);
    g_tree_destroy(fill->leaving);
    g_free(fill);
}

static bool
fill_co_check(VmdkExtent *e, VdCheckResult *result, GError **error)
{
    return vmdk_stream_co_check(e->file, &e->sparse->hdr, result, error);
}

const VmdkExtentOps vmdk_fill_ops = {
    .co_map = vmdk_fill_co_map,
    .co_decode = vmdk_fill_co_decode,
    .co_write = vmdk_fill_co_write,
    .co_write_zeroes = vmdk_fill_co_write_zeroes,
    .co_discard = vmdk_fill_co_discard,
    .co_flush = vmdk_fill_co_flush,
    .co_finish = vmdk_fill_co_finish,
    .co_check = fill_co_check,
    .free = vmdk_sparse_free,
};
