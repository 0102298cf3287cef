/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/cmd-compare.c - vdisk-img compare: do two images hold the same?
 *
 * Exit codes: 0 the same, 1 different, 2 cannot be opened or wrong usage, 3
 * the map of one cannot be read, 4 neither can its data.
 *
 * Concurrency: main thread only.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/img/commands.h"
#include "tools/images.h"
#include "tools/json.h"
#include "tools/output.h"
#include "tools/signals.h"

#define COMPARE_PROGRESS_STEP 2
#define SECTOR_MASK ((uint64_t) 511)
/* In a document, where what comes first is known last. */
#define MAX_RANGES (1u << 20)

enum {
    COMPARE_SAME = 0,
    COMPARE_DIFFERENT = 1,
    COMPARE_CANNOT_OPEN = 2,
    COMPARE_MAP_ERROR = 3,
    COMPARE_READ_ERROR = 4,
};

enum { OPT_ALL = OPT_PRIVATE };

static const CmdOption compare_options[] = {
    {'f', "a-format", "FMT", "format of FILE1; default: found by probing"},
    {'F', "b-format", "FMT", "format of FILE2; default: found by probing"},
    CMD_ROW_IMAGE_OPTS,
    CMD_ROW_SOURCE_CACHE,
    {'s', "strict", NULL, "sizes and allocation must be equal too"},
    {OPT_ALL, "all", NULL, "list all ranges that differ, not only the first"},
    CMD_ROW_PROGRESS,
    CMD_ROW_QUIET,
    CMD_ROW_FORCE_SHARE,
    CMD_ROWS_COMMON,
};

typedef struct {
    const CommonOptions *common;
    const char *names[2];
    const char *second_format;
    VdOpenFlags cache;
    bool strict, all;
    VdDisk *disks[2];
    bool verdict_given;
    GArray *differences; /* of VdDifference, for JSON */
    uint64_t left_out;   /* there was no room for them */
} CompareJob;

/* -- results -----------------------------------------------------------------
 */

/* An object of its own would be large: there may be a million of them. */
static void
compare_print_ranges(const CompareJob *job)
{
    const char *comma = "";

    fputs(",\n    \"differences\": [", stdout);
    for (guint i = 0; i < job->differences->len; i++) {
        const VdDifference *it =
            &g_array_index(job->differences, VdDifference, i);

        printf("%s\n        {\n            \"start\": %" PRIu64
               ",\n            \"length\": %" PRIu64,
               comma, it->off, it->len);
        if (job->strict)
            printf(",\n            \"status\": %s",
                   it->status ? "true" : "false");
        fputs("\n        }", stdout);
        comma = ",";
    }
    puts("\n    ]\n}");
}

static void
compare_print_json(const CompareJob *job, const VdCompareResult *result)
{
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;
    g_autofree char *text = NULL;

    json_add_bool(&object, "identical", result->identical);
    json_add_uint(&object, "size1", vd_disk_size(job->disks[0]));
    json_add_uint(&object, "size2", vd_disk_size(job->disks[1]));
    if (result->first_difference != UINT64_MAX)
        json_add_uint(&object, "first-difference", result->first_difference);
    json_add_uint(&object, "bytes-compared", result->bytes_compared);
    if (job->left_out > 0)
        json_add_uint(&object, "differences-left-out", job->left_out);
    text = json_to_text(g_variant_builder_end(&object), JSON_AS_GIVEN);
    if (job->all) {
        *strrchr(text, '\n') = '\0'; /* what follows the last brace, */
        *strrchr(text, '\n') = '\0'; /* and that one */
    }
    fputs(text, stdout);
    if (job->all)
        compare_print_ranges(job);
}

static void
compare_print_human(const CompareJob *job, const VdCompareResult *result)
{
    uint64_t shorter =
        MIN(vd_disk_size(job->disks[0]), vd_disk_size(job->disks[1]));
    /* qemu-img compares in sectors, and scripts know its offsets. */
    uint64_t sector = result->first_difference & ~SECTOR_MASK;

    if (job->verdict_given)
        return;
    if (job->strict && result->sizes_differ) {
        puts("Strict mode: Image size mismatch!");
        return;
    }
    if (result->sizes_differ && result->first_difference >= shorter)
        puts("Warning: Image size mismatch!");
    if (result->identical)
        puts("Images are identical.");
    else if (result->status_differs)
        printf("Strict mode: Offset %" PRIu64 " block status mismatch!\n",
               result->first_difference);
    else
        printf("Content mismatch at offset %" PRIu64 "!\n", sector);
}

