/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/compare/cmd-compare.c - vdisk-img compare: do two images hold the
 * same?
 *
 * Exit codes: 0 the same, 1 different, 2 cannot be opened, wrong usage, or the
 * result cannot be written, 3 the map of one cannot be read, 4 neither can its
 * data.
 *
 * Concurrency: main thread only.
 */
#include "tools/img/commands.h"
#include "tools/img/compare/compare.h"
#include "tools/images.h"
#include "tools/output.h"
#include "tools/requests.h"
#include "tools/signals.h"

enum { OPT_ALL = OPT_PRIVATE, OPT_HASH };

static const CmdOption compare_options[] = {
    {'f', "a-format", "FMT", "format of FILE1; default: found by probing"},
    {'F', "b-format", "FMT", "format of FILE2; default: found by probing"},
    CMD_ROW_IMAGE_OPTS,
    CMD_ROW_SOURCE_CACHE,
    {'s', "strict", NULL, "sizes and allocation must be equal too"},
    {OPT_ALL, "all", NULL, "list all ranges that differ, not only the first"},
    {OPT_HASH, "hash", NULL, "print a hash of FILE1 (and FILE2) instead"},
    CMD_ROW_PROGRESS,
    CMD_ROW_QUIET,
    CMD_ROW_FORCE_SHARE,
    CMD_ROWS_COMMON,
};

static bool
compare_open(CompareJob *job, VdContext *ctx)
{
    for (int i = 0; i < job->n_images; i++) {
        ImageSpec spec = image_spec(job->common, job->names[i], job->cache);

        if (i > 0)
            spec.format = job->second_format;
        job->disks[i] = image_open(ctx, &spec);
        if (!job->disks[i])
            return false;
    }
    return true;
}

static int
compare_run(CompareJob *job)
{
    VdContext *ctx = image_context_new(job->common);
    int status = COMPARE_CANNOT_OPEN;

    if (!ctx)
        return status;
    if (job->all || job->hash)
        out_leave_stdout(); /* to ranges and hashes */
    signals_watch(ctx);
    if (compare_open(job, ctx))
        status = job->hash ? compare_hashes(job) : compare_contents(job);
    for (int i = 0; i < job->n_images; i++) {
        if (job->disks[i] && job->common->stats)
            requests_add_disk(job->disks[i], job->names[i]);
        image_close_quietly(job->disks[i]);
    }
    signals_watch(NULL);
    vd_context_free(ctx);
    return status;
}

static bool
compare_take(CompareJob *job, int code, const char *arg)
{
    switch (code) {
    case 'F':
        job->second_format = arg;
        return true;
    case 'T':
        return opts_parse_cache("source cache", arg, &job->cache);
    case OPT_ALL:
        job->all = true;
        return true;
    case OPT_HASH:
        job->hash = true;
        return true;
    default:
        job->strict = true;
        return true;
    }
}

static int
compare_words(OptParser *parser, CompareJob *job)
{
    int n = opts_n_operands(parser);

    if (job->all && job->hash)
        return opts_fail(parser, "--all and --hash are mutually exclusive");
    if (job->hash && n == 1 && job->second_format)
        return opts_fail(parser, "-F requires a second image");
    if (job->hash && (n < 1 || n > 2))
        return opts_fail_try(parser, "Expecting one or two image file names");
    if (!job->hash && n != 2)
        return opts_fail_try(parser, "Expecting two image file names");
    job->n_images = n;
    for (int i = 0; i < n; i++)
        job->names[i] = opts_operands(parser)[i];
    return compare_run(job);
}

static int
cmd_compare_run(const Command *command, int argc, char **argv)
{
    g_autoptr(OptParser) parser = opts_begin(command, argc, argv);
    CompareJob job = {.common = opts_common(parser)};
    int code;

    while ((code = opts_next(parser)) > 0)
        if (!compare_take(&job, code, opts_arg(parser)))
            return command->usage_status;
    if (code == OPTS_STOP)
        return opts_status(parser);
    return compare_words(parser, &job);
}

const Command cmd_compare = {
    .name = "compare",
    .summary = "compare the contents of two images",
    .operands = "FILE1 FILE2",
    .example = "-p disk.raw disk.vmdk",
    .options = compare_options,
    .usage_status = COMPARE_CANNOT_OPEN,
    .unwritten_status = COMPARE_CANNOT_OPEN, /* 1 would be "different" */
    .run = cmd_compare_run,
};
