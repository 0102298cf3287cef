/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/life/amend.c - options of a disk that can be changed later.
 *
 * Those that stand in the disk data base change together: one new descriptor
 * takes the old one's place (life/meta.c).  zeroed_grain stands in the headers
 * of the extents and changes alone, extent by extent (sparse/zero-marks.c); the
 * first one, which tells what the disk has, is the last.
 *
 * Concurrency: the descriptor under desc_lock; zeroed_grain under job_lock,
 * with no change of the disk in flight.
 */
#include "formats/vmdk/create/create.h"
#include "formats/vmdk/descriptor/ids.h"
#include "formats/vmdk/sparse/sparse.h"

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
    {"zeroed_grain", VD_OPTION_BOOL, NULL,
     "Entries may mark grains of zeroes (header version 2); to be changed alone",
     NULL},
    {NULL},
};

/* -- zeroed_grain -----------------------------------------------------------
 */

static bool
has_marks(const VmdkExtent *e)
{
    return e->ops == &vmdk_sparse_ops && !e->sparse->hdr.cowd;
}

static bool
is_flat(const VmdkExtent *e)
{
    return e->ops == &vmdk_flat_ops || e->ops == &vmdk_zero_ops;
}

static bool
marks_check_extent(const VmdkExtent *e, GError **error)
{
    const char *name = e->path ? e->path : vd_node_name(e->state->file);

    if (!e->ops)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "%s: zeroed_grain needs the extents to be open", name);
    if (!has_marks(e) && !is_flat(e))
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: zeroed_grain cannot be changed in %s", name,
                        vmdk_extent_is_stream(e) ? "a streamOptimized extent"
                        : e->sparse              ? "a redo log (vmfsSparse)"
                                                 : "a seSparse extent");
    return is_flat(e) || e->access == VMDK_ACCESS_RW ||
           vd_throw(error, VD_ERROR_READ_ONLY,
                    "%s: is marked %s in the descriptor", name,
                    vmdk_access_name(e->access));
}

static bool
marks_check(const VmdkState *s, GError **error)
{
    unsigned n = 0;

    if (s->writer)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: zeroed_grain cannot be changed in a "
                        "streamOptimized extent",
                        vd_node_name(s->file));
    for (unsigned i = 0; i < s->n_extents; i++) {
        if (!marks_check_extent(&s->extents[i], error))
            return false;
        n += has_marks(&s->extents[i]);
    }
    return n || vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                         "%s: Flat image can't enable zeroed grain",
                         vd_node_name(s->file));
}

static bool
amend_co_marks_locked(VmdkState *s, bool on, GError **error)
{
    if (!marks_check(s, error) || !vd_node_co_write_back(s->node, error))
        return false;
    for (unsigned i = s->n_extents; i-- > 0;)
        if (has_marks(&s->extents[i]) &&
            !vmdk_sparse_co_set_zero_marks(&s->extents[i], on, error))
            return false;
    return true;
}

static bool
amend_co_marks(VmdkState *s, VdOptions *opts, GError **error)
{
    bool on, ok;

    if (!vd_options_take_bool(opts, "zeroed_grain", &on, error))
        return false;
    if (!vd_options_is_empty(opts))
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "zeroed_grain is to be changed alone: it stands in "
                        "the extents, other options in the descriptor");
    vio_co_mutex_lock(&s->job_lock);
    ok = amend_co_marks_locked(s, on, error);
    vio_co_mutex_unlock(&s->job_lock);
    return ok;
}

/* -- the disk data base -----------------------------------------------------
 */

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
    vd_options_take_string(opts, "uuid", &amend->uuid);
    vd_options_take_string(opts, "description", &amend->description);
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
    bool ok;

    if (vd_options_peek(opts, "zeroed_grain"))
        return amend_co_marks(s, opts, error);
    ok = amend_take(&amend, opts, error) &&
         vmdk_co_edit_descriptor(s, amend_edit, &amend, error);

    amend_clear(&amend);
    return ok;
}
