/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/create/options.c - the options of a new disk.
 *
 * Names, defaults and texts as qemu-img has them, and some of our own.
 *
 * Concurrency: create only.
 */
#include "formats/vmdk/create/create.h"
#include "formats/vmdk/driver.h"
#include "formats/vmdk/descriptor/ids.h"
#include "formats/vmdk/sesparse/header.h"
#include "formats/vmdk/sparse/cowd-header.h"

#include "block/codec/codec.h"

#include <string.h>

#define MAX_SPARSE_SECTORS                                                     \
    ((uint64_t) VMDK_MAX_GD_ENTRIES * VMDK_GTES_PER_GT * VMDK_GRAIN_SECTORS)
#define MAX_DESCRIPTION 1024

/* The first four are what descriptors know; VMware's products store the others
 * as lsilogic. */
const char *const vmdk_adapter_names[] = {"ide",       "buslogic", "lsilogic",
                                          "legacyESX", "pvscsi",   "lsisas1068",
                                          "nvme",      "sata",     NULL};
#define STORED_ADAPTERS 4
#define LSILOGIC 2

static const char *const prealloc_names[] = {"off", "metadata", "falloc",
                                             "full", NULL};
const char *const vmdk_subformat_names[] = {"monolithicSparse",
                                            "monolithicFlat",
                                            "twoGbMaxExtentSparse",
                                            "twoGbMaxExtentFlat",
                                            "streamOptimized",
                                            "vmfs",
                                            "vmfsThin",
                                            "vmfsEagerZeroedThick",
                                            "vmfsSparse",
                                            "seSparse",
                                            NULL};

const VdOptionSpec vmdk_create_options[] = {
    {"size", VD_OPTION_SIZE, NULL, "Virtual disk size", NULL},
    {"adapter_type", VD_OPTION_ENUM, NULL,
     "Virtual adapter type, can be one of ide (default), lsilogic, buslogic "
     "or legacyESX; pvscsi, lsisas1068, nvme and sata are stored as lsilogic",
     vmdk_adapter_names},
    {"backing_file", VD_OPTION_STRING, NULL, "File name of a base image", NULL},
    {"backing_fmt", VD_OPTION_STRING, NULL, "Must be 'vmdk' if present", NULL},
    {"compat6", VD_OPTION_BOOL, "off", "VMDK version 6 image", NULL},
    {"hwversion", VD_OPTION_STRING, "undefined",
     "VMDK hardware version (default: 4)", NULL},
    {"toolsversion", VD_OPTION_STRING, NULL,
     "VMware guest tools version (default: 2147483647)", NULL},
    {"subformat", VD_OPTION_ENUM, NULL,
     "VMDK flat extent format, can be one of monolithicSparse (default), "
     "monolithicFlat, twoGbMaxExtentSparse, twoGbMaxExtentFlat, "
     "streamOptimized, or, as on ESXi's datastores, vmfs, vmfsThin, "
     "vmfsEagerZeroedThick or vmfsSparse, or, for testing and not for ESXi, "
     "seSparse",
     vmdk_subformat_names},
    {"zeroed_grain", VD_OPTION_BOOL, NULL,
     "Enable efficient zero writes using the zeroed-grain GTE feature", NULL},
    {"compress_level", VD_OPTION_NUMBER, NULL,
     "Deflate level of streamOptimized images, 1 (fast, default) to 9, or 12",
     NULL},
    {"content_id", VD_OPTION_STRING, NULL,
     "Content id (CID), 8 hex digits; random if not given", NULL},
    {"description", VD_OPTION_STRING, NULL, "Comment in the descriptor", NULL},
    {"grain_size", VD_OPTION_SIZE, NULL,
     "Allocation unit of sparse extents (default: 64 KiB, of vmfsSparse 512)",
     NULL},
    {"logical_sector_size", VD_OPTION_SIZE, NULL,
     "Sector size that guests are told: 512 (default) or 4096", NULL},
    {"physical_sector_size", VD_OPTION_SIZE, NULL,
     "Sector size of the storage that guests are told: 512 or 4096", NULL},
    {"preallocation", VD_OPTION_ENUM, NULL,
     "Preallocation mode (allowed values: off, metadata, falloc, full)",
     prealloc_names},
    {"split_size", VD_OPTION_SIZE, NULL,
     "Size of the extents of split images (default: 2047 MiB)", NULL},
    {"uuid", VD_OPTION_STRING, NULL,
     "Disk uuid, \"60 00 C2 9x ...\"; random if not given", NULL},
    VD_NO_COW_ROW,
    VD_EXTENT_SIZE_ROW,
    {NULL},
};

