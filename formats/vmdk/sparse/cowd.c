/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/cowd.c - what is special about a COWD extent at work.
 *
 * Its header names the first free sector of the file, and others that write
 * the extent rely on it: were it behind, they would put a grain where one is.
 * So it runs ahead of the entries:
 *
 *   data, free sector - barrier - tables [ - barrier - directory ]
 *
 * A crash in between leaves it too high, which loses space.
 *
 * More tables need a longer directory.  Where it does not fit into the sectors
 * that it has, a new one goes behind the end of the file:
 *
 *   directory - barrier - size, place of the directory, free sector: one sector
 *   of the header - barrier - the old directory's place is free
 *
 * Fewer tables: the directory loses its end, then the header says so.  The size
 * in the header has to follow, since QEMU takes it for the disk's.  The tables,
 * which are empty, lie among the grains and become lost space: a damaged grain
 * may lie on one, so nothing is put there before a check has found it free.
 *
 * Concurrency: under flush_lock.
 */
#include "io/bytes.h"
#include "formats/vmdk/sparse/relayout.h"

static bool
cowd_co_note_end(VmdkExtent *e, GError **error)
{
    VmdkSparse *sp = e->sparse;
    uint32_t free_sector = (uint32_t) (sp->next / VMDK_SECTOR);

    if (!sp->next || free_sector == sp->hdr.free_sector)
        return true;
    vio_put_le32(sp->raw + VMDK_COWD_FREE_BYTE, free_sector);
    if (!vmdk_sparse_co_store_header(e, VMDK_COWD_FREE_BYTE, error))
        return vd_prefix(
            error, "%s: moving the first free sector: ", vd_node_name(e->file));
    sp->hdr.free_sector = free_sector;
    return true;
}

/* -- more tables, or fewer ----------------------------------------------- */

/* The directory of @hdr in the place that it names, to the end of its last
 * sector: what there is, and absent tables. */
static bool
cowd_co_write_directory(VmdkExtent *e, const VmdkHeader *hdr, GError **error)
{
    const VmdkTables *tables = e->sparse->tables;
    uint64_t bytes = vmdk_header_gd_sectors(hdr) * VMDK_SECTOR;
    uint64_t n = MIN(vmdk_header_n_gts(hdr), tables->n_gts);
    g_autofree uint32_t *raw = g_malloc0(bytes);

    for (uint64_t i = 0; i < n; i++)
        raw[i] = GUINT32_TO_LE(tables->gd[i]);
    return vd_node_co_pwrite(e->file, hdr->gd_sector * VMDK_SECTOR, raw, bytes,
                             error) &&
           vd_node_co_flush(e->file, error);
}

static void
cowd_co_free_directory(VmdkExtent *e, const VmdkHeader *old)
{
    VmdkSparse *sp = e->sparse;
    uint64_t n = vmdk_header_gd_sectors(old);

    /* Only advice; the place is free in any case. */
    (void) vd_node_co_discard(e->file, old->gd_sector * VMDK_SECTOR,
                              n * VMDK_SECTOR, NULL);
    (void) vmdk_places_add(sp->free, old->gd_sector, n);
}

/* Whatever fails on the way: what was reserved is cut off, or space lost. */
static bool
cowd_co_move_directory(VmdkExtent *e, VmdkHeader *hdr, GError **error)
{
    VmdkSparse *sp = e->sparse;
    VmdkHeader old = sp->hdr;
    uint64_t size = vd_node_size(e->file), next = sp->next, place;

    if (!vmdk_sparse_co_reserve_end(
            e, vmdk_header_gd_sectors(hdr) * VMDK_SECTOR, &place, error))
        return false;
    hdr->gd_sector = place / VMDK_SECTOR;
    hdr->free_sector = (uint32_t) (sp->next / VMDK_SECTOR);
    if (!cowd_co_write_directory(e, hdr, error) ||
        !vmdk_sparse_co_switch_tables(e, hdr, error)) {
        (void) vmdk_sparse_co_cut_end(e, size, next, NULL);
        return false;
    }
    cowd_co_free_directory(e, &old);
    return true;
}

static bool
cowd_co_relayout(VmdkExtent *e, uint64_t capacity_sectors, GError **error)
{
    const VmdkSparse *sp = e->sparse;
    VmdkHeader hdr = sp->hdr;

    hdr.capacity_sectors = capacity_sectors;
    if (vmdk_header_gd_sectors(&hdr) > vmdk_header_gd_sectors(&sp->hdr))
        return cowd_co_move_directory(e, &hdr, error);
    /* What lies behind its end is none of it so far. */
    return cowd_co_write_directory(e, &hdr, error) &&
           vmdk_sparse_co_switch_tables(e, &hdr, error);
}

const VmdkSparseKind vmdk_cowd_kind = {
    .header_bytes = VMDK_COWD_HEADER_BYTES,
    .decode = vmdk_cowd_decode,
    .patch = vmdk_cowd_patch,
    .unclean_byte = VMDK_COWD_UNCLEAN_BYTE,
    .unclean_len = sizeof(uint32_t),
    .co_relayout = cowd_co_relayout,
    .co_note_end = cowd_co_note_end,
};
