/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/cmd-compact.c - vdisk-img compact: make the files of an image
 * small.
 *
 * Concurrency: main thread only.
 */
#include <inttypes.h>
#include <stdio.h>

#include "tools/img/commands.h"
#include "tools/human.h"
#include "tools/images.h"
#include "tools/json.h"
#include "tools/output.h"
#include "tools/requests.h"

#define COMPACT_USAGE 2
#define COMPACT_PROGRESS_STEP 1.0

enum { OPT_DEFRAGMENT = OPT_PRIVATE, OPT_KEEP_ZEROES };

static const CmdOption compact_options[] = {
    CMD_ROW_FORMAT,
    CMD_ROW_IMAGE_OPTS,
    {'t', "cache", "CACHE",
     "none, writeback (default), writethrough, directsync, unsafe", true},
    {OPT_DEFRAGMENT, "defragment", NULL,
     "put the grains into the order of the disk, too"},
    {OPT_KEEP_ZEROES, "keep-zeroes", NULL,
     "with --defragment: do not look for grains that hold only zeroes"},
    CMD_ROW_PROGRESS,
    CMD_ROW_QUIET,
    CMD_ROWS_COMMON,
};

typedef struct {
    const CommonOptions *common;
    const char *name;
    VdOpenFlags cache;
    bool defragment, keep_zeroes;
} CompactJob;

static void
print_sizes(const char *what, uint64_t before, uint64_t after)
{
    g_autofree char *from = human_size(before), *to = human_size(after);

    printf("%s: %s, was %s\n", what, to, from);
}

static void
compact_print_human(const VdCompactResult *r)
{
    puts("Image compacted.");
    print_sizes("file length", r->file_bytes_before, r->file_bytes_after);
    if (r->allocated_before >= 0 && r->allocated_after >= 0)
        print_sizes("disk size", (uint64_t) r->allocated_before,
                    (uint64_t) r->allocated_after);
    printf("clusters of zeroes freed: %" PRIu64 ", clusters moved: %" PRIu64
           "\n",
           r->freed_clusters, r->moved_clusters);
}

static void
compact_print_json(const VdCompactResult *r, const char *name)
{
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;

    json_add_string(&object, "filename", name);
    json_add_uint(&object, "file-length-before", r->file_bytes_before);
    json_add_uint(&object, "file-length", r->file_bytes_after);
    if (r->allocated_before >= 0)
        json_add_uint(&object, "actual-size-before",
                      (uint64_t) r->allocated_before);
    if (r->allocated_after >= 0)
        json_add_uint(&object, "actual-size", (uint64_t) r->allocated_after);
    json_add_uint(&object, "freed-clusters", r->freed_clusters);
    json_add_uint(&object, "moved-clusters", r->moved_clusters);
    json_print(g_variant_builder_end(&object), JSON_AS_GIVEN);
}

static unsigned
what_to_do(const CompactJob *job)
{
    return (job->keep_zeroes ? 0u : VD_COMPACT_SHRINK) |
           (job->defragment ? VD_COMPACT_DEFRAGMENT : 0u);
}

static bool
compact_disk(VdDisk *disk, const CompactJob *job, VdCompactResult *result)
{
    g_autoptr(GError) error = NULL;
    Progress *progress =
        progress_begin(job->common->progress, COMPACT_PROGRESS_STEP);
    VdCompactParams params = {.what = what_to_do(job),
                              .progress = progress_update,
                              .progress_opaque = progress};
    bool ok = vd_disk_compact(disk, &params, result, &error);

    progress_end(progress, ok);
    if (!ok)
        out_failure(job->name, error, "Could not compact '%s': %s", job->name,
                    error->message);
    return ok;
}

/* The parents are not needed: a hole stays a hole. */
static bool
compact_in_context(VdContext *ctx, const CompactJob *job)
{
    ImageSpec spec = image_spec(job->common, job->name,
                                job->cache | VD_OPEN_RDWR | VD_OPEN_UNMAP |
                                    VD_OPEN_NO_PARENT);
    VdDisk *disk = image_open(ctx, &spec);
    VdCompactResult result;

    if (!disk)
        return false;
    bool ok = compact_disk(disk, job, &result);
    if (job->common->stats)
        requests_add_disk(disk, job->name);
    ok = image_close(disk, job->name) && ok;
    if (ok && job->common->json)
        compact_print_json(&result, job->name);
    else if (ok && !job->common->quiet)
        compact_print_human(&result);
    return ok;
}

static int
compact_run(const CompactJob *job)
{
    VdContext *ctx = image_context_begin(job->common);

    if (!ctx)
        return 1;
    bool ok = compact_in_context(ctx, job);
    image_context_end(ctx);
    return ok ? 0 : 1;
}

static int
cmd_compact_run(const Command *command, int argc, char **argv)
{
    g_autoptr(OptParser) parser = opts_begin(command, argc, argv);
    CompactJob job = {.common = opts_common(parser)};
    int code;

    while ((code = opts_next(parser)) > 0) {
        if (code == 't' &&
            !opts_parse_cache("cache", opts_arg(parser), &job.cache))
            return command->usage_status;
        job.defragment |= code == OPT_DEFRAGMENT;
        job.keep_zeroes |= code == OPT_KEEP_ZEROES;
    }
    if (code == OPTS_STOP)
        return opts_status(parser);
    if (opts_n_operands(parser) != 1)
        return opts_fail_try(parser, "Expecting one image file name");
    if (job.keep_zeroes && !job.defragment)
        return opts_fail(parser, "--keep-zeroes goes with --defragment");
    job.name = opts_operands(parser)[0];
    return compact_run(&job);
}

const Command cmd_compact = {
    .name = "compact",
    .summary = "give space that holds nothing back, put grains in order",
    .operands = "FILE",
    .example = "--defragment disk.vmdk",
    .options = compact_options,
    .usage_status = COMPACT_USAGE,
    .run = cmd_compact_run,
};
