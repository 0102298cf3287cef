/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/cmd-clone.c - vdisk-img clone: a copy that is like its source.
 *
 * Concurrency: main thread only.
 */
#include <stdio.h>

#include "tools/img/commands.h"
#include "tools/formats.h"
#include "tools/images.h"
#include "tools/json.h"
#include "tools/output.h"

#define CLONE_USAGE 2
#define CLONE_PROGRESS_STEP 1

enum { OPT_OVERWRITE = OPT_PRIVATE };

static const CmdOption clone_options[] = {
    CMD_ROW_FORMAT,
    {'O', "target-format", "FMT", "format of the clone; default vmdk"},
    {'o', "options", "OPTS", "options of the clone: subformat=... and others"},
    {OPT_OVERWRITE, "overwrite", NULL, "replace an existing target"},
    CMD_ROW_PROGRESS,
    CMD_ROW_QUIET,
    CMD_ROW_FORCE_SHARE,
    CMD_ROWS_COMMON,
};

typedef struct {
    const CommonOptions *common;
    const char *source, *target, *format;
    OptList *list;
    bool overwrite;
} CloneJob;

static void
clone_print_json(const CloneJob *job, const VdCopyResult *result)
{
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;

    json_add_string(&object, "source", job->source);
    json_add_string(&object, "target", job->target);
    json_add_uint(&object, "bytes-read", result->bytes_read);
    json_add_uint(&object, "bytes-written", result->bytes_written);
    json_add_uint(&object, "bytes-zero", result->bytes_zero);
    json_add(&object, "warnings", json_strings(out_warnings(), -1));
    json_print(g_variant_builder_end(&object), JSON_AS_GIVEN);
}

static void
tell_space(VdContext *ctx, const CloneJob *job, const GError *error)
{
    ImageSpec spec = image_spec(job->common, job->source, 0);

    if (!g_error_matches(error, VD_ERROR, VD_ERROR_NO_SPACE))
        return;
    g_autoptr(GPtrArray) infos = image_chain_infos(ctx, &spec, false);
    const VdInfo *info = infos ? infos->pdata[0] : NULL;
    image_hint_space(error, job->target, "the copy",
                     info ? info->virtual_size : 0);
}

static bool
clone_in_context(VdContext *ctx, const CloneJob *job)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *options = optlist_join(job->list);
    VdCopyResult result = {0};
    Progress *progress =
        progress_begin(job->common->progress, CLONE_PROGRESS_STEP);
    VdCloneParams params = {
        .source_format = job->common->format,
        .source_flags = job->common->force_share ? VD_OPEN_FORCE_SHARE : 0,
        .format = job->format,
        .options = options,
        .overwrite = job->overwrite,
        .progress = progress_update,
        .progress_opaque = progress,
    };
    bool ok = vd_clone(ctx, job->source, job->target, &params, &result, &error);

    progress_end(progress, ok);
    if (!ok) {
        out_failure(job->target, error, "Could not clone '%s' to '%s': %s",
                    job->source, job->target, error->message);
        tell_space(ctx, job, error);
    } else if (job->common->json)
        clone_print_json(job, &result);
    return ok;
}

static int
clone_run(const CloneJob *job)
{
    VdContext *ctx = image_context_begin(job->common);

    if (!ctx)
        return 1;
    bool ok = clone_in_context(ctx, job);
    image_context_end(ctx);
    return ok ? 0 : 1;
}

static int
clone_words(OptParser *parser, CloneJob *job)
{
    g_autofree char *problem = NULL;

    if (optlist_wants_help(job->list))
        return format_print_options(job->format, opts_n_operands(parser) > 0);
    if (opts_n_operands(parser) != 2)
        return opts_fail_try(parser, "Expecting two image file names");
    problem = format_create_problem(job->format);
    if (!problem)
        problem = format_options_problem(job->format, job->list);
    if (problem)
        return opts_fail(parser, "%s", problem);
    format_add_defaults(job->format, job->list);
    job->source = opts_operands(parser)[0];
    job->target = opts_operands(parser)[1];
    return clone_run(job);
}

static int
cmd_clone_run(const Command *command, int argc, char **argv)
{
    g_autoptr(OptParser) parser = opts_begin(command, argc, argv);
    g_autoptr(OptList) list = optlist_new();
    CloneJob job = {
        .common = opts_common(parser), .format = "vmdk", .list = list};
    int code;

    while ((code = opts_next(parser)) > 0) {
        if (code == 'O')
            job.format = opts_arg(parser);
        else if (code == OPT_OVERWRITE)
            job.overwrite = true;
        else if (!opts_parse_list(list, opts_arg(parser)))
            return command->usage_status;
    }
    if (code == OPTS_STOP)
        return opts_status(parser);
    return clone_words(parser, &job);
}

const Command cmd_clone = {
    .name = "clone",
    .summary = "copy a disk with its metadata, all links in one",
    .operands = "SOURCE TARGET",
    .example = "child.vmdk copy.vmdk",
    .options = clone_options,
    .usage_status = CLONE_USAGE,
    .run = cmd_clone_run,
};
