/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/cmd-rebase.c - vdisk-img rebase: another parent for an image.
 *
 * Concurrency: main thread only.
 */
#include <inttypes.h>
#include <stdio.h>

#include "tools/img/commands.h"
#include "tools/images.h"
#include "tools/json.h"
#include "tools/output.h"

#define REBASE_PROGRESS_STEP 2

enum {
    OPT_UPDATE_CID = OPT_PRIVATE,
    OPT_RELATIVE,
    OPT_ABSOLUTE,
    OPT_DEDUP,
};

static const CmdOption rebase_options[] = {
    CMD_ROW_FORMAT,
    CMD_ROW_IMAGE_OPTS,
    {'t', "cache", "CACHE",
     "none, writeback (default), writethrough, directsync, unsafe", true},
    CMD_ROW_SYNC,
    {'T', "source-cache", "CACHE", "of the new parent; default writeback",
     true},
    {'b', "backing", "FILE", "the new parent; \"\" = none"},
    {'F', "backing-format", "FMT", "format of the new parent"},
    {'u', "unsafe", NULL, "rewrite the reference only, compare nothing"},
    {'c', "compress", NULL, "compress what is copied (no format can, yet)",
     true},
    {OPT_DEDUP, "dedup", NULL,
     "then drop from the image what equals the new parent"},
    {OPT_UPDATE_CID, "update-cid", NULL,
     "with -u: take over the content id that the parent has"},
    {OPT_RELATIVE, "relative", NULL,
     "store the name relative to the image; default: as given"},
    {OPT_ABSOLUTE, "absolute", NULL, "store the absolute name"},
    CMD_ROW_PROGRESS,
    CMD_ROW_QUIET,
    CMD_ROW_FORCE_SHARE,
    CMD_ROWS_COMMON,
};

typedef struct {
    const CommonOptions *common;
    const char *name;
    VdOpenFlags cache;
    SyncMode sync;
    bool compress;
    VdRebaseParams params;
    uint64_t id_before, id_after; /* content id of the parent, as remembered */
} RebaseJob;

/* The content id that the image remembers of its parent; 0 if none. */
static uint64_t
parent_id(const RebaseJob *job, VdContext *ctx)
{
    ImageSpec spec =
        image_spec(job->common, job->name, VD_OPEN_NO_PARENT | VD_OPEN_NO_IO);
    VdImageRef ref = image_ref(&spec);
    VdDisk *disk =
        vd_disk_open(ctx, ref.name, ref.format, NULL, ref.flags, NULL);
    g_autoptr(VdInfo) info = disk ? vd_disk_get_info(disk, NULL) : NULL;
    uint64_t id = 0;

    if (info && info->specific)
        (void) g_variant_lookup(info->specific, "parent-cid", "t", &id);
    image_close_quietly(disk);
    return id;
}

static void
rebase_print(const RebaseJob *job, const VdRebaseResult *result)
{
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;
    bool dedup = job->params.flags & VD_REBASE_DEDUP;

    if (job->common->json) {
        json_add_uint(&object, "bytes-written", result->bytes_written);
        json_add_uint(&object, "bytes-zero", result->bytes_zero);
        if (dedup)
            json_add_uint(&object, "bytes-dropped", result->bytes_dropped);
        json_print(g_variant_builder_end(&object), JSON_AS_GIVEN);
    } else if (!job->common->quiet &&
               (job->params.flags & VD_REBASE_UPDATE_ID)) {
        printf("Content id of the parent: %08" PRIx64 " before, %08" PRIx64
               " now.\n",
               job->id_before, job->id_after);
    } else if (!job->common->quiet && dedup) {
        printf("%" PRIu64 " bytes that equal the new parent were dropped.\n",
               result->bytes_dropped);
    }
}