/* Of all ranges, the first gives the verdict. */
static void
compare_print_range(CompareJob *job, const VdDifference *it)
{
    VdCompareResult so_far = {
        .sizes_differ =
            vd_disk_size(job->disks[0]) != vd_disk_size(job->disks[1]),
        .first_difference = it->first,
        .status_differs = it->status,
    };

    compare_print_human(job, &so_far);
    job->verdict_given = true;
    printf("Offset %" PRIu64 ", length %" PRIu64 ": %s\n", it->off, it->len,
           it->status ? "block status differs" : "contents differ");
}

/* VdDifferenceFunc */
static void
compare_take_range(const VdDifference *difference, void *opaque)
{
    CompareJob *job = opaque;

    if (!job->common->json) {
        if (!job->common->quiet)
            compare_print_range(job, difference);
    } else if (job->differences->len < MAX_RANGES)
        g_array_append_vals(job->differences, difference, 1);
    else
        job->left_out++;
}

static int
compare_fail(const CompareJob *job, const VdCompareResult *result,
             const GError *error)
{
    const char *file = NULL;

    if (result->failed_side == 1 || result->failed_side == 2)
        file = job->names[result->failed_side - 1];
    if (file)
        out_failure(file, error, "'%s': %s", file, error->message);
    else
        out_failure(NULL, error, "%s", error->message);
    return result->failed_map ? COMPARE_MAP_ERROR : COMPARE_READ_ERROR;
}

static int
compare_disks(CompareJob *job)
{
    g_autoptr(GError) error = NULL;
    VdCompareResult result = {0};
    Progress *progress =
        progress_begin(job->common->progress, COMPARE_PROGRESS_STEP);
    VdCompareParams params = {
        .strict = job->strict,
        .difference = job->all ? compare_take_range : NULL,
        .difference_opaque = job,
        .progress = progress_update,
        .progress_opaque = progress,
    };
    bool ok =
        vd_compare(job->disks[0], job->disks[1], &params, &result, &error);

    if (ok && result.identical)
        progress_done(progress);
    /* The line of progress ends behind the verdict, as qemu-img's does. */
    if (ok && !job->common->json && !job->common->quiet)
        compare_print_human(job, &result);
    progress_end(progress, false);
    if (!ok)
        return compare_fail(job, &result, error);
    if (job->common->json)
        compare_print_json(job, &result);
    return result.identical ? COMPARE_SAME : COMPARE_DIFFERENT;
}

static bool
compare_open(CompareJob *job, VdContext *ctx)
{
    ImageSpec first = image_spec(job->common, job->names[0], job->cache);
    ImageSpec second = image_spec(job->common, job->names[1], job->cache);

    second.format = job->second_format;
    job->disks[0] = image_open(ctx, &first);
    if (!job->disks[0])
        return false;
    job->disks[1] = image_open(ctx, &second);
    return job->disks[1] != NULL;
}

static int
compare_run(CompareJob *job)
{
    VdContext *ctx = image_context_new(job->common);
    int status = COMPARE_CANNOT_OPEN;

    if (!ctx)
        return status;
    if (job->all) {
        out_leave_stdout(); /* to the ranges */
        job->differences = g_array_new(FALSE, FALSE, sizeof(VdDifference));
    }
    signals_watch(ctx);
    if (compare_open(job, ctx))
        status = compare_disks(job);
    for (int i = 0; i < 2; i++) {
        if (job->disks[i] && job->common->stats)
            image_print_stats(job->disks[i], job->names[i]);
        image_close_quietly(job->disks[i]);
    }
    signals_watch(NULL);
    vd_context_free(ctx);
    g_clear_pointer(&job->differences, g_array_unref);
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
    default:
        job->strict = true;
        return true;
    }
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
    if (opts_n_operands(parser) != 2)
        return opts_fail_try(parser, "Expecting two image file names");
    job.names[0] = opts_operands(parser)[0];
    job.names[1] = opts_operands(parser)[1];
    return compare_run(&job);
}

const Command cmd_compare = {
    .name = "compare",
    .summary = "compare the contents of two images",
    .operands = "FILE1 FILE2",
    .example = "-p disk.raw disk.vmdk",
    .options = compare_options,
    .usage_status = COMPARE_CANNOT_OPEN,
    .run = cmd_compare_run,
};
