/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/create/descriptor.c - the text of a new disk.
 *
 * The order is one that every known reader takes: CID in front of parentCID,
 * the header in front of the extents, the data base last.
 *
 * Concurrency: pure.
 */
#include "formats/vmdk/create/create.h"
#include "formats/vmdk/descriptor/geometry.h"
#include "formats/vmdk/descriptor/ids.h"

#include "block/codec/codec.h"

/* The three of VMFS differ in how they are allocated, not in what they are. */
static const char *
create_type(const VmdkNew *new)
{
    return vmdk_subformat_names[vmdk_new_is_vmfs(new) ? VMDK_SUB_VMFS
                                                      : new->subformat];
}

static bool
set_header(const VmdkNew *new, VmdkDescriptor *desc, GError **error)
{
    vmdk_descriptor_set_cid(desc, "CID", new->cid);
    vmdk_descriptor_set_cid(desc, "parentCID", new->parent_cid);
    return vmdk_descriptor_set(desc, "isNativeSnapshot", "no", error) &&
           vmdk_descriptor_set(desc, "createType", create_type(new), error) &&
           (!new->parent_hint || vmdk_descriptor_set(desc, "parentFileNameHint",
                                                     new->parent_hint, error));
}

static bool
set_geometry(const VmdkNew *new, VmdkDescriptor *desc, GError **error)
{
    VmdkGeometry geo = vmdk_geometry_for(new->adapter, new->sectors);

    return vmdk_geometry_store(&geo, desc, error);
}

/* Exports have none: the importing host gives it. */
static bool
set_uuid(const VmdkNew *new, VmdkDescriptor *desc, GError **error)
{
    char uuid[VMDK_UUID_CHARS + 1];

    if (new->uuid)
        return vmdk_descriptor_set(desc, "ddb.uuid", new->uuid, error);
    if (new->subformat == VMDK_SUB_STREAM)
        return true;
    vmdk_uuid_new(uuid);
    return vmdk_descriptor_set(desc, "ddb.uuid", uuid, error);
}

static bool
set_sector_sizes(const VmdkNew *new, VmdkDescriptor *desc, GError **error)
{
    return !new->logical_sector ||
           (vmdk_descriptor_set_uint(desc, "ddb.logicalSectorSize",
                                     new->logical_sector, error) &&
            vmdk_descriptor_set_uint(desc, "ddb.physicalSectorSize",
                                     new->physical_sector, error));
}

static bool
set_data_base(const VmdkNew *new, VmdkDescriptor *desc, GError **error)
{
    char long_cid[VMDK_LONG_CID_CHARS + 1];

    if (new->cid_given) /* who asks for one asks for the same bytes again */
        vmdk_long_cid_derive(new->cid, long_cid);
    else
        vmdk_long_cid_new(new->cid, long_cid);
    return vmdk_descriptor_set(desc, "ddb.adapterType", new->adapter, error) &&
           (!new->description ||
            vmdk_descriptor_set(desc, "ddb.comment", new->description,
                                error)) &&
           set_geometry(new, desc, error) &&
           set_sector_sizes(new, desc, error) &&
           vmdk_descriptor_set(desc, "ddb.longContentID", long_cid, error) &&
           (new->subformat != VMDK_SUB_VMFS_THIN ||
            vmdk_descriptor_set(desc, "ddb.thinProvisioned", "1", error)) &&
           (!new->tools_version ||
            vmdk_descriptor_set(desc, "ddb.toolsVersion", new->tools_version,
                                error)) &&
           set_uuid(new, desc, error) &&
           vmdk_descriptor_set(desc, "ddb.virtualHWVersion", new->hw_version,
                               error);
}

VmdkDescriptor *
vmdk_new_descriptor(const VmdkNew *new, GError **error)
{
    g_autoptr(VmdkDescriptor) desc = vmdk_descriptor_new();

    if (!set_header(new, desc, error) || !set_data_base(new, desc, error))
        return NULL;
    return g_steal_pointer(&desc);
}
