/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/cmd-bitmap.c - vdisk-img bitmap: persistent dirty bitmaps.
 *
 * Only qcow2 can store bitmaps: to other formats none can be added, and none is
 * found there.
 *
 * Concurrency: main thread only.
 */
#include <string.h>

#include "tools/images.h"
#include "tools/img/commands.h"
#include "tools/json.h"
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
    int code;           /* OPT_ADD ... */
    const char *source; /* of OPT_MERGE */
} Action;

typedef struct {
    const CommonOptions *common;
    const char *file, *bitmap;
    const char *source, *source_format;
    uint64_t granularity; /* 0 = not said */
    GArray *actions;      /* of Action, in the order given */
} BitmapJob;

static bool
has_action(const BitmapJob *job, int wanted)
{
    for (unsigned i = 0; i < job->actions->len; i++)
        if (g_array_index(job->actions, Action, i).code == wanted)
            return true;
    return false;
}

/* -- the work -------------------------------------------------------------- */

/* Formats that cannot store any have none; that of a new one what is wrong is
 * told first. */
static char *
alien_problem(const BitmapJob *job, int code)
{
    uint64_t g = job->granularity;

    if (code != OPT_ADD)
        return g_strdup_printf("Dirty bitmap '%s' not found", job->bitmap);
    if (!*job->bitmap)
        return g_strdup("Bitmap name cannot be empty");
    if (g && (g < MIN_GRANULARITY || (g & (g - 1))))
        return g_strdup("Granularity must be power of 2 and at least 512");
    return g_strdup_printf(
        "Can't store persistent bitmaps to %s: Operation not supported",
        job->file);
}

static void
action_fail(const BitmapJob *job, VdDisk *disk, const Action *action,
            const GError *error)
{
    static const char *const names[] = {"add",    "remove",  "clear",
                                        "enable", "disable", "merge"};
    g_autoptr(GPtrArray) list = vd_disk_list_bitmaps(disk, NULL);
    g_autofree char *problem =
        list ? g_strdup(error->message) : alien_problem(job, action->code);

    out_failure(job->file, error, "Operation %s on bitmap %s failed: %s",
                names[action->code - OPT_ADD], job->bitmap, problem);
    if (g_error_matches(error, VD_ERROR, VD_ERROR_CORRUPT) &&
        strstr(error->message, "is inconsistent"))
        out_hint("Try block-dirty-bitmap-remove to delete this bitmap from "
                 "disk");
}

static bool
action_run(const BitmapJob *job, VdDisk *disk, VdDisk *source,
           const Action *action, GError **error)
{
    switch (action->code) {
    case OPT_ADD:
        return vd_disk_add_bitmap(disk, job->bitmap, job->granularity, true,
                                  error);
    case OPT_REMOVE:
        return vd_disk_remove_bitmap(disk, job->bitmap, error);
    case OPT_CLEAR:
        return vd_disk_clear_bitmap(disk, job->bitmap, error);
    case OPT_ENABLE:
    case OPT_DISABLE:
        return vd_disk_enable_bitmap(disk, job->bitmap,
                                     action->code == OPT_ENABLE, error);
    default:
        return vd_disk_merge_bitmap(disk, job->bitmap, source, action->source,
                                    error);
    }
}

/* What was done before a failure stays, as with qemu-img. */
static bool
actions_run(const BitmapJob *job, VdDisk *disk, VdDisk *source)
{
    for (unsigned i = 0; i < job->actions->len; i++) {
        const Action *action = &g_array_index(job->actions, Action, i);
        g_autoptr(GError) error = NULL;

        if (!action_run(job, disk, source, action, &error)) {
            action_fail(job, disk, action, error);
            return false;
        }
    }
    return true;
}

static GVariant *
bitmap_to_variant(const VdBitmap *bitmap)
{
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;
    GVariantBuilder flags;

    g_variant_builder_init(&flags, G_VARIANT_TYPE("as"));
    if (bitmap->in_use)
        g_variant_builder_add(&flags, "s", "in-use");
    if (bitmap->enabled)
        g_variant_builder_add(&flags, "s", "auto");
    json_add(&object, "flags", g_variant_builder_end(&flags));
    json_add_string(&object, "name", bitmap->name);
    json_add_uint(&object, "granularity", bitmap->granularity);
    return g_variant_builder_end(&object);
}

/* With --output=json: the bitmaps that there are now. */
static void
bitmap_tell(const BitmapJob *job, VdDisk *disk)
{
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;
    g_autoptr(GPtrArray) list =
        job->common->json ? vd_disk_list_bitmaps(disk, NULL) : NULL;
    GVariantBuilder all;

    if (!list)
        return;
    g_variant_builder_init(&all, G_VARIANT_TYPE("aa{sv}"));
    for (unsigned i = 0; i < list->len; i++)
        g_variant_builder_add_value(&all, bitmap_to_variant(list->pdata[i]));
    json_add_string(&object, "filename", job->file);
    json_add(&object, "bitmaps", g_variant_builder_end(&all));
    json_print(g_variant_builder_end(&object), JSON_AS_GIVEN);
}

/* The source of a merge must be one, whatever becomes of the merge. */
static bool
bitmap_with_source(VdContext *ctx, const BitmapJob *job, VdDisk *disk)
{
    ImageSpec spec = {.name = job->source, .format = job->source_format};
    VdDisk *source = job->source ? image_open(ctx, &spec) : NULL;
    bool ok = (!job->source || source) && actions_run(job, disk, source);

    image_close_quietly(source);
    return ok;
}

static int
bitmap_run(const BitmapJob *job)
{
    VdContext *ctx = image_context_new(job->common);

    if (!ctx)
        return 1;
    ImageSpec spec = image_spec(job->common, job->file, VD_OPEN_RDWR);
    VdDisk *disk = image_open(ctx, &spec);
    bool ok = disk && bitmap_with_source(ctx, job, disk);
    if (ok) {
        bitmap_tell(job, disk);
        ok = image_close(disk, job->file);
    } else
        image_close_quietly(disk); /* the failure has been told */
    vd_context_free(ctx);
    return ok ? 0 : 1;
}

/* -- the command ----------------------------------------------------------- */

static bool
bitmap_take(BitmapJob *job, int code, const char *arg)
{
    Action action = {.code = code, .source = arg};

    if (code >= OPT_ADD && code <= OPT_MERGE)
        g_array_append_val(job->actions, action);
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
    if (job->source &&
        !(job->source = opts_image_name(job->common, job->source)))
        return 1;
    job->file = opts_operands(parser)[0];
    job->bitmap = opts_operands(parser)[1];
    return bitmap_run(job);
}

static int
cmd_bitmap_run(const Command *command, int argc, char **argv)
{
    g_autoptr(OptParser) parser = opts_begin(command, argc, argv);
    g_autoptr(GArray) actions = g_array_new(FALSE, FALSE, sizeof(Action));
    BitmapJob job = {.common = opts_common(parser), .actions = actions};

    return bitmap_parse_and_run(parser, &job);
}

const Command cmd_bitmap = {
    .name = "bitmap",
    .summary = "change the persistent dirty bitmaps of an image",
    .operands = "FILE BITMAP",
    .no_names = 2u,
    .example = "--add disk.img monday",
    .options = bitmap_options,
    .usage_status = 1,
    .run = cmd_bitmap_run,
};
