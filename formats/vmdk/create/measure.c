/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/create/measure.c - how large a new disk's files will be.
 *
 * From the same layouts that creating uses.  Exact for what is stored as it is:
 * headers, tables and whole grains; a bound for compressed records, each of
 * which takes at most bound.
 *
 * Concurrency: asks for the source's map, which may yield.
 */
#include "formats/vmdk/create/create.h"
#include "formats/vmdk/create/sample.h"
#include "formats/vmdk/driver.h"
#include "formats/vmdk/sesparse/header.h"
#include "formats/vmdk/sparse/cowd-header.h"

#include <string.h>

/* Longest stem whose data files still have names of 255 bytes. */
#define LONGEST_STEM 244
#define COPY_BLOCK 4096
#define COWD_TABLE_BYTES (VMDK_COWD_GTES_PER_GT * sizeof(uint32_t))

/* Units of one size that have data in them, each counted once. */
typedef struct {
    uint64_t unit, next, count;
} Counter;

/* Stretches come in order; a copy writes whole blocks of 4 KiB.  How many
 * further units there are, and the first. */
static uint64_t
count_stretch(Counter *counter, uint64_t off, uint64_t end, uint64_t size,
              uint64_t *first_unit)
{
    uint64_t first, last;

    if (!counter->unit)
        return 0;
    first = MAX(off / COPY_BLOCK * COPY_BLOCK / counter->unit, counter->next);
    end = MIN((end + COPY_BLOCK - 1) / COPY_BLOCK * COPY_BLOCK, size);
    last = (end - 1) / counter->unit;
    if (last < first)
        return 0;
    counter->count += last - first + 1;
    counter->next = last + 1;
    *first_unit = first;
    return last - first + 1;
}

static bool
measure_co_count(const VdMeasureSpec *spec, Counter *grains, Counter *tables,
                 GError **error)
{
    uint64_t off = 0, len = 0, first;

    do {
        if (!spec->co_next(spec->arg, &off, &len, error))
            return false;
        if (len) {
            (void) count_stretch(grains, off, off + len, spec->size, &first);
            (void) count_stretch(tables, off, off + len, spec->size, &first);
        }
    } while (len);
    return true;
}

static uint64_t
grain_bytes(const VmdkNew *new)
{
    if (new->subformat == VMDK_SUB_SESPARSE)
        return VMDK_SE_GRAIN_BYTES;
    if (new->subformat == VMDK_SUB_STREAM)
        return VMDK_GRAIN_SECTORS * VMDK_SECTOR;
    return new->grain_sectors *VMDK_SECTOR;
}

/* Of one data file, what is in front of its grains. */
static uint64_t
front_bytes(const VmdkNew *new, uint64_t sectors)
{
    VmdkSeHeader se;
    VmdkHeader hdr;

    if (new->subformat == VMDK_SUB_VMFS_SPARSE) {
        vmdk_cowd_layout(&hdr, sectors, new->grain_sectors);
        return (uint64_t) hdr.free_sector * VMDK_SECTOR;
    }
    if (new->subformat == VMDK_SUB_SESPARSE) {
        vmdk_se_header_layout(&se, sectors);
        return se.part[VMDK_SE_GRAINS].start * VMDK_SECTOR;
    }
    if (new->subformat == VMDK_SUB_STREAM)
        vmdk_header_layout_stream(&hdr, sectors, false);
    else
        vmdk_header_layout_sparse(&hdr, sectors, new->grain_sectors,
                                  !vmdk_new_has_data_files(new));
    return hdr.overhead_sectors * VMDK_SECTOR;
}

/* All fronts: but for the last, pieces are of one size. */
static uint64_t
all_fronts(const VmdkNew *new)
{
    uint64_t piece = vmdk_new_piece_sectors(new);
    uint64_t whole = new->sectors / piece, rest = new->sectors % piece;

    return (whole ? whole * front_bytes(new, piece) : 0) +
           (rest ? front_bytes(new, rest) : 0);
}

static bool
text_bytes(const VmdkNew *new, const VdMeasureSpec *spec,
           const VdOptions *given, uint64_t *bytes, GError **error)
{
    g_autoptr(VmdkDescriptor) desc = NULL;
    g_autofree char *text = NULL;
    size_t len;

    *bytes = 0;
    if (!vmdk_new_has_data_files(new))
        return true; /* the front has room for it */
    desc = vmdk_new_descriptor(new, error);
    if (!desc || !vmdk_new_add_extents(new, desc, error))
        return false;
    if (spec->source && vd_node_driver(spec->source) == &vd_vmdk_driver &&
        !vmdk_keep_meta(desc, new->sectors, spec->source, given, error))
        return false;
    text = vmdk_descriptor_text(desc, &len);
    *bytes = len;
    return true;
}

