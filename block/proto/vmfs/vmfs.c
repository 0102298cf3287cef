/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/vmfs/vmfs.c - driver "vmfs": files on VMFS, the file system of
 * ESXi's datastores, read straight from its devices.
 *
 * It stands on the devices (children "extent.N": block devices, files, whatever
 * the stack can open) and is a map like a format: which bytes of which device a
 * stretch of the file is.  It writes only if asked for, and only where a file
 * has blocks (write.c).  See fs.h for the rooms.
 *
 * Concurrency: any number of requests may overlap; look-ups yield for blocks of
 * pointers that are not in memory.
 */
#include <string.h>

#include "block/drivers.h"
#include "block/proto/text.h"
#include "block/proto/vmfs/mapping.h"
#include "block/proto/vmfs/state.h"

/* Blocks that one answer of the map puts together. */
#define MAX_STEPS 4096

/* -- map ------------------------------------------------------------------- */

static bool
continues(const VmfsStep *run, const VmfsStep *next)
{
    return run->zero == next->zero && run->stored == next->stored &&
           (!run->stored || run->place.offset + run->len == next->place.offset);
}

/* As long as it goes on in the volume. */
static bool
vmfs_co_collect(const VmfsState *s, uint64_t off, uint64_t len, VmfsStep *run,
                GError **error)
{
    if (!vmfs_file_co_step(s->fs, s->fd, off, 0, run, error))
        return false;
    for (unsigned i = 0; run->len < len && i < MAX_STEPS; i++) {
        VmfsStep next;

        if (off + run->len >= s->fd->len)
            break;
        /* What is wrong there is told when somebody asks for it. */
        if (!vmfs_file_co_step(s->fs, s->fd, off + run->len, 0, &next, NULL) ||
            !continues(run, &next))
            break;
        run->len += next.len;
    }
    run->len = MIN(run->len, len);
    return true;
}

static bool
vmfs_co_map(VdNode *node, uint64_t off, uint64_t len, unsigned want, VdRun *run,
            GError **error)
{
    const VmfsState *s = vd_node_state(node);
    VmfsVolumeRun place = {0};
    VmfsStep step;

    if (!vmfs_co_collect(s, off, len, &step, error))
        return vd_prefix(error, "%s: ", vd_node_name(node));
    place.len = step.len;
    if (step.stored && !vmfs_volume_locate(s->fs->volume, step.place.offset,
                                           step.len, &place, error))
        return vd_prefix(error, "%s: ", vd_node_name(node));
    *run = (VdRun){
        .kind = step.zero ? VD_RUN_ZERO : VD_RUN_DATA,
        .allocated = step.zero && step.stored,
        .len = place.len,
        .child = place.device,
        .child_off = place.physical,
    };
    return true;
}

/* -- facts ----------------------------------------------------------------- */

static void
vmfs_get_info(VdNode *node, VdNodeInfo *info)
{
    const VmfsState *s = vd_node_state(node);

    info->cluster_size = UINT64_C(1) << s->fs->info.layout.block_shift;
}

static int64_t
vmfs_co_allocated_size(VdNode *node)
{
    const VmfsState *s = vd_node_state(node);

    return vmfs_fd_allocated(s->fd);
}

static void
add_text(GVariantBuilder *dict, const char *key, const char *text)
{
    g_variant_builder_add(dict, "{sv}", key, g_variant_new_string(text));
}

static GVariant *
vmfs_describe(VdNode *node)
{
    const VmfsState *s = vd_node_state(node);
    const VmfsFsInfo *info = &s->fs->info;
    g_autofree char *label = vd_escape_text(info->label, strlen(info->label));
    g_autofree char *path = vd_escape_text(s->path, strlen(s->path));
    g_autofree char *uuid = vmfs_uuid_text(&info->uuid);
    g_autofree char *version =
        g_strdup_printf("%u.%u", info->major, info->minor);
    GVariantBuilder dict;

    g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
    add_text(&dict, "volume", label);
    add_text(&dict, "uuid", uuid);
    add_text(&dict, "version", version);
    g_variant_builder_add(&dict, "{sv}", "extents",
                          g_variant_new_uint64(s->fs->volume->n_devices));
    add_text(&dict, "path", path);
    return g_variant_builder_end(&dict);
}

static const char *const vmfs_schemes[] = {"vmfs", NULL};

const VdDriver vd_vmfs_driver = {
    VD_DRIVER_HEADER,
    .name = "vmfs",
    .kind = VD_DRIVER_FORMAT,
    .caps = VD_CAP_INNER_PATHS,
    .state_size = sizeof(VmfsState),
    .schemes = vmfs_schemes,
    .parse_name = vmfs_parse_name,
    .co_open = vmfs_co_open,
    .co_finish = vmfs_co_finish,
    .co_close = vmfs_co_close,
    .co_map = vmfs_co_map,
    .co_pwritev = vmfs_co_pwritev,
    .co_write_zeroes = vmfs_co_write_zeroes,
    .co_flush_to_disk = vmfs_co_flush_to_disk,
    .co_list_directory = vmfs_co_list_directory,
    .get_info = vmfs_get_info,
    .co_allocated_size = vmfs_co_allocated_size,
    .describe = vmfs_describe,
};