const char *
vmdk_adapter_stored(unsigned i)
{
    return vmdk_adapter_names[i < STORED_ADAPTERS ? i : LSILOGIC];
}

/* -- taking
 * ------------------------------------------------------------------------ */

/* Two kinds say by their names how they are allocated. */
static bool
settle_vmfs_prealloc(VmdkNew *new, bool given, GError **error)
{
    VdPrealloc wanted = new->subformat == VMDK_SUB_VMFS_EAGER ? VD_PREALLOC_FULL
                                                              : VD_PREALLOC_OFF;

    if (new->subformat != VMDK_SUB_VMFS_THIN &&new->subformat !=
        VMDK_SUB_VMFS_EAGER)
        return true;
    if (given && new->prealloc != wanted)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "subformat=%s means preallocation=%s",
                        vmdk_subformat_names[new->subformat],
                        wanted == VD_PREALLOC_OFF ? "off" : "full");
    new->prealloc = wanted;
    return true;
}

static bool
take_words(VmdkNew *new, VdOptions *opts, GError **error)
{
    unsigned adapter = 0, prealloc = 0, subformat = 0;
    bool has_adapter = vd_options_peek(opts, "adapter_type") != NULL;
    bool has_prealloc = vd_options_peek(opts, "preallocation") != NULL;

    if (!vd_options_take_enum(opts, "adapter_type", vmdk_adapter_names,
                              &adapter, error) ||
        !vd_options_take_enum(opts, "preallocation", prealloc_names, &prealloc,
                              error) ||
        !vd_options_take_enum(opts, "subformat", vmdk_subformat_names,
                              &subformat, error))
        return false;
    new->subformat = (VmdkSubformat) subformat;
    new->prealloc = (VdPrealloc) prealloc; /* in that order */
    if (!has_adapter && new->subformat == VMDK_SUB_STREAM)
        new->adapter = g_strdup("lsilogic"); /* what importers expect */
    else
        new->adapter = g_strdup(vmdk_adapter_stored(adapter));
    return settle_vmfs_prealloc(new, has_prealloc, error);
}

static bool
take_new_level(VmdkNew *new, VdOptions *opts, GError **error)
{
    bool given = vd_options_peek(opts, "compress_level");

    if (!vd_codec_take_level(opts, &new->level, error))
        return false;
    return !given || new->subformat == VMDK_SUB_STREAM ||
           vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                    "compress_level is for subformat=streamOptimized only");
}

static bool
take_grain(VmdkNew *new, VdOptions *opts, GError **error)
{
    bool cowd = new->subformat == VMDK_SUB_VMFS_SPARSE;
    uint64_t min = cowd ? VMDK_SECTOR : 4096, max = 1u << 20;
    uint64_t grain = cowd ? min : VMDK_GRAIN_SECTORS * VMDK_SECTOR;

    if (!vd_options_take_size(opts, "grain_size", &grain, error))
        return false;
    if (grain < min || grain > max || (grain & (grain - 1)))
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "grain_size must be a power of two from %s to 1 MiB",
                        cowd ? "512 bytes" : "4 KiB");
    new->grain_sectors = grain / VMDK_SECTOR;
    return true;
}

static bool
is_sector_size(uint64_t size)
{
    return size == 512 || size == 4096;
}

/* What guests are told; extents count sectors of 512 bytes in any case. */
static bool
take_sector_sizes(VmdkNew *new, VdOptions *opts, GError **error)
{
    if (!vd_options_take_size(opts, "logical_sector_size", &new->logical_sector,
                              error))
        return false;
    new->physical_sector = new->logical_sector;
    if (!vd_options_take_size(opts, "physical_sector_size",
                              &new->physical_sector, error))
        return false;
    if (!new->physical_sector)
        return true;
    if (!new->logical_sector)
        new->logical_sector = 512;
    return (is_sector_size(new->logical_sector) &&
            is_sector_size(new->physical_sector) &&
            new->logical_sector <= new->physical_sector) ||
           vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                    "logical_sector_size and physical_sector_size must be 512 "
                    "or 4096, the physical one no less than the logical one");
}

