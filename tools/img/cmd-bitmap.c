/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/cmd-bitmap.c - vdisk-img bitmap: persistent dirty bitmaps.
 *
 * Only formats that can store bitmaps have any: of the others none can be
 * added, and none is found.
 *
 * Concurrency: main thread only.
 */
#include <string.h>

#include "tools/images.h"
#include "tools/img/commands.h"
#include "tools/output.h"

#define MIN_GRANULARITY 512

enum {
    OPT_ADD = OPT_PRIVATE,
    OPT_REMOVE,
    OPT_CLEAR,
    OPT_ENABLE,
    OPT_DISABLE,
    OPT_MERGE,
};

static const CmdOption bitmap_options[] = {
    {OPT_ADD, "add", NULL, "a new bitmap, enabled"},
    {OPT_REMOVE, "remove", NULL, "remove it"},
    {OPT_CLEAR, "clear", NULL, "nothing has changed so far"},
    {OPT_ENABLE, "enable", NULL, "note changes from now on"},
    {OPT_DISABLE, "disable", NULL, "do not note them any more"},
    {OPT_MERGE, "merge", "SRC", "what the bitmap SRC knows is changed, too"},
    {'g', "granularity", "SIZE", "with --add: bytes for each bit"},
    {'b', "source-file", "FILE", "with --merge: the image that has SRC"},
    {'F', "source-format", "FMT", "format of the -b image"},
    CMD_ROW_FORMAT,
    CMD_ROW_IMAGE_OPTS,
    CMD_ROWS_COMMON,
};

typedef struct {
    const CommonOptions *common;
    const char *file, *bitmap;
    const char *source, *source_format;
    uint64_t granularity; /* 0 = not said */
    GArray *actions;      /* of int: OPT_ADD ..., in the order given */
} BitmapJob;

static bool
has_action(const BitmapJob *job, int wanted)
{
    for (unsigned i = 0; i < job->actions->len; i++)
        if (g_array_index(job->actions, int, i) == wanted)
            return true;
    return false;
}

/* -- the work -------------------------------------------------------------- */

static char *
add_problem(const BitmapJob *job)
{
    uint64_t g = job->granularity;

    if (!*job->bitmap)
        return g_strdup("Bitmap name cannot be empty");
    if (g && (g < MIN_GRANULARITY || (g & (g - 1))))
        return g_strdup("Granularity must be power of 2 and at least 512");
    return g_strdup_printf(
        "Can't store persistent bitmaps to %s: Operation not supported",
        job->file);
}

static void
action_fail(const BitmapJob *job, int action)
{
    static const char *const names[] = {"add",    "remove",  "clear",
                                        "enable", "disable", "merge"};
    g_autofree char *problem =
        action == OPT_ADD
            ? add_problem(job)
            : g_strdup_printf("Dirty bitmap '%s' not found", job->bitmap);

    out_failure(job->file, NULL, "Operation %s on bitmap %s failed: %s",
                names[action - OPT_ADD], job->bitmap, problem);
}

/* The source of a merge must be one, whatever becomes of the merge. */
static bool
source_check(VdContext *ctx, const BitmapJob *job)
{
    ImageSpec spec = {.name = job->source, .format = job->source_format};
    VdDisk *disk = job->source ? image_open(ctx, &spec) : NULL;

    if (job->source && !disk)
        return false;
    image_close_quietly(disk);
    return true;
}

static int
bitmap_run(const BitmapJob *job)
{
    VdContext *ctx = image_context_new(job->common);

    if (!ctx)
        return 1;
    ImageSpec spec = image_spec(job->common, job->file, VD_OPEN_RDWR);
    VdDisk *disk = image_open(ctx, &spec);
    if (disk && source_check(ctx, job))
        action_fail(job, g_array_index(job->actions, int, 0));
    image_close_quietly(disk); /* nothing was written */
    vd_context_free(ctx);
    return 1;
}

/* -- the command ----------------------------------------------------------- */

static bool
bitmap_take(BitmapJob *job, int code, const char *arg)
{
    if (code >= OPT_ADD && code <= OPT_MERGE)
        g_array_append_val(job->actions, code);
    else if (code == 'g')
        return opts_parse_size("granularity", arg, &job->granularity);
    else if (code == 'b')
        job->source = arg;
    else
        job->source_format = arg;
    return true;
}

static const char *
bitmap_contradiction(const BitmapJob *job)
{
    if (!job->actions->len)
        return "Need at least one of --add, --remove, --clear, --enable, "
               "--disable, or --merge";
    if (job->granularity && !has_action(job, OPT_ADD))
        return "granularity only supported with --add";
    if (job->source_format && !job->source)
        return "-F only supported with -b";
    if (job->source && !has_action(job, OPT_MERGE))
        return "Merge bitmap source file only supported with --merge";
    return NULL;
}

static int
bitmap_parse_and_run(OptParser *parser, BitmapJob *job)
{
    int code;

    while ((code = opts_next(parser)) > 0)
        if (!bitmap_take(job, code, opts_arg(parser)))
            return 1;
    if (code == OPTS_STOP)
        return opts_status(parser);
    const char *wrong = bitmap_contradiction(job);
    if (wrong)
        return opts_fail(parser, "%s", wrong);
    if (opts_n_operands(parser) != 2)
        return opts_fail(parser, "Expecting filename and bitmap name");
    job->file = opts_operands(parser)[0];
    job->bitmap = opts_operands(parser)[1];
    return bitmap_run(job);
}

static int
cmd_bitmap_run(const Command *command, int argc, char **argv)
{
    g_autoptr(OptParser) parser = opts_begin(command, argc, argv);
    g_autoptr(GArray) actions = g_array_new(FALSE, FALSE, sizeof(int));
    BitmapJob job = {.common = opts_common(parser), .actions = actions};

    return bitmap_parse_and_run(parser, &job);
}

const Command cmd_bitmap = {
    .name = "bitmap",
    .summary = "change the persistent dirty bitmaps of an image",
    .operands = "FILE BITMAP",
    .example = "--add disk.img monday",
    .options = bitmap_options,
    .usage_status = 1,
    .run = cmd_bitmap_run,
};
