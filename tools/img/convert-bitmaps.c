/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/convert-bitmaps.c - convert --bitmaps: dirty bitmaps go along.
 *
 * They are copied behind the data, for what is written to the target ends those
 * that it has.
 *
 * Concurrency: main thread only.
 */
#include "tools/img/convert.h"

#include <string.h>

#include "tools/output.h"

/* Images of qcow2's version 2 have none, though the format has. */
static bool
can_have_bitmaps(VdDisk *disk)
{
    g_autoptr(GPtrArray) list = vd_disk_list_bitmaps(disk, NULL);
    g_autoptr(VdInfo) info = list ? vd_disk_get_info(disk, NULL) : NULL;
    const char *compat = NULL;

    if (info && info->specific)
        (void) g_variant_lookup(info->specific, "compat", "&s", &compat);
    return info && g_strcmp0(compat, "0.10") != 0;
}

static bool
check_broken(const ConvertJob *job, const GPtrArray *list)
{
    for (unsigned i = list->len; i-- > 0 && !job->skip_bitmaps;) {
        const VdBitmap *bitmap = list->pdata[i];

        if (!bitmap->in_use)
            continue;
        out_failure(job->sources[0], NULL,
                    "Cannot copy inconsistent bitmap "
                    "'%s'",
                    bitmap->name);
        out_hint("Try --skip-broken-bitmaps, or use '%s bitmap --remove' to "
                 "delete it",
                 out_program());
        return false;
    }
    return true;
}

bool
convert_bitmaps_check_source(const ConvertJob *job)
{
    g_autoptr(GPtrArray) list = NULL;

    if (!job->bitmaps)
        return true;
    if (can_have_bitmaps(job->disks[0]))
        list = vd_disk_list_bitmaps(job->disks[0], NULL);
    if (list)
        return check_broken(job, list);
    out_failure(job->sources[0], NULL, "Source lacks bitmap support");
    return false;
}

static bool
has_bitmap(const GPtrArray *list, const char *name)
{
    for (unsigned i = 0; list && i < list->len; i++)
        if (!strcmp(((VdBitmap *) list->pdata[i])->name, name))
            return true;
    return false;
}

/* Of the same name: told before the first write, which would end those of the
 * target. */
static bool
check_names(const ConvertJob *job, VdDisk *target)
{
    g_autoptr(GPtrArray) ours = vd_disk_list_bitmaps(job->disks[0], NULL);
    g_autoptr(GPtrArray) theirs = vd_disk_list_bitmaps(target, NULL);

    for (unsigned i = 0; ours && i < ours->len; i++) {
        const VdBitmap *bitmap = ours->pdata[i];

        if (bitmap->in_use || !has_bitmap(theirs, bitmap->name))
            continue;
        out_failure(job->target, NULL,
                    "Failed to create bitmap %s: Bitmap already exists: %s",
                    bitmap->name, bitmap->name);
        return false;
    }
    return true;
}

bool
convert_bitmaps_check_target(const ConvertJob *job, VdDisk *target)
{
    if (!job->bitmaps)
        return true;
    if (can_have_bitmaps(target))
        return check_names(job, target);
    out_failure(job->target, NULL,
                "Format driver '%s' does not support bitmaps",
                vd_disk_format(target));
    return false;
}

static bool
copy_one(const ConvertJob *job, VdDisk *target, const VdBitmap *bitmap)
{
    g_autoptr(GError) error = NULL;

    if (!vd_disk_add_bitmap(target, bitmap->name, bitmap->granularity,
                            bitmap->enabled, &error)) {
        out_failure(job->target, error, "Failed to create bitmap %s: %s",
                    bitmap->name, error->message);
        return false;
    }
    if (vd_disk_merge_bitmap(target, bitmap->name, job->disks[0], bitmap->name,
                             &error))
        return true;
    out_failure(job->target, error, "Failed to populate bitmap %s: %s",
                bitmap->name, error->message);
    (void) vd_disk_remove_bitmap(target, bitmap->name, NULL); /* told already */
    return false;
}

bool
convert_bitmaps_copy(const ConvertJob *job, VdDisk *target)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) list =
        job->bitmaps ? vd_disk_list_bitmaps(job->disks[0], &error) : NULL;

    if (error) {
        out_failure(job->sources[0], error, "%s", error->message);
        return false;
    }
    for (unsigned i = list ? list->len : 0; i-- > 0;) {
        const VdBitmap *bitmap = list->pdata[i];

        if (bitmap->in_use)
            out_warning("Skipping inconsistent bitmap '%s'", bitmap->name);
    }
    for (unsigned i = 0; list && i < list->len; i++) {
        const VdBitmap *bitmap = list->pdata[i];

        if (!bitmap->in_use && !copy_one(job, target, bitmap))
            return false;
    }
    return true;
}
