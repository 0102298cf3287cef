/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/range.c - opening an image for work on a range of it.
 *
 * Concurrency: main thread only.
 */
#include "tools/img/range.h"

#include <inttypes.h>

#include "tools/images.h"
#include "tools/output.h"
#include "tools/signals.h"
#include "tools/requests.h"

bool
range_take(RangeJob *job, int code, const char *arg)
{
    if (code == 'o')
        return opts_parse_size("offset", arg, &job->off);
    job->has_len = true;
    return opts_parse_size("length", arg, &job->len);
}

static bool
range_check(const RangeJob *job, const VdDisk *disk)
{
    uint64_t size = vd_disk_size(disk);

    if (job->off <= size && job->len <= size - job->off)
        return true;
    if (job->off > size) {
        out_failure(job->file, NULL,
                    "%s: %" PRIu64 " is behind the end of the disk, which has "
                    "%" PRIu64 " bytes",
                    job->file, job->off, size);
        return false;
    }
    out_failure(job->file, NULL,
                "%s: %" PRIu64 " bytes at %" PRIu64 " are not all there: the "
                "disk has %" PRIu64,
                job->file, job->len, job->off, size);
    return false;
}

static bool
range_in_context(RangeJob *job, VdContext *ctx, unsigned flags,
                 bool (*work)(RangeJob *job, VdDisk *disk))
{
    ImageSpec spec = image_spec(job->common, job->file, flags);
    VdDisk *disk = image_open(ctx, &spec);

    if (!disk)
        return false;
    bool ok = range_check(job, disk) && work(job, disk);
    if (job->common->stats)
        requests_add_disk(disk, job->file);
    if (ok && (flags & VD_OPEN_RDWR))
        return image_close(disk, job->file);
    image_close_quietly(disk); /* nothing to lose, or failed already */
    return ok;
}

int
range_run(RangeJob *job, unsigned flags,
          bool (*work)(RangeJob *job, VdDisk *disk))
{
    VdContext *ctx = image_context_new(job->common);

    if (!ctx)
        return 1;
    /* Who only reads may be ended at any time, by a reader that has seen enough
     * too. */
    signals_note(flags & VD_OPEN_RDWR);
    bool ok = range_in_context(job, ctx, flags, work);
    signals_note(false);
    vd_context_free(ctx);
    return ok ? 0 : 1;
}
