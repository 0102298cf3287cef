/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/cmd-commit.c - vdisk-img commit: a link's contents into its parent,
 * or into a link further down.
 *
 * Concurrency: main thread only.
 */
#include <inttypes.h>
#include <stdio.h>

#include "tools/img/commands.h"
#include "tools/images.h"
#include "tools/json.h"
#include "tools/output.h"

#define COMMIT_PROGRESS_STEP 1

enum { OPT_VERIFY = OPT_PRIVATE };

static const CmdOption commit_options[] = {
    CMD_ROW_FORMAT,
    CMD_ROW_IMAGE_OPTS,
    {'t', "cache", "CACHE",
     "none, writeback (default), writethrough, directsync, unsafe", true},
    CMD_ROW_SYNC,
    {'b', "base", "BASE",
     "commit into this link of the chain, not the parent; implies -d"},
    {'d', "drop", NULL, "do not empty the image afterwards"},
    {'r', "rate-limit", "RATE", "bytes a second, at most", true},
    {OPT_VERIFY, "verify", NULL,
     "read what was committed back from the base and compare it", true},
    CMD_ROW_PROGRESS,
    CMD_ROW_QUIET,
    CMD_ROWS_COMMON,
};

typedef struct {
    const CommonOptions *common;
    const char *name;
    VdOpenFlags cache;
    SyncMode sync;
    VdCommitParams params;
} CommitJob;

static void
commit_print(const CommitJob *job, const VdCommitResult *result)
{
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;

    if (job->common->json) {
        json_add_uint(&object, "bytes-written", result->bytes_written);
        json_add_uint(&object, "bytes-zero", result->bytes_zero);
        if (job->params.verify)
            json_add_uint(&object, "verified", result->verified);
        json_print(g_variant_builder_end(&object), JSON_AS_GIVEN);
    } else if (!job->common->quiet) {
        if (job->params.verify)
            printf("Base verified: %" PRIu64 " bytes.\n", result->verified);
        puts("Image committed.");
    }
}

/* It is the base that grows: the one that was named, or the parent. */
static void
tell_space(const CommitJob *job, VdContext *ctx, const GError *error)
{
    ImageSpec spec = image_spec(job->common, job->name, 0);

    if (!g_error_matches(error, VD_ERROR, VD_ERROR_NO_SPACE))
        return;
    g_autoptr(GPtrArray) infos = image_chain_infos(ctx, &spec, false);
    const VdInfo *top = infos ? infos->pdata[0] : NULL;
    if (top && job->params.base)
        image_hint_space(error, job->params.base, "the base",
                         top->virtual_size);
    else if (top && top->full_backing_filename)
        image_hint_space(error, top->full_backing_filename, "the base",
                         top->virtual_size);
}

static int
commit_in(CommitJob *job, VdContext *ctx)
{
    g_autoptr(GError) error = NULL;
    ImageSpec spec = image_spec(job->common, job->name,
                                opts_sync_cache(job->sync, job->cache));
    Progress *progress =
        progress_begin(job->common->progress, COMMIT_PROGRESS_STEP);
    VdCommitResult result = {0};
    bool ok;

    if (job->params.verify)
        progress_expect_verify(progress);
    job->params.image = image_ref(&spec);
    job->params.progress = progress_update;
    job->params.progress_opaque = progress;
    ok = vd_commit(ctx, &job->params, &result, &error);
    progress_end(progress, ok);
    if (ok) {
        commit_print(job, &result);
        return 0;
    }
    out_failure(job->name, error, "%s", error->message);
    tell_space(job, ctx, error);
    return 1;
}

static int
commit_run(CommitJob *job)
{
    VdContext *ctx = image_context_begin(job->common);
    int status;

    if (!ctx)
        return 1;
    status = commit_in(job, ctx);
    image_context_end(ctx);
    return status;
}

static bool
commit_take(CommitJob *job, int code, const char *arg)
{
    switch (code) {
    case 't':
        return opts_parse_cache("cache", arg, &job->cache);
    case OPT_SYNC:
        return opts_parse_sync_mode(arg, &job->sync);
    case 'b':
        job->params.base = arg;
        return true;
    case 'r':
        return opts_parse_size("rate limit", arg, &job->params.rate_limit);
    case OPT_VERIFY:
        job->params.verify = true;
        return true;
    default:
        job->params.keep_top = true;
        return true;
    }
}

static int
cmd_commit_run(const Command *command, int argc, char **argv)
{
    g_autoptr(OptParser) parser = opts_begin(command, argc, argv);
    CommitJob job = {.common = opts_common(parser)};
    int code;

    while ((code = opts_next(parser)) > 0)
        if (!commit_take(&job, code, opts_arg(parser)))
            return command->usage_status;
    if (code == OPTS_STOP)
        return opts_status(parser);
    if (opts_n_operands(parser) != 1)
        return opts_fail_try(parser, "Expecting one image file name");
    if (job.common->image_opts && job.common->format)
        return opts_fail(parser,
                         "--image-opts and --format are mutually exclusive");
    job.name = opts_operands(parser)[0];
    return commit_run(&job);
}

const Command cmd_commit = {
    .name = "commit",
    .summary = "merge an image into its parent",
    .operands = "FILE",
    .example = "-p child.vmdk",
    .options = commit_options,
    .usage_status = 1,
    .run = cmd_commit_run,
};