static bool
take_sizes(VmdkNew *new, VdOptions *opts, GError **error)
{
    uint64_t split = (uint64_t) VMDK_SPLIT_SECTORS * VMDK_SECTOR, unused = 0;

    /* "size" has been understood by whoever made the spec. */
    if (!take_grain(new, opts, error) || !take_sector_sizes(new, opts, error) ||
        !vd_options_take_size(opts, "split_size", &split, error) ||
        !vd_options_take_size(opts, "size", &unused, error) ||
        !vd_options_take_bool(opts, "zeroed_grain", &new->zeroed_grain,
                              error) ||
        !take_new_level(new, opts, error))
        return false;
    if (!split || split % (1u << 20) || split > (UINT64_C(1) << 40))
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "split_size must be a multiple of 1 MiB up to 1 TiB");
    new->split_sectors = split / VMDK_SECTOR;
    return true;
}

static bool
is_decimal(const char *text)
{
    uint64_t value;

    return g_ascii_string_to_unsigned(text, 10, 0, UINT32_MAX, &value, NULL);
}

static bool
take_versions(VmdkNew *new, VdOptions *opts, GError **error)
{
    bool compat6 = false;

    if (!vd_options_take_bool(opts, "compat6", &compat6, error))
        return false;
    vd_options_take_string(opts, "hwversion", &new->hw_version);
    vd_options_take_string(opts, "toolsversion", &new->tools_version);
    /* "undefined" is how QEMU spells its default; nothing, how scripts do. */
    if (new->hw_version &&
        (!*new->hw_version || !strcmp(new->hw_version, "undefined")))
        g_clear_pointer(&new->hw_version, g_free);
    if (new->tools_version && !*new->tools_version)
        g_clear_pointer(&new->tools_version, g_free);
    if (compat6 && new->hw_version)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "compat6 cannot be enabled with hwversion set");
    if (!new->hw_version)
        new->hw_version = g_strdup(compat6 ? "6" : "4");
    if (!new->tools_version &&new->subformat != VMDK_SUB_STREAM)
        new->tools_version = g_strdup("2147483647");
    if (!is_decimal(new->hw_version) ||
        (new->tools_version && !is_decimal(new->tools_version)))
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "hwversion and toolsversion must be numbers");
    return true;
}

static bool
take_ids(VmdkNew *new, VdOptions *opts, GError **error)
{
    g_autofree char *cid = NULL;
    uint64_t value;

    vd_options_take_string(opts, "uuid", &new->uuid);
    vd_options_take_string(opts, "description", &new->description);
    vd_options_take_string(opts, "content_id", &cid);
    new->cid = vmdk_cid_new();
    if (cid &&
        (!g_ascii_string_to_unsigned(cid, 16, 0, UINT32_MAX - 2, &value, NULL)))
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "content_id must be a hex number below fffffffe");
    new->cid_given = cid != NULL;
    if (cid)
        new->cid = (uint32_t) value;
    if (new->uuid && !vmdk_uuid_is_valid(new->uuid))
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "uuid must have the form \"60 00 C2 9x xx xx xx xx-xx "
                        "xx xx xx xx xx xx xx\"");
    if (new->description && strlen(new->description) > MAX_DESCRIPTION)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "description is longer than %d bytes", MAX_DESCRIPTION);
    return true;
}

/* -- what goes together
 * --------------------------------------------------------------- */

static bool
check_parent(VmdkNew *new, const VdCreateSpec *spec, GError **error)
{
    const VmdkState *parent;

    new->parent_cid = VMDK_CID_NONE;
    if (!spec->backing_name)
        return true;
    if (vmdk_new_is_flat(new))
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "Flat image can't have backing file");
    if (new->subformat == VMDK_SUB_STREAM)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "streamOptimized image can't have backing file");
    if (spec->backing_format && strcmp(spec->backing_format, "vmdk"))
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "backing_file must be a vmdk image");
    if (!spec->backing)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "a vmdk child stores its parent's content id: %s must "
                        "be readable",
                        spec->backing_name);
    if (vd_node_driver(spec->backing) != &vd_vmdk_driver)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "backing_file must be a vmdk image");
    if (new->prealloc != VD_PREALLOC_OFF)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "an image with a backing file cannot be preallocated: "
                        "nothing of that would be seen");
    parent = vd_node_state(spec->backing);
    new->parent_cid = parent->cid;
    new->parent_hint = spec->backing_name;
    if (new->parent_cid == VMDK_CID_NONE)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "%s has no content id that a child could remember",
                        spec->backing_name);
    return true;
}

static uint64_t
max_sectors(const VmdkNew *new)
{
    if (new->subformat == VMDK_SUB_SESPARSE)
        return VMDK_SE_MAX_SECTORS;
    if (new->subformat == VMDK_SUB_VMFS_SPARSE)
        return VMDK_COWD_MAX_SECTORS;
    return vmdk_new_is_flat(new) ? VD_MAX_SIZE / VMDK_SECTOR
                                 : MAX_SPARSE_SECTORS;
}