/* Once more over the map, since a sample that is spread over all that there is
 * has to know how much that is. */
static bool
measure_co_sample(const VmdkNew *new, const VdMeasureSpec *spec,
                  uint64_t n_grains, uint64_t *bytes, GError **error)
{
    VmdkSample *sample =
        vmdk_sample_new(spec->source, n_grains, spec->sample, new->level);
    Counter grains = {.unit = grain_bytes(new)};
    uint64_t off = 0, len = 0, first = 0, n;
    bool ok;

    spec->again(spec->arg);
    do {
        ok = spec->co_next(spec->arg, &off, &len, error);
        n = ok && len
                ? count_stretch(&grains, off, off + len, spec->size, &first)
                : 0;
        if (n)
            vmdk_sample_co_pass(sample, first, n);
    } while (ok && len);
    return vmdk_sample_co_end(sample, bytes, ok ? error : NULL) && ok;
}

static bool
measure_co_estimate(const VmdkNew *new, const VdMeasureSpec *spec,
                    uint64_t fixed, uint64_t n_grains, VdMeasureResult *result,
                    GError **error)
{
    uint64_t bytes = 0;

    if (n_grains && !measure_co_sample(new, spec, n_grains, &bytes, error))
        return false;
    result->estimated = MIN(fixed + bytes, result->required);
    return true;
}

static uint64_t
units(const VmdkNew *new, uint64_t unit)
{
    return unit ? (new->sectors *VMDK_SECTOR + unit - 1) / unit : 0;
}

static bool
measure_co_grains(const VmdkNew *new, const VdMeasureSpec *spec,
                  VdMeasureResult *result, GError **error)
{
    bool stream = new->subformat == VMDK_SUB_STREAM;
    bool cowd = new->subformat == VMDK_SUB_VMFS_SPARSE;
    Counter grains = {.unit = grain_bytes(new)};
    /* Others have all of their tables from the beginning. */
    Counter tables = {.unit = cowd ? grains.unit * VMDK_COWD_GTES_PER_GT : 0};
    uint64_t stored = stream ? vmdk_stream_records.bound : grains.unit;
    uint64_t fixed = all_fronts(new) + (stream ? VMDK_SECTOR : 0);
    uint64_t all = units(new, grains.unit);

    if (all > (VD_MAX_SIZE / 2 - fixed) / stored)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "a disk of %" G_GUINT64_FORMAT
                        " bytes is too large for this kind",
                        spec->size);
    if (!measure_co_count(spec, &grains, &tables, error))
        return false;
    result->required = fixed + MIN(grains.count, all) * stored +
                       tables.count * COWD_TABLE_BYTES;
    result->fully_allocated =
        fixed + all * stored + units(new, tables.unit) * COWD_TABLE_BYTES;
    if (spec->sample && stream)
        return measure_co_estimate(new, spec, fixed, MIN(grains.count, all),
                                   result, error);
    return true;
}

static bool
measure_co_new(const VmdkNew *new, const VdMeasureSpec *spec,
               const VdOptions *given, VdMeasureResult *result, GError **error)
{
    uint64_t text;

    if (!text_bytes(new, spec, given, &text, error))
        return false;
    if (vmdk_new_is_flat(new))
        result->required = result->fully_allocated = new->sectors *VMDK_SECTOR;
    else if (!measure_co_grains(new, spec, result, error))
        return false;
    result->required += text;
    result->fully_allocated += text;
    return true;
}

bool
vmdk_co_measure(const VdMeasureSpec *spec, VdMeasureResult *result,
                GError **error)
{
    g_autofree char *stem = g_strnfill(LONGEST_STEM, 'x');
    g_autofree char *longest = g_strconcat(stem, ".vmdk", NULL);
    g_autoptr(VdOptions) given = vd_options_copy(spec->options);
    VdCreateSpec create = {
        .filename = spec->filename ? spec->filename : longest,
        .size = spec->size,
        .options = spec->options,
    };
    VmdkNew new;
    bool ok = vmdk_new_init(&new, &create, error) &&
              measure_co_new(&new, spec, given, result, error);

    vmdk_new_clear(&new);
    return ok;
}
