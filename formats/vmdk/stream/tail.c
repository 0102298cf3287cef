/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/stream/tail.c - markers, and nothing behind the last.
 *
 * Concurrency: the caller's.
 */
#include "formats/vmdk/stream/tail.h"

bool
vmdk_tail_co_write_marker(VdNode *file, uint64_t sector, VmdkMarker type,
                          uint64_t value, GError **error)
{
    uint8_t raw[VMDK_SECTOR];

    vmdk_marker_encode(raw, type, value);
    return vd_node_co_pwrite(file, sector * VMDK_SECTOR, raw, sizeof(raw),
                             error);
}

bool
vmdk_tail_co_cut(VdNode *file, uint64_t sector, GError **error)
{
    uint64_t end = sector * VMDK_SECTOR;
    g_autoptr(GError) local = NULL;

    if (vd_node_size(file) <= end ||
        vd_node_co_truncate(file, end, VD_PREALLOC_OFF, &local) ||
        vd_error_is(local, VD_ERROR_NOT_SUPPORTED))
        return true;
    g_propagate_error(error, g_steal_pointer(&local));
    return false;
}
