/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/san.c - disks read from the LUN that their datastore is on.
 *
 * The server says which volume that is and on which LUNs; the driver vmfs finds
 * it among the devices that may be those, and the driver vmdk reads
 * descriptors, extents and parents there.  Hosts are asked for a few sectors,
 * to compare (san-verify.c).
 *
 * A host's lock on a file is honoured (driver vmfs): a machine that is on is
 * read below a snapshot.
 *
 * For writing, which write=in-place has to ask for, it is the flat extent that
 * is opened, beside its descriptor: that is a file of the volume, too, and
 * would have to be written for a new CID.  So that is for disks without
 * parents, which have no use for one.
 *
 * Concurrency: no state.
 */
#include "vsphere/san.h"

#include <inttypes.h>
#include <string.h>

#include "block/error.h"
#include "vsphere/disks.h"
#include "vsphere/san-devices.h"
#include "vsphere/san-verify.h"

#define SUFFIX ".vmdk"
#define FLAT_SUFFIX "-flat.vmdk"

static bool
check_write(const VsPrepare *how, GError **error)
{
    const VsTarget *target = how->target;
    const char *mode = vd_options_peek(how->said, "write");

    if (!mode || strcmp(mode, "in-place") != 0)
        return vd_throw(error, VD_ERROR_READ_ONLY,
                        "LUNs of datastores are only read, unless "
                        "san.write=in-place asks for it");
    return (target->links == 1 && target->on_top && !target->vm_is_on) ||
           vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                    "%s: only disks without snapshots are written, of machines "
                    "that are off",
                    target->file);
}

static bool
check_target(const VsPrepare *how, GError **error)
{
    if (how->write && !check_write(how, error))
        return false;
    if (how->target->raw_mapping)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: stands for a LUN of its own (raw device mapping)",
                        how->target->file);
    return vs_target_need_vm(
        how->target, "its datastore is known by that of its machine", error);
}

/* Of the disk, or of its flat extent, as hosts call it. */
static char *
path_in_volume(const VsTarget *target, bool extent)
{
    g_autofree char *datastore = NULL;
    const char *inside = "";
    size_t stem;

    (void) vs_path_split(target->file, &datastore, &inside); /* it is one */
    stem = strlen(inside);
    if (extent && g_str_has_suffix(inside, SUFFIX))
        stem -= strlen(SUFFIX);
    return g_strdup_printf("/%.*s%s", (int) stem, inside,
                           extent ? FLAT_SUFFIX : "");
}

/* Units that tell others are not looked at. */
static void
set_names(VdOptions *opts, const GPtrArray *names)
{
    g_autoptr(GString) list = g_string_new(NULL);

    for (guint i = 0; i < names->len; i++)
        g_string_append_printf(list, "%s%s", i ? ";" : "",
                               (const char *) names->pdata[i]);
    vd_options_set(opts, "file.lun-names", list->str);
}

static VdOptions *
options_for(const VsPrepare *how, const VsSanVolume *volume,
            const GPtrArray *devices)
{
    VdOptions *opts = vd_options_new();
    g_autofree char *path = path_in_volume(how->target, how->write);

    vd_options_set(opts, "driver", how->write ? "raw" : "vmdk");
    vd_options_set(opts, "file.driver", "vmfs");
    vd_options_set(opts, "file.path", path);
    vd_options_set(opts, "file.volume", volume->uuid);
    vd_options_set(opts, "file.spare-extents", "on");
    if (!volume->nameless)
        set_names(opts, volume->names);
    for (guint i = 0; i < devices->len; i++) {
        g_autofree char *key = g_strdup_printf("file.extent.%u", i);

        vd_options_set(opts, key, devices->pdata[i]);
    }
    return opts;
}

VdOptions *
vs_san_prepare(const VsPrepare *how, VsAttachment *attachment, GError **error)
{
    g_autoptr(GPtrArray) devices = NULL;
    g_autofree char *listed = NULL, *deny = NULL, *allow = NULL;
    VsSanWish wish;

    vd_options_take_string(how->said, "devices", &listed);
    vd_options_take_string(how->said, "deny", &deny);
    vd_options_take_string(how->said, "allow", &allow);
    wish = (VsSanWish){listed, deny, allow};
    if (!check_target(how, error))
        return NULL;
    attachment->volume = vs_san_volume_fetch(how->session, how->target, error);
    if (attachment->volume)
        devices = vs_san_devices(attachment->volume, &wish, error);
    return devices ? options_for(how, attachment->volume, devices) : NULL;
}

/* Of the volume that a file is on; NULL: it is on none. */
static char *
uuid_below(VdNode *file)
{
    g_autoptr(GVariant) facts = file ? vd_node_describe(file) : NULL;
    const char *uuid;

    if (!facts || !g_variant_lookup(facts, "uuid", "&s", &uuid))
        return NULL;
    return g_strdup(uuid);
}

/* A label can be anything, a uuid, too, and a file can have been another one
 * when the server was asked. */
static bool
check_identity(VdNode *disk, const VsTarget *target,
               const VsAttachment *attachment, GError **error)
{
    g_autofree char *uuid = uuid_below(vd_node_file(disk));

    if (g_strcmp0(uuid, attachment->volume->uuid) != 0)
        return vd_throw(error, VD_ERROR_REFUSED,
                        "%s: is on volume %s, but the datastore is volume %s",
                        vd_node_name(disk), uuid ? uuid : "(none)",
                        attachment->volume->uuid);
    return vd_node_size(disk) == target->capacity ||
           vd_throw(error, VD_ERROR_REFUSED,
                    "%s: has %" PRIu64 " bytes, but the disk has %" PRIu64,
                    vd_node_name(disk), vd_node_size(disk), target->capacity);
}

bool
vs_san_co_check(VdNode *node, const VsPrepare *how,
                const VsAttachment *attachment, GError **error)
{
    return check_identity(vd_node_file(node), how->target, attachment, error) &&
           vs_san_co_verify(node, how, error);
}
