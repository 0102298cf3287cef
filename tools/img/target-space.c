/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/target-space.c - is there room for what a conversion makes?
 *
 * Measuring walks the maps of the sources, so it is done only where the disk
 * full of data would not fit.  How much is left may change while copying, and
 * zeroes among the data need no space: it is a warning, unless somebody wants
 * to be sure.
 *
 * Concurrency: main thread only.
 */
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "tools/human.h"
#include "tools/images.h"
#include "tools/img/convert.h"
#include "tools/output.h"

/* What tables, headers and records may come to besides the data. */
#define OVERHEAD_SHARE 64
#define OVERHEAD_BYTES ((uint64_t) 1 << 20)

/* Of the file system that @dir is in; false: cannot be told. */
static bool
space_left(const char *dir, uint64_t *bytes)
{
    struct statvfs fs;

    if (statvfs(dir, &fs) != 0)
        return false;
    *bytes = (uint64_t) fs.f_bavail * fs.f_frsize;
    return true;
}

static uint64_t
worst_case(const ConvertJob *job)
{
    return job->total + job->total / OVERHEAD_SHARE + OVERHEAD_BYTES;
}

/* What the target may need; what cannot be measured counts as full. */
static uint64_t
space_needed(const ConvertJob *job)
{
    g_autofree char *options = optlist_join(job->list);
    VdMeasureParams params = {.format = job->target_format,
                              .options = options,
                              .filename = job->target};
    uint64_t needed = 0;

    bool all = job->copy.sparse_size == 0 &&
               job->copy.zero_units != VD_ZERO_UNITS_SKIP;

    if (job->backing || all)
        return worst_case(job);
    for (unsigned i = 0; i < job->n_sources; i++) {
        VdMeasureResult result;

        if (!vd_measure(job->ctx, job->disks[i], &params, &result, NULL))
            return worst_case(job);
        needed += result.required;
    }
    return MIN(needed, worst_case(job)); /* not all may be copied */
}

static void
shortfall_tell(const ConvertJob *job, const char *dir, uint64_t left,
               uint64_t needed)
{
    g_autofree char *left_text = human_size(left);
    g_autofree char *needed_text = human_size(needed);

    if (job->require_space)
        out_failure(job->target, NULL,
                    "%s: error while %s: '%s' has %s left, but the "
                    "copy may need up to %s",
                    job->target, job->doing, dir, left_text, needed_text);
    else if (!job->common->quiet)
        out_warning("'%s' has %s left, but the copy may need up to %s", dir,
                    left_text, needed_text);
}

/* The directory that the target grows in; NULL: it is no file of ours. */
static char *
target_directory(const ConvertJob *job)
{
    const char *path = image_local_path(job->target);

    if (!path || job->no_create || job->to_stdout || job->target_image_opts ||
        target_is_device(job))
        return NULL;
    return g_path_get_dirname(path);
}

bool
target_space_check(const ConvertJob *job)
{
    g_autofree char *dir = target_directory(job);
    uint64_t left, needed;

    if (!dir || !space_left(dir, &left) || worst_case(job) <= left)
        return true;
    needed = space_needed(job);
    if (needed <= left)
        return true;
    shortfall_tell(job, dir, left, needed);
    return !job->require_space;
}
