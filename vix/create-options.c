/* SPDX-License-Identifier: BSD-3-Clause */
/* vix/create-options.c - what programs say of a new disk, in libvdisk's words.
 *
 * Concurrency: pure.
 */
#include "vix/create-options.h"

#include "vix/abi.h"
#include "vix/error.h"

#define BIG_SECTOR 4096

static const char *const subformats[] = {
    [VIXDISKLIB_DISK_MONOLITHIC_SPARSE] = "monolithicSparse",
    [VIXDISKLIB_DISK_MONOLITHIC_FLAT] = "monolithicFlat",
    [VIXDISKLIB_DISK_SPLIT_SPARSE] = "twoGbMaxExtentSparse",
    [VIXDISKLIB_DISK_SPLIT_FLAT] = "twoGbMaxExtentFlat",
    [VIXDISKLIB_DISK_VMFS_FLAT] = "vmfs",
    [VIXDISKLIB_DISK_STREAM_OPTIMIZED] = "streamOptimized",
    [VIXDISKLIB_DISK_VMFS_THIN] = "vmfsThin",
    [VIXDISKLIB_DISK_VMFS_SPARSE] = "vmfsSparse",
};

static const char *const adapters[] = {
    [VIXDISKLIB_ADAPTER_IDE] = "ide",
    [VIXDISKLIB_ADAPTER_SCSI_BUSLOGIC] = "buslogic",
    [VIXDISKLIB_ADAPTER_SCSI_LSILOGIC] = "lsilogic",
};

/* -- numbers and their names ----------------------------------------------- */

static const char *
name_of(const char *const *names, unsigned n_names, unsigned number)
{
    return number < n_names ? names[number] : NULL;
}

const char *
vix_subformat(VixDiskLibDiskType type)
{
    return name_of(subformats, G_N_ELEMENTS(subformats), (unsigned) type);
}

static void
append(GString *options, const char *key, const char *value)
{
    g_string_append_printf(options, "%s%s=%s", options->len > 0 ? "," : "", key,
                           value);
}

static void
append_number(GString *options, const char *key, unsigned value)
{
    g_autofree char *text = g_strdup_printf("%u", value);

    append(options, key, text);
}

/* Each of the two enumerations has 256 for what is not known. */
static VixError
append_named(const char *function, GString *options, const char *key,
             const char *name, unsigned number)
{
    if (name)
        append(options, key, name);
    else if (number != VIXDISKLIB_DISK_UNKNOWN)
        return vix_fail(VIX_E_INVALID_ARG, "%s: there is no %s %u", function,
                        key, number);
    return VIX_OK;
}

/* -- sector sizes ---------------------------------------------------------- */

/* Behind the structure of a program for an older version there is anything;
 * only what can be meant counts. */
static uint32
sector_size(uint32 given)
{
    return given == BIG_SECTOR ? given : VIXDISKLIB_SECTOR_SIZE;
}

/* Disks of small sectors, that is nearly all, do not mention them. */
static void
append_sector_sizes(GString *options, const VixDiskLibCreateParams *params)
{
    uint32 logical, physical;

    if (!vix_abi.has_sector_sizes)
        return;
    logical = sector_size(params->logicalSectorSize);
    physical = MAX(logical, sector_size(params->physicalSectorSize));
    if (physical == VIXDISKLIB_SECTOR_SIZE)
        return;
    append_number(options, "logical_sector_size", logical);
    append_number(options, "physical_sector_size", physical);
}

/* -- all of it ------------------------------------------------------------- */

VixError
vix_create_options(const char *function, const VixDiskLibCreateParams *params,
                   char **options)
{
    unsigned type = (unsigned) params->diskType;
    unsigned adapter = (unsigned) params->adapterType;
    GString *text = g_string_new(NULL);
    VixError err = append_named(function, text, "subformat",
                                vix_subformat(params->diskType), type);

    if (err == VIX_OK)
        err = append_named(function, text, "adapter_type",
                           name_of(adapters, G_N_ELEMENTS(adapters), adapter),
                           adapter);
    if (params->hwVersion > 0)
        append_number(text, "hwversion", params->hwVersion);
    append_sector_sizes(text, params);
    *options = g_string_free(text, err != VIX_OK);
    return err;
}

VixError
vix_create_size(const char *function, const VixDiskLibCreateParams *params,
                uint64_t *size)
{
    if (params->capacity > G_MAXINT64 / VIXDISKLIB_SECTOR_SIZE)
        return vix_fail(VIX_E_ARGUMENT_TOO_BIG,
                        "%s: a capacity of %" G_GUINT64_FORMAT " sectors",
                        function, params->capacity);
    *size = params->capacity * VIXDISKLIB_SECTOR_SIZE;
    return VIX_OK;
}
