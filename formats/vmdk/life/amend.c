/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/life/amend.c - options of a disk that can be changed later:
 * those that stand in the disk data base.
 *
 * All of them change together: one new descriptor takes the old one's place
 * (life/meta.c).
 *
 * Concurrency: changes one after the other, under desc_lock.
 */
#include "formats/vmdk/create/create.h"
#include "formats/vmdk/descriptor/ids.h"
#include "formats/vmdk/state.h"

#include <string.h>

#define AMEND_MAX_DESCRIPTION 1024

const VdOptionSpec vmdk_amend_options[] = {
    {"adapter_type", VD_OPTION_ENUM, NULL,
     "Virtual adapter type, can be one of ide, lsilogic, buslogic or "
     "legacyESX; pvscsi, lsisas1068, nvme and sata are stored as lsilogic",
     vmdk_adapter_names},
    {"description", VD_OPTION_STRING, NULL,
     "Comment in the descriptor; empty: none", NULL},
    {"hwversion", VD_OPTION_NUMBER, NULL, "VMDK hardware version", NULL},
    {"toolsversion", VD_OPTION_NUMBER, NULL, "VMware guest tools version",
     NULL},
    {"uuid", VD_OPTION_STRING, NULL, "Disk uuid, \"60 00 C2 9x ...\"", NULL},
    {NULL},
};

typedef struct {
    char *description, *uuid;
    const char *adapter;
    char *hw_version, *tools_version;
} VmdkAmend;

static void
amend_clear(VmdkAmend *amend)
{
    g_free(amend->description);
    g_free(amend->uuid);
    g_free(amend->hw_version);
    g_free(amend->tools_version);
}

static bool
amend_take_number(VdOptions *opts, const char *key, char **text, GError **error)
{
    uint64_t value = 0;

    if (!vd_options_peek(opts, key))
        return true;
    if (!vd_options_take_uint(opts, key, &value, error))
        return false;
    if (value > UINT32_MAX)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "%s must be below 2^32", key);
    *text = g_strdup_printf("%" G_GUINT64_FORMAT, value);
    return true;
}

static bool
amend_take_texts(VmdkAmend *amend, VdOptions *opts, GError **error)
{
    (void) vd_options_take_string(opts, "uuid", &amend->uuid);
    (void) vd_options_take_string(opts, "description", &amend->description);
    if (amend->uuid && !vmdk_uuid_is_valid(amend->uuid))
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "uuid must have the form \"60 00 C2 9x xx xx xx xx-xx "
                        "xx xx xx xx xx xx xx\"");
    if (amend->description &&
        (strlen(amend->description) > AMEND_MAX_DESCRIPTION ||
         !g_utf8_validate(amend->description, -1, NULL)))
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "description is longer than %d bytes, or not UTF-8",
                        AMEND_MAX_DESCRIPTION);
    return true;
}

static bool
amend_take(VmdkAmend *amend, VdOptions *opts, GError **error)
{
    unsigned adapter = 0;
    bool has_adapter = vd_options_peek(opts, "adapter_type") != NULL;

    if (!vd_options_take_enum(opts, "adapter_type", vmdk_adapter_names,
                              &adapter, error))
        return false;
    if (has_adapter)
        amend->adapter = vmdk_adapter_stored(adapter);
    return amend_take_number(opts, "hwversion", &amend->hw_version, error) &&
           amend_take_number(opts, "toolsversion", &amend->tools_version,
                             error) &&
           amend_take_texts(amend, opts, error);
}

static bool
amend_set(VmdkDescriptor *desc, const char *key, const char *value,
          GError **error)
{
    return !value || vmdk_descriptor_set(desc, key, value, error);
}

static bool
amend_edit(VmdkDescriptor *desc, const void *arg, GError **error)
{
    const VmdkAmend *amend = arg;
    const char *description = amend->description;

    if (description && !*description) {
        vmdk_descriptor_remove(desc, "ddb.comment");
        description = NULL;
    }
    return amend_set(desc, "ddb.adapterType", amend->adapter, error) &&
           amend_set(desc, "ddb.comment", description, error) &&
           amend_set(desc, "ddb.virtualHWVersion", amend->hw_version, error) &&
           amend_set(desc, "ddb.toolsVersion", amend->tools_version, error) &&
           amend_set(desc, "ddb.uuid", amend->uuid, error);
}

bool
vmdk_co_amend(VdNode *node, VdOptions *opts, GError **error)
{
    VmdkState *s = vd_node_state(node);
    VmdkAmend amend = {0};
    bool ok = amend_take(&amend, opts, error) &&
              vmdk_co_edit_descriptor(s, amend_edit, &amend, error);

    amend_clear(&amend);
    return ok;
}
