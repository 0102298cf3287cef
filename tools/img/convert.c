/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/convert.c - vdisk-img convert, the work: open, check, create, copy,
 * commit.
 *
 * A target that convert makes comes into being with vd_creation_commit(): when
 * anything before fails, verification included, what existed is as it was and
 * what did not exist does not exist.
 *
 * Concurrency: main thread only.
 */
#include "tools/img/convert.h"

#include "tools/formats.h"
#include "tools/images.h"
#include "tools/output.h"
#include "tools/signals.h"
#include "tools/img/resume.h"
#include "tools/img/snapshot-words.h"
#include "tools/requests.h"

#define CONVERT_PROGRESS_STEP 1
#define SECTOR_BYTES ((uint64_t) 512)

static bool
create_failure(const ConvertJob *job, const GError *error)
{
    const char *name = job->to_stdout ? "standard output" : job->target;

    out_failure(name, error, "%s: error while %s: %s", name, job->doing,
                error->message);
    return false;
}

/* -- sources -------------------------------------------------------------- */

static bool
sources_open(ConvertJob *job)
{
    job->disks = g_new0(VdDisk *, job->n_sources);
    for (unsigned i = 0; i < job->n_sources; i++) {
        unsigned flags = job->source_cache | VD_OPEN_IN_ORDER;
        if (job->open_ended)
            flags |= VD_OPEN_OPEN_ENDED;
        ImageSpec spec = image_spec(job->common, job->sources[i], flags);
        job->disks[i] = image_open(job->ctx, &spec);
        if (!job->disks[i] ||
            !snapshot_load(job->ctx, &spec, job->snapshot, &job->disks[i]))
            return false;
        uint64_t size = vd_disk_size(job->disks[i]);
        job->total += (size + SECTOR_BYTES - 1) / SECTOR_BYTES * SECTOR_BYTES;
    }
    return true;
}

GPtrArray *
convert_source_links(const ConvertJob *job, unsigned i)
{
    g_autoptr(GError) error = NULL;
    bool mute = job->common->mute;

    job->common->mute = true; /* the sources are open: all has been told */
    GPtrArray *infos = vd_disk_get_chain(job->disks[i], &error);
    job->common->mute = mute;
    if (!infos)
        out_failure(job->sources[i], error, "Could not look at '%s': %s",
                    job->sources[i], error->message);
    return infos;
}

static void
sources_close(ConvertJob *job)
{
    for (unsigned i = 0; job->disks && i < job->n_sources; i++) {
        if (job->disks[i] && job->common->stats)
            requests_add_disk(job->disks[i], job->sources[i]);
        image_close_quietly(job->disks[i]);
    }
    g_free(job->disks);
}

/* -- copying -------------------------------------------------------------- */

/* While the part that has been written is still there. */
static void
tell_space(const ConvertJob *job, const GError *error)
{
    if (!job->target_image_opts)
        image_hint_space(error, job->target, "the copy", job->total);
}

static void
finish_progress(ConvertJob *job, bool ok)
{
    if (job->progress)
        progress_end(job->progress, ok);
    job->progress = NULL;
}

static bool
copy_with_progress(ConvertJob *job, VdDisk *target)
{
    g_autoptr(GError) error = NULL;

    if (job->nothing)
        return true;
    job->progress =
        progress_begin(job->common->progress, CONVERT_PROGRESS_STEP);
    if (job->verify)
        progress_expect_verify(job->progress);
    job->copy.progress = progress_update;
    job->copy.progress_opaque = job->progress;
    bool ok = vd_copy(job->disks, job->n_sources, target, &job->copy,
                      &job->result, &error);
    if (!ok || !job->verify)
        finish_progress(job, ok);
    if (!ok) {
        out_failure(job->target, error, "%s", error->message);
        tell_space(job, error);
    }
    return ok;
}

static bool
target_grow(const ConvertJob *job, VdDisk *target)
{
    g_autoptr(GError) error = NULL;

    if (vd_disk_resize(target, job->total, NULL, &error))
        return true;
    out_failure(job->target, error, "%s", error->message);
    return false;
}

static bool
target_fits(const ConvertJob *job, VdDisk *target)
{
    if (vd_disk_size(target) >= job->total)
        return true;
    if (job->grow)
        return target_grow(job, target);
    out_failure(job->target, NULL, "output file is smaller than input file");
    return false;
}

static bool
metadata_keep(const ConvertJob *job, VdDisk *target)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *options = job->list ? optlist_join(job->list) : NULL;

    if (!job->keep_metadata ||
        vd_disk_keep_meta(target, job->disks[0], options, &error))
        return true;
    out_failure(job->target, error, "Could not keep the metadata: %s",
                error->message);
    out_hint("--keep-metadata=off does without them.");
    return false;
}

/* What has no end yet needs a target that grows. */
static bool
copy_to(ConvertJob *job, VdDisk *target)
{
    bool open_ended = vd_disk_is_open_ended(job->disks[0]);
    bool ok = target_fits(job, target) &&
              convert_bitmaps_check_target(job, target) &&
              copy_with_progress(job, target) && metadata_keep(job, target) &&
              convert_bitmaps_copy(job, target);

    if (ok && open_ended)
        job->total = vd_disk_size(target);
    if (job->common->stats)
        requests_add_disk(target, job->target);
    return ok;
}

/* -- verifying ------------------------------------------------------------ */