/* We and QEMU read it: what a shorter parent does not have is zero. */
static void
warn_of_parents_size(const VmdkNew *new, const VdCreateSpec *spec)
{
    const VdEnv *env = spec->env;
    g_autofree char *text = NULL;

    if (!spec->backing || !env->warn ||
        vd_node_size(spec->backing) == new->sectors * VMDK_SECTOR)
        return;
    text = g_strdup_printf("%s: VMware's products open no child that is not as "
                           "large as its parent, which has %" G_GUINT64_FORMAT
                           " bytes",
                           spec->filename, vd_node_size(spec->backing));
    env->warn(text, env->warn_opaque);
}

static bool
check_size(VmdkNew *new, const VdCreateSpec *spec, GError **error)
{
    uint64_t max = max_sectors(new);

    new->sectors = spec->size / VMDK_SECTOR + !!(spec->size % VMDK_SECTOR);
    if (new->logical_sector == 4096) /* whole ones of those */
        new->sectors = (new->sectors + 7) & ~UINT64_C(7);
    if (!new->sectors)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "a vmdk image cannot have a size of 0");
    if (new->sectors > max && max == VMDK_COWD_MAX_SECTORS)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "size of %" G_GUINT64_FORMAT
                        " bytes is too large: a vmfsSparse image has less than "
                        "2 TiB, at most %" G_GUINT64_FORMAT,
                        spec->size, max * VMDK_SECTOR);
    if (new->sectors > max)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "size of %" G_GUINT64_FORMAT
                        " bytes is too large, at most %" G_GUINT64_FORMAT,
                        spec->size, max * VMDK_SECTOR);
    if (vmdk_new_is_split(new) &&
        new->sectors / new->split_sectors >= VMDK_MAX_EXTENTS)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "size of %" G_GUINT64_FORMAT
                        " bytes would need more than %d extents",
                        spec->size, VMDK_MAX_EXTENTS);
    warn_of_parents_size(new, spec);
    return true;
}

static bool
check_prealloc(const VmdkNew *new, GError **error)
{
    if (vmdk_new_is_flat(new) && new->prealloc == VD_PREALLOC_METADATA)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "flat images have no metadata to preallocate");
    return new->prealloc == VD_PREALLOC_OFF || vmdk_new_is_flat(new) ||
           new->subformat == VMDK_SUB_MONOLITHIC_SPARSE ||
           new->subformat == VMDK_SUB_SPLIT_SPARSE ||
           vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                    "%s images cannot be preallocated",
                    vmdk_subformat_names[new->subformat]);
}

static bool
check_combination(const VmdkNew *new, GError **error)
{
    if (vmdk_new_is_flat(new) && new->zeroed_grain)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "Flat image can't enable zeroed grain");
    if (new->subformat == VMDK_SUB_VMFS_SPARSE &&new->zeroed_grain)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "vmfsSparse images have no zeroed grains");
    if (!check_prealloc(new, error))
        return false;
    if (new->subformat == VMDK_SUB_STREAM &&
        (new->zeroed_grain || new->grain_sectors != VMDK_GRAIN_SECTORS))
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "streamOptimized images have grains of 64 KiB and no "
                        "zeroed grains");
    if (new->subformat == VMDK_SUB_SESPARSE &&
        (new->zeroed_grain ||
         (new->grain_sectors != VMDK_GRAIN_SECTORS &&new->grain_sectors !=
          VMDK_SE_GRAIN_SECTORS)))
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "seSparse images have grains of 4 KiB and need no "
                        "zeroed_grain");
    return true;
}

bool
vmdk_new_init(VmdkNew *new, const VdCreateSpec *spec, GError **error)
{
    memset(new, 0, sizeof(*new));
    new->level = VD_CODEC_LEVEL_FAST;
    new->path = spec->filename;
    if (g_str_has_prefix(new->path, "file:"))
        new->path += 5;
    return take_words(new, spec->options, error) &&
           take_sizes(new, spec->options, error) &&
           take_versions(new, spec->options, error) &&
           take_ids(new, spec->options, error) &&
           check_combination(new, error) && check_parent(new, spec, error) &&
           check_size(new, spec, error);
}

void
vmdk_new_clear(VmdkNew *new)
{
    g_free(new->adapter);
    g_free(new->hw_version);
    g_free(new->tools_version);
    g_free(new->uuid);
    g_free(new->description);
}
