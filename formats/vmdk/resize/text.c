/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/resize/text.c - the descriptor of a disk with another size.
 *
 * Concurrency: under job_lock.
 */
#include "formats/vmdk/resize/resize.h"
#include "formats/vmdk/descriptor/geometry.h"
#include "formats/vmdk/descriptor/ids.h"

#include <inttypes.h>

/* Heads and sectors stay: a guest's partition table may rely on them. */
static bool
set_geometry(VmdkDescriptor *desc, uint64_t size, GError **error)
{
    const char *adapter = vmdk_descriptor_get(desc, "ddb.adapterType");
    uint64_t heads = vmdk_descriptor_get_uint(desc, VMDK_KEY_HEADS, 0);
    uint64_t sectors = vmdk_descriptor_get_uint(desc, VMDK_KEY_SECTORS, 0);
    VmdkGeometry geo =
        vmdk_geometry_for(adapter ? adapter : "ide", size / VMDK_SECTOR);

    if (!vmdk_descriptor_get(desc, VMDK_KEY_CYLINDERS) && !heads && !sectors)
        return true; /* it has never told */
    if (heads && heads <= UINT16_MAX && sectors && sectors <= UINT16_MAX) {
        geo.heads = (unsigned) heads;
        geo.sectors = (unsigned) sectors;
        geo.cylinders = vmdk_geometry_cylinders(adapter ? adapter : "ide", &geo,
                                                size / VMDK_SECTOR);
        return vmdk_descriptor_set_uint(desc, VMDK_KEY_CYLINDERS, geo.cylinders,
                                        error);
    }
    return vmdk_geometry_store(&geo, desc, error);
}

VmdkDescriptor *
vmdk_resize_text(const VmdkState *s, uint64_t size, bool keep_geometry,
                 GError **error)
{
    g_autoptr(VmdkDescriptor) desc = vmdk_descriptor_copy(s->desc);

    if (!keep_geometry && !set_geometry(desc, size, error))
        return NULL;
    if (!vd_node_env(s->node)->tx)
        vmdk_ids_renew(desc, false);
    return g_steal_pointer(&desc);
}

bool
vmdk_resize_text_set_len(VmdkDescriptor *desc, unsigned i, uint64_t len,
                         GError **error)
{
    VmdkExtentLine line = *vmdk_descriptor_extent(desc, i);

    line.sectors = len / VMDK_SECTOR;
    return vmdk_descriptor_set_extent(desc, i, &line, error);
}

/* -- the switch
 * ------------------------------------------------------------------- */

bool
vmdk_resize_co_switch(VmdkState *s, VmdkDescriptor *next, bool *on_disk,
                      GError **error)
{
    g_autoptr(VmdkDescriptor) old = vmdk_descriptor_copy(s->desc);

    *on_disk = false;
    if (vmdk_co_replace_descriptor(s, next, error)) {
        s->cid = vmdk_descriptor_cid(s->desc, "CID");
        s->modified = true;
        return true;
    }
    /* It may have failed after the new text was in its place. */
    *on_disk = !vmdk_co_replace_descriptor(s, g_steal_pointer(&old), NULL);
    return false;
}
