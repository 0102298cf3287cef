/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/cmd-dd.c - vdisk-img dd: copy a part of an image, told in blocks.
 *
 * A conversion of one source (convert.c), of which blocks say only what is
 * copied, never how much at a time.  As in dd(1), "count" begins where "skip"
 * ends.
 *
 * Concurrency: main thread only.
 */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/formats.h"
#include "tools/human.h"
#include "tools/images.h"
#include "tools/img/commands.h"
#include "tools/img/convert.h"
#include "tools/output.h"

#define DD_BLOCK 512
#define DD_SPARSE 4096

static const CmdOption dd_options[] = {
    CMD_ROW_FORMAT,
    CMD_ROW_IMAGE_OPTS,
    {'O', "output-format", "FMT", "format of the output; default raw"},
    CMD_ROW_FORCE_SHARE,
    CMD_ROW_SYNC,
    CMD_ROWS_COMMON,
};

typedef struct {
    ConvertJob job; /* first: settling gets this and is handed the job */
    const char *source;
    uint64_t block, count, skip, seek; /* blocks, but for the first */
    bool has_count, notrunc, fsync, tell_records, tell_rate;
} DdJob;

/* -- the output ------------------------------------------------------------ */

/* Without notrunc the output begins anew: what lies in front of "seek" would be
 * lost, which dd(1) does not do. */
static bool
dd_settle_target(DdJob *dd)
{
    ConvertJob *job = &dd->job;
    const char *path = image_local_path(job->target);
    bool exists = path && access(path, F_OK) == 0;

    if (dd->notrunc) {
        job->no_create = job->grow = exists || !path;
    } else if (dd->seek && exists) {
        out_failure(job->target, NULL,
                    "'%s' exists, and seek= would lose what it has",
                    job->target);
        out_hint("conv=notrunc writes into it.");
        return false;
    }
    return true;
}

static bool
dd_check_target(const DdJob *dd)
{
    const ConvertJob *job = &dd->job;
    const char *format = job->target_format;

    if (job->no_create)
        return true;
    if (!vd_format_exists(format)) {
        out_failure(job->target, NULL, "Unknown file format");
        return false;
    }
    g_autofree char *problem = format_create_problem(format);
    if (problem) {
        out_failure(job->target, NULL, "%s", problem);
        return false;
    }
    problem = target_name_problem(job);
    if (problem)
        out_failure(job->target, NULL, "%s", problem);
    return !problem;
}

/* -- which part ------------------------------------------------------------ */

/* More than there can be counts as all there can be. */
static uint64_t
dd_bytes(const DdJob *dd, uint64_t blocks)
{
    return blocks > INT64_MAX / dd->block ? INT64_MAX : blocks * dd->block;
}

static bool
dd_too_far(const DdJob *dd)
{
    out_failure(dd->job.target, NULL,
                "%s: error while %s: %" PRIu64 " blocks of %" PRIu64
                " bytes are more than a disk can have",
                dd->job.target, dd->job.doing, dd->seek, dd->block);
    return false;
}

/* No failure: there is a result, and it is empty. */
static void
dd_tell_skip(const DdJob *dd)
{
    static const char text[] = "%s: cannot skip to specified offset";

    if (dd->job.common->json)
        out_warning(text, dd->source);
    else
        out_error(text, dd->source);
}

static bool
dd_settle(ConvertJob *job)
{
    DdJob *dd = (DdJob *) job;
    uint64_t size = vd_disk_size(job->disks[0]);
    uint64_t skip = dd_bytes(dd, dd->skip), seek = dd_bytes(dd, dd->seek);
    uint64_t len = skip < size ? size - skip : 0;

    if (!dd_settle_target(dd) || !dd_check_target(dd))
        return false;
    if (skip > size)
        dd_tell_skip(dd);
    if (dd->has_count)
        len = MIN(len, dd_bytes(dd, dd->count));
    if (seek > INT64_MAX - len)
        return dd_too_far(dd);
    job->nothing = len == 0;
    job->copy.source_offset = job->nothing ? 0 : skip;
    job->copy.target_offset = seek;
    job->copy.length = len;
    job->total = seek + len;
    return true;
}

/* -- the report of dd(1) --------------------------------------------------- */

static void
dd_tell(const DdJob *dd)
{
    uint64_t len = dd->job.copy.length;
    double seconds =
        (double) (g_get_monotonic_time() - dd->job.started_us) / G_USEC_PER_SEC;
    g_autofree char *size = human_size(len);
    g_autofree char *rate =
        human_size((uint64_t) ((double) len / MAX(seconds, 1e-6)));

    if (dd->tell_records)
        for (unsigned i = 0; i < 2; i++)
            fprintf(stderr, "%" PRIu64 "+%u records %s\n", len / dd->block,
                    len % dd->block > 0, i == 0 ? "in" : "out");
    if (dd->tell_rate)
        fprintf(stderr, "%" PRIu64 " bytes (%s) copied, %.6g s, %s/s\n", len,
                size, seconds, rate);
}

