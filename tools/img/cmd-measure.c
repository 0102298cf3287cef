/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/cmd-measure.c - vdisk-img measure: how large will the target be?
 *
 * Concurrency: main thread only.
 */
#include <inttypes.h>
#include <stdio.h>

#include "tools/img/commands.h"
#include "tools/formats.h"
#include "tools/images.h"
#include "tools/json.h"
#include "tools/output.h"
#include "tools/img/snapshot-words.h"
#include "tools/requests.h"

enum { OPT_SIZE = OPT_PRIVATE, OPT_TARGET, OPT_SAMPLE };

static const CmdOption measure_options[] = {
    {'f', "format", "FMT", "format of the image; default: found by probing"},
    CMD_ROW_IMAGE_OPTS,
    {'O', "target-format", "FMT", "format to measure; default raw"},
    {'o', "options", "OPTS", "options of the target, as for convert"},
    {'l', "snapshot", "SNAPSHOT", "internal snapshot of the image", true},
    {OPT_SIZE, "size", "N", "an empty disk of this size instead of an image"},
    {OPT_SAMPLE, "sample", "PERCENT",
     "estimate a compressed target from so much of the data"},
    {OPT_TARGET, "target", "NAME",
     "name of the target, which is part of some descriptors", true},
    CMD_ROW_FORCE_SHARE,
    CMD_ROWS_COMMON,
};

typedef struct {
    const CommonOptions *common;
    VdMeasureParams params;
    OptList *list;
    const char *name, *snapshot;
    bool size_given;
} MeasureJob;

static void
measure_print(const MeasureJob *job, const VdMeasureResult *result)
{
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;

    if (!job->common->json) {
        printf("required size: %" PRIu64 "\nfully allocated size: %" PRIu64
               "\n",
               result->required, result->fully_allocated);
        if (result->bitmaps != UINT64_MAX)
            printf("bitmaps size: %" PRIu64 "\n", result->bitmaps);
        if (job->params.sample)
            printf("estimated size: %" PRIu64 "\n", result->estimated);
        return;
    }
    if (result->bitmaps != UINT64_MAX)
        json_add_uint(&object, "bitmaps", result->bitmaps);
    json_add_uint(&object, "required", result->required);
    json_add_uint(&object, "fully-allocated", result->fully_allocated);
    if (job->params.sample)
        json_add_uint(&object, "estimated", result->estimated);
    json_print(g_variant_builder_end(&object), JSON_RANKED);
}

static bool
measure_disk(VdContext *ctx, VdDisk *disk, const MeasureJob *job)
{
    g_autoptr(GError) error = NULL;
    VdMeasureResult result;

    if (!vd_measure(ctx, disk, &job->params, &result, &error)) {
        out_failure(job->name, error, "%s", error->message);
        return false;
    }
    measure_print(job, &result);
    return true;
}

static bool
measure_in_context(VdContext *ctx, const MeasureJob *job)
{
    if (!job->name)
        return measure_disk(ctx, NULL, job);
    ImageSpec spec = image_spec(job->common, job->name, 0);
    VdDisk *disk = image_open(ctx, &spec);
    if (!disk)
        return false;
    bool ok = snapshot_load(ctx, &spec, job->snapshot, &disk) &&
              measure_disk(ctx, disk, job);
    if (disk && job->common->stats)
        requests_add_disk(disk, job->name);
    image_close_quietly(disk);
    return ok;
}

static int
measure_run(MeasureJob *job)
{
    VdContext *ctx = image_context_begin(job->common);

    if (!ctx)
        return 1;
    bool ok = measure_in_context(ctx, job);
    image_context_end(ctx);
    return ok ? 0 : 1;
}

/* NULL if the words go together. */
static const char *
measure_contradiction(const MeasureJob *job, int n_operands)
{
    if (n_operands > 1)
        return "At most one filename argument is allowed.";
    if (n_operands == 0 &&
        (job->common->image_opts || job->common->format || job->snapshot))
        return "--image-opts, -f, and -l require a filename argument.";
    if (n_operands == 0 && !job->size_given)
        return "Either --size N or one filename must be specified.";
    if (n_operands == 1 && job->size_given)
        return "--size N cannot be used together with a filename.";
    return NULL;
}

static int
measure_words(OptParser *parser, MeasureJob *job)
{
    int n = opts_n_operands(parser);
    const char *wrong = measure_contradiction(job, n);
    g_autofree char *problem = NULL, *options = NULL;

    if (wrong)
        return opts_fail(parser, "%s", wrong);
    if (optlist_wants_help(job->list))
        return format_print_options(job->params.format, n > 0);
    if (!snapshot_words_check(job->snapshot))
        return 1;
    problem = format_create_problem(job->params.format);
    if (problem)
        return opts_fail(parser, "%s", problem);
    problem = format_options_problem(job->params.format, job->list);
    if (problem) {
        out_error("%s", problem);
        return opts_fail(parser, "Invalid options for file format '%s'",
                         job->params.format);
    }
    format_add_defaults(job->params.format, job->list);
    options = optlist_join(job->list);
    job->params.options = options;
    job->name = n == 1 ? opts_operands(parser)[0] : NULL;
    return measure_run(job);
}

static bool
measure_option(MeasureJob *job, int code, const char *arg)
{
    switch (code) {
    case 'O':
        job->params.format = arg;
        return true;
    case 'o':
        return opts_parse_list(job->list, arg);
    case 'l':
        job->snapshot = arg;
        return true;
    case OPT_SIZE:
        job->size_given = true;
        return opts_parse_size("image size", arg, &job->params.size);
    case OPT_SAMPLE:
        if (opts_parse_number(arg, 1, 100, &job->params.sample))
            return true;
        out_error(
            "Invalid sample specified. Must be between 1 and 100 percent.");
        return false;
    default:
        job->params.filename = arg;
        return true;
    }
}

static int
cmd_measure_run(const Command *command, int argc, char **argv)
{
    g_autoptr(OptParser) parser = opts_begin(command, argc, argv);
    g_autoptr(OptList) list = optlist_new();
    MeasureJob job = {.common = opts_common(parser),
                      .params = {.format = "raw"},
                      .list = list};
    int code;

    while ((code = opts_next(parser)) > 0)
        if (!measure_option(&job, code, opts_arg(parser)))
            return command->usage_status;
    if (code == OPTS_STOP)
        return opts_status(parser);
    return measure_words(parser, &job);
}

const Command cmd_measure = {
    .name = "measure",
    .summary = "tell how large a copy would be",
    .operands = "(--size N | FILE)",
    .example = "-O vmdk -o subformat=streamOptimized disk.raw",
    .options = measure_options,
    .usage_status = 1,
    .run = cmd_measure_run,
};
