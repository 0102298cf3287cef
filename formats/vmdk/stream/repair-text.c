/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/stream/repair-text.c - the descriptor of a mended stream.
 *
 * Concurrency: pure; parsing may need iconv, so on a worker.
 */
#include "formats/vmdk/stream/repair.h"

#include <string.h>

#include "formats/vmdk/descriptor/geometry.h"
#include "formats/vmdk/descriptor/ids.h"

#define ADAPTER "lsilogic"
#define HW_VERSION "4"

bool
vmdk_repair_set_words(VmdkDescriptor *desc, uint64_t sectors, GError **error)
{
    const char *adapter = vmdk_descriptor_get(desc, "ddb.adapterType");
    VmdkGeometry geo = vmdk_geometry_for(ADAPTER, sectors);

    vmdk_descriptor_remove(desc, "changeTrackPath");
    if (!vmdk_descriptor_set(desc, "createType", "streamOptimized", error))
        return false;
    if (g_strcmp0(adapter, ADAPTER) == 0)
        return true;
    return vmdk_descriptor_set(desc, "ddb.adapterType", ADAPTER, error) &&
           vmdk_geometry_store(&geo, desc, error);
}

static bool
add_extent(VmdkDescriptor *desc, const char *path, uint64_t sectors,
           GError **error)
{
    g_autofree char *base = g_path_get_basename(path);
    g_autofree char *name = g_utf8_make_valid(base, -1);
    VmdkExtentLine line = {
        .type = VMDK_TYPE_SPARSE, .sectors = sectors, .file = name};

    g_strdelimit(name, "\"\r\n", '_');
    return vmdk_descriptor_add_extent(desc, &line, error);
}

/* Everything that says something about the disk itself. */
static bool
copy_data_base(const VmdkDescriptor *from, VmdkDescriptor *to, GError **error)
{
    g_auto(GStrv) keys = vmdk_descriptor_list_keys(from);

    for (unsigned i = 0; keys[i]; i++)
        if (g_ascii_strncasecmp(keys[i], "ddb.", 4) == 0 &&
            !vmdk_descriptor_set(to, keys[i],
                                 vmdk_descriptor_get(from, keys[i]), error))
            return false;
    return true;
}

VmdkDescriptor *
vmdk_repair_new_text(const VmdkDescriptor *desc, const char *path,
                     uint64_t sectors, GError **error)
{
    g_autoptr(VmdkDescriptor) new = vmdk_descriptor_new();
    uint32_t cid = desc ? vmdk_descriptor_cid(desc, "CID") : VMDK_CID_NONE;

    vmdk_descriptor_set_cid(new, "CID",
                            cid != VMDK_CID_NONE ? cid : vmdk_cid_new());
    vmdk_descriptor_set_cid(new, "parentCID", VMDK_CID_NONE);
    if (!vmdk_descriptor_set(new, "createType", "streamOptimized", error) ||
        !add_extent(new, path, sectors, error) ||
        (desc && !copy_data_base(desc, new, error)) ||
        !vmdk_repair_set_words(new, sectors, error))
        return NULL;
    if (!vmdk_descriptor_get(new, "ddb.virtualHWVersion") &&
        !vmdk_descriptor_set(new, "ddb.virtualHWVersion", HW_VERSION, error))
        return NULL;
    return g_steal_pointer(&new);
}