static int
dd_run(DdJob *dd)
{
    ConvertJob *job = &dd->job;
    g_autoptr(OptList) list = optlist_new();

    job->doing = "creating output image";
    job->list = list;
    job->sources = (char **) &dd->source;
    job->n_sources = 1;
    job->settle = dd_settle;
    int status = convert_run(job);
    if (status == 0)
        dd_tell(dd);
    return status;
}

/* -- operands --------------------------------------------------------------
 */

static bool
take_conversion(DdJob *dd, const char *word)
{
    if (!strcmp(word, "notrunc"))
        dd->notrunc = true;
    else if (!strcmp(word, "sparse"))
        dd->job.copy.sparse_size = DD_SPARSE;
    else if (!strcmp(word, "fsync"))
        dd->fsync = true;
    else
        return false;
    return true;
}

static bool
take_conv(DdJob *dd, const char *value)
{
    g_auto(GStrv) words = g_strsplit(value, ",", -1);

    for (char **word = words; *word; word++)
        if (!take_conversion(dd, *word)) {
            out_error("invalid conversion: '%s'", *word);
            return false;
        }
    return true;
}

static bool
take_status(DdJob *dd, const char *value)
{
    bool none = !strcmp(value, "none"), records = !strcmp(value, "noxfer");
    bool rate = !strcmp(value, "progress");

    if (!none && !records && !rate) {
        out_error("invalid status level: '%s'", value);
        return false;
    }
    dd->tell_records = records || rate;
    dd->tell_rate = rate;
    dd->job.common->progress = rate ? PROGRESS_BAR : PROGRESS_NONE;
    return true;
}

static bool
take_name(DdJob *dd, const char *value, const char **name)
{
    *name = opts_image_name(dd->job.common, value);
    return *name != NULL;
}

static bool
take_operand(DdJob *dd, const char *key, char *value)
{
    if (!strcmp(key, "if"))
        return take_name(dd, value, &dd->source);
    if (!strcmp(key, "of"))
        return take_name(dd, value, &dd->job.target);
    if (!strcmp(key, "bs"))
        return opts_parse_size_within("bs", value, 1, INT_MAX, &dd->block);
    if (!strcmp(key, "count"))
        return dd->has_count = opts_parse_size("count", value, &dd->count);
    if (!strcmp(key, "skip"))
        return opts_parse_size("skip", value, &dd->skip);
    if (!strcmp(key, "seek"))
        return opts_parse_size("seek", value, &dd->seek);
    if (!strcmp(key, "conv"))
        return take_conv(dd, value);
    if (!strcmp(key, "status"))
        return take_status(dd, value);
    out_error("unrecognized operand %s", key);
    return false;
}

static bool
take_word(DdJob *dd, char *word)
{
    char *equals = strchr(word, '=');

    if (!equals) {
        out_error("unrecognized operand %s", word);
        return false;
    }
    g_autofree char *key = g_strndup(word, (size_t) (equals - word));
    return take_operand(dd, key, equals + 1);
}

/* -- the command ------------------------------------------------------------
 */

static bool
dd_take(DdJob *dd, int code, const char *arg)
{
    if (code == OPT_SYNC)
        return opts_parse_sync(arg, &dd->job.no_sync);
    dd->job.target_format = arg;
    return true;
}

static int
cmd_dd_run(const Command *command, int argc, char **argv)
{
    g_autoptr(OptParser) parser = opts_begin(command, argc, argv);
    DdJob dd = {.job = {.common = opts_common(parser), .target_format = "raw"},
                .block = DD_BLOCK};
    int code;

    while ((code = opts_next(parser)) > 0)
        if (!dd_take(&dd, code, opts_arg(parser)))
            return command->usage_status;
    if (code == OPTS_STOP)
        return opts_status(parser);
    for (int i = 0; i < opts_n_operands(parser); i++)
        if (!take_word(&dd, opts_operands(parser)[i]))
            return command->usage_status;
    if (!dd.source || !dd.job.target)
        return opts_fail(parser, "Must specify both input and output files");
    if (dd.fsync)
        dd.job.no_sync = false;
    return dd_run(&dd);
}

const Command cmd_dd = {
    .name = "dd",
    .summary = "copy a part of an image, told in blocks as with dd(1)",
    .operands = "if=FILE of=FILE [bs=SIZE] [count=N] [skip=N]\n"
                "         [seek=N] [conv=notrunc,sparse,fsync] "
                "[status=none|noxfer|progress]",
    .example = "-O vmdk bs=1M skip=100 count=50 if=disk.raw of=part.vmdk",
    .options = dd_options,
    .usage_status = 1,
    .run = cmd_dd_run,
};
