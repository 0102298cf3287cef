/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sesparse/sesparse.c - opening a seSparse extent.
 *
 * Concurrency: open and close only.
 */
#include "formats/vmdk/sesparse/sesparse.h"

#include "block/open.h"

static bool
sesparse_co_read_sector(VmdkExtent *e, uint64_t sector,
                        uint8_t raw[VMDK_SE_HEADER_BYTES], const char *what,
                        GError **error)
{
    return vd_node_co_pread(e->file, sector * VMDK_SECTOR, raw,
                            VMDK_SE_HEADER_BYTES, error) ||
           vd_prefix(error, "%s: reading the %s: ", vd_node_name(e->file),
                     what);
}

static bool
sesparse_co_read_headers(VmdkExtent *e, GError **error)
{
    VmdkSeSparse *se = e->sesparse;
    const char *name = vd_node_name(e->file);
    uint64_t size = vd_node_size(e->file);
    uint8_t raw[VMDK_SE_HEADER_BYTES];

    if (size < sizeof(raw))
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: %" G_GUINT64_FORMAT
                        " bytes are too few for a seSparse extent",
                        name, size);
    return sesparse_co_read_sector(e, 0, raw, "seSparse header", error) &&
           vmdk_se_header_decode(raw, name, &se->hdr, error) &&
           vmdk_se_header_check_file(&se->hdr, size, name, error) &&
           sesparse_co_read_sector(e, se->hdr.part[VMDK_SE_VOLATILE].start, raw,
                                   "volatile header", error) &&
           vmdk_se_volatile_decode(raw, name, &se->vol, error);
}

/* What stands in the journal is newer than the tables, and nobody knows how to
 * read it. */
static bool
check_replayed(const VmdkExtent *e, GError **error)
{
    const VmdkState *s = e->state;

    if (!e->sesparse->vol.replay ||
        (vd_node_flags(s->node) & (VD_OPEN_NO_IO | VD_OPEN_CHECK)))
        return true;
    if (!s->force_dirty)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: was not closed cleanly and its journal has to be "
                        "replayed, which only ESXi can do; force-dirty=on "
                        "reads what the tables say",
                        vd_node_name(e->file));
    vd_node_warn(s->node,
                 "%s: was not closed cleanly: what is in its journal is not "
                 "read",
                 vd_node_name(e->file));
    return true;
}

/* Made in this transaction, and nothing in it yet. */
static bool
is_new(const VmdkExtent *e)
{
    const VmdkSeSparse *se = e->sesparse;

    return vd_node_env(e->state->node)->tx && !se->vol.free_table &&
           !se->vol.next_transaction && !se->vol.replay &&
           vd_node_size(e->file) ==
               se->hdr.part[VMDK_SE_GRAINS].start * VMDK_SECTOR;
}

static bool
start_writing(VmdkExtent *e, GError **error)
{
    if (is_new(e)) {
        vmdk_sesparse_start_filling(e);
        return true;
    }
    return vd_throw(error, VD_ERROR_READ_ONLY,
                    "%s: in-place writing of seSparse extents is not "
                    "supported; convert the disk",
                    vd_node_name(e->file));
}

static const VmdkExtentOps sesparse_ops = {
    .co_map = vmdk_sesparse_co_map,
    .co_check = vmdk_sesparse_co_check,
};

bool
vmdk_sesparse_co_open(VmdkExtent *e, uint64_t line_sectors, GError **error)
{
    VmdkSeSparse *se = e->sesparse = g_new0(VmdkSeSparse, 1);
    bool writable =
        e->access == VMDK_ACCESS_RW && vd_node_is_writable(e->state->node);

    e->ops = &sesparse_ops;
    if (!sesparse_co_read_headers(e, error) ||
        !vmdk_extent_settle_size(e, se->hdr.capacity_sectors, line_sectors,
                                 error) ||
        !check_replayed(e, error))
        return false;
    se->tables = vmdk_se_tables_co_open(e->file, &se->hdr, error);
    return se->tables && (!writable || start_writing(e, error));
}

void
vmdk_sesparse_free(VmdkExtent *e)
{
    VmdkSeSparse *se = g_steal_pointer(&e->sesparse);

    if (!se)
        return;
    g_clear_pointer(&se->tables, vmdk_se_tables_free);
    g_clear_pointer(&se->allocating, vio_range_lock_free);
    g_free(se);
}