/* @target: opened for this, and closed here. */
static bool
verify_with_progress(ConvertJob *job, VdDisk *target)
{
    g_autoptr(GError) error = NULL;
    bool ok = vd_copy_verify(target, job->copy.sums, progress_update,
                             job->progress, &job->verified, &error);

    finish_progress(job, ok);
    if (!ok)
        out_failure(job->target, error, "%s", error->message);
    image_close_quietly(target);
    return ok;
}

/* -- a target that exists (-n) -------------------------------------------- */

static bool
target_flush(const ConvertJob *job, VdDisk *target)
{
    g_autoptr(GError) error = NULL;

    if (vd_disk_flush(target, &error))
        return true;
    out_failure(job->target, error, "Could not flush '%s': %s", job->target,
                error->message);
    return false;
}

/* After a failure that has been reported the close is not another one. */
static bool
target_close(const ConvertJob *job, VdDisk *target, bool ok)
{
    if (ok)
        return image_close(target, job->target);
    (void) vd_disk_close(target, NULL);
    return false;
}

static bool
existing_verify(ConvertJob *job)
{
    ImageSpec spec = {
        .name = job->target,
        .format = job->target_format,
        .image_opts = job->target_image_opts,
        .flags = VD_OPEN_TRY_DIRECT,
    };
    VdDisk *target = job->verify ? image_open(job->ctx, &spec) : NULL;

    return !job->verify || (target && verify_with_progress(job, target));
}

static bool
fill_existing(ConvertJob *job, Resume *resume)
{
    unsigned flags = VD_OPEN_RDWR | VD_OPEN_UNMAP | job->target_cache;
    ImageSpec spec = {
        .name = job->target,
        .format = job->target_format,
        .image_opts = job->target_image_opts,
        .flags = (VdOpenFlags) (job->no_sync ? flags | VD_OPEN_NO_FLUSH
                                             : flags & ~VD_OPEN_NO_FLUSH),
    };
    VdDisk *target = image_open(job->ctx, &spec);

    if (!target)
        return false;
    job->copy.target_is_zero = job->target_is_zero;
    bool ok = (!resume || resume_start(resume)) && copy_to(job, target) &&
              target_flush(job, target);
    return target_close(job, target, ok) && existing_verify(job);
}

static bool
convert_into_existing(ConvertJob *job)
{
    Resume *resume = NULL;

    if (!job->resume)
        return fill_existing(job, NULL);
    resume = resume_begin(job);
    if (!resume)
        return false;
    job->copy.checkpoints = resume_checkpoints(resume);
    job->resumed_at = job->copy.checkpoints->resume_at;
    bool ok = fill_existing(job, resume);
    return resume_end(resume, ok) && ok;
}

/* -- a target of ours ----------------------------------------------------- */

static bool
creation_fill(ConvertJob *job, VdCreation *creation)
{
    g_autoptr(GError) error = NULL;
    VdDisk *target = vd_creation_disk(creation, &error);

    if (!target)
        return create_failure(job, error);
    return target_close(job, target, copy_to(job, target));
}

static bool
creation_verify(ConvertJob *job, VdCreation *creation)
{
    g_autoptr(GError) error = NULL;

    if (!job->verify)
        return true;
    VdDisk *target = vd_creation_reopen(creation, VD_OPEN_TRY_DIRECT, &error);
    if (!target)
        return create_failure(job, error);
    return verify_with_progress(job, target);
}

static bool
convert_into_new(ConvertJob *job)
{
    g_autoptr(GError) error = NULL;
    format_add_defaults(job->target_format, job->list);
    g_autofree char *options = optlist_join(job->list);
    VdCreateParams params = {
        .filename = job->target,
        .format = job->target_format,
        .size = optlist_peek(job->list, "size") ? UINT64_MAX : job->total,
        .backing_file = job->backing,
        .backing_format = job->backing_format,
        .options = options,
        .sync = !job->no_sync,
        .no_clobber = job->no_clobber,
        .in_place = !job->atomic,
        /* The commit flushes all there is, once. */
        .open_flags = (VdOpenFlags) (VD_OPEN_UNMAP | VD_OPEN_NO_FLUSH |
                                     job->target_cache),
    };
    VdCreation *creation = vd_create_begin(job->ctx, &params, &error);

    if (!creation)
        return create_failure(job, error);
    job->copy.target_is_zero = !job->backing && !target_is_device(job) &&
                               !vd_create_name_is_fixed(job->target);
    if (!creation_fill(job, creation) || !creation_verify(job, creation)) {
        vd_creation_abort(creation);
        return false;
    }
    return vd_creation_commit(creation, &error) || create_failure(job, error);
}

/* -- all of it ------------------------------------------------------------ */

static bool
convert_in_context(ConvertJob *job)
{
    if (!sources_open(job) || !convert_bitmaps_check_source(job) ||
        (job->settle && !job->settle(job)) || !target_check(job) ||
        !target_space_check(job))
        return false;
    bool ok =
        job->no_create ? convert_into_existing(job) : convert_into_new(job);
    if (ok)
        convert_result_print(job);
    return ok;
}

int
convert_run(ConvertJob *job)
{
    job->started_us = g_get_monotonic_time();
    job->ctx = image_context_new(job->common);
    if (!job->ctx)
        return 1;
    signals_watch(job->ctx);
    job->copy.sums = job->verify ? vd_copy_sums_new() : NULL;
    bool ok = convert_in_context(job);
    finish_progress(job, ok); /* unless it has ended */
    vd_copy_sums_free(job->copy.sums);
    sources_close(job);
    signals_watch(NULL);
    vd_context_free(job->ctx);
    return ok ? 0 : 1;
}