static int
rebase_in(RebaseJob *job, VdContext *ctx)
{
    g_autoptr(GError) error = NULL;
    ImageSpec spec = image_spec(job->common, job->name,
                                opts_sync_cache(job->sync, job->cache));
    VdRebaseResult result = {0};
    Progress *progress;
    bool ok;

    job->id_before = parent_id(job, ctx);
    progress = progress_begin(job->common->progress, REBASE_PROGRESS_STEP);
    job->params.image = image_ref(&spec);
    job->params.progress = progress_update;
    job->params.progress_opaque = progress;
    ok = vd_rebase(ctx, &job->params, &result, &error);
    progress_end(progress, ok);
    if (!ok) {
        out_failure(job->name, error, "%s", error->message);
        image_hint_space_of_disk(ctx, &spec, error);
        return 1;
    }
    job->id_after = parent_id(job, ctx);
    rebase_print(job, &result);
    return 0;
}

static int
rebase_run(RebaseJob *job)
{
    VdContext *ctx = image_context_begin(job->common);
    int status;

    if (!ctx)
        return 1;
    status = rebase_in(job, ctx);
    image_context_end(ctx);
    return status;
}

static bool
rebase_take(RebaseJob *job, int code, const char *arg)
{
    switch (code) {
    case 't':
        return opts_parse_cache("cache", arg, &job->cache);
    case OPT_SYNC:
        return opts_parse_sync_mode(arg, &job->sync);
    case 'T':
        return opts_parse_cache("source cache", arg, &job->params.parent_flags);
    case 'b':
        job->params.parent = arg;
        return true;
    case 'F':
        job->params.parent_format = arg;
        return true;
    case 'u':
        job->params.flags |= VD_REBASE_UNSAFE;
        return true;
    case 'c':
        job->compress = true;
        return true;
    case OPT_UPDATE_CID:
        job->params.flags |= VD_REBASE_UPDATE_ID;
        return true;
    case OPT_RELATIVE:
        job->params.flags |= VD_REBASE_RELATIVE;
        return true;
    case OPT_DEDUP:
        job->params.flags |= VD_REBASE_DEDUP;
        return true;
    default:
        job->params.flags |= VD_REBASE_ABSOLUTE;
        return true;
    }
}

/* Words that do not go together. */
static int
rebase_check(const RebaseJob *job, const OptParser *parser)
{
    unsigned flags = job->params.flags;

    if (opts_n_operands(parser) != 1)
        return opts_fail_try(parser, "Expecting one image file name");
    if (!(flags & VD_REBASE_UNSAFE) && !job->params.parent)
        return opts_fail_try(parser, "Must specify backing file (-b) or use "
                                     "unsafe mode (-u)");
    if ((flags & VD_REBASE_UPDATE_ID) && !(flags & VD_REBASE_UNSAFE))
        return opts_fail(parser, "--update-cid is for unsafe mode (-u)");
    if ((flags & VD_REBASE_RELATIVE) && (flags & VD_REBASE_ABSOLUTE))
        return opts_fail(parser,
                         "--relative and --absolute are mutually exclusive");
    if ((flags & VD_REBASE_DEDUP) && (flags & VD_REBASE_UNSAFE))
        return opts_fail(parser, "--dedup and --unsafe are mutually exclusive");
    if (job->compress)
        return opts_fail(parser,
                         "Compression not supported for this file format");
    if (job->common->image_opts && job->common->format)
        return opts_fail(parser,
                         "--image-opts and --format are mutually exclusive");
    return 0;
}

static int
cmd_rebase_run(const Command *command, int argc, char **argv)
{
    g_autoptr(OptParser) parser = opts_begin(command, argc, argv);
    RebaseJob job = {.common = opts_common(parser)};
    int code, status;

    while ((code = opts_next(parser)) > 0)
        if (!rebase_take(&job, code, opts_arg(parser)))
            return command->usage_status;
    if (code == OPTS_STOP)
        return opts_status(parser);
    status = rebase_check(&job, parser);
    if (status)
        return status;
    job.name = opts_operands(parser)[0];
    return rebase_run(&job);
}

const Command cmd_rebase = {
    .name = "rebase",
    .summary = "give an image another parent",
    .operands = "FILE",
    .example = "-p -b other.vmdk -F vmdk child.vmdk",
    .options = rebase_options,
    .usage_status = 1,
    .run = cmd_rebase_run,
};
