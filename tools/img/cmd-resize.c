/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/cmd-resize.c - vdisk-img resize: a longer or shorter disk.
 *
 * The size is always the last word, since "-SIZE" looks like an option.
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
#include "tools/requests.h"

enum {
    OPT_PREALLOCATION = OPT_PRIVATE,
    OPT_SHRINK,
    OPT_DISCARD_TAIL,
    OPT_KEEP_GEOMETRY
};

static const CmdOption resize_options[] = {
    CMD_ROW_FORMAT,
    CMD_ROW_IMAGE_OPTS,
    {'t', "cache", "CACHE",
     "none, writeback (default), writethrough, directsync, unsafe", true},
    CMD_ROW_SYNC,
    {OPT_PREALLOCATION, "preallocation", "off|metadata|falloc|full",
     "of what is added; default off"},
    {OPT_SHRINK, "shrink", NULL, "a smaller size is what is meant"},
    {OPT_DISCARD_TAIL, "discard-tail", NULL,
     "with --shrink: cut off even what is allocated"},
    {OPT_KEEP_GEOMETRY, "keep-geometry", NULL,
     "leave the cylinders that the image tells of as they are"},
    CMD_ROW_PROGRESS,
    CMD_ROW_QUIET,
    CMD_ROWS_COMMON,
};

typedef struct {
    const CommonOptions *common;
    const char *name;
    char sign; /* of a size that counts from what there is; 0: the size */
    uint64_t value;
    VdOpenFlags cache;
    SyncMode sync;
    VdResizeParams params;
} Resize;

/* -- the size
 * ---------------------------------------------------------------------- */

/* qemu-img 7.2 has a text of its own for sizes that are none. */
static bool
size_parse(const char *text, uint64_t *size)
{
    g_autoptr(GError) error = NULL;

    if (!out_is_old() || vd_parse_size(text, size, &error) ||
        g_error_matches(error, VD_ERROR, VD_ERROR_OUT_OF_RANGE))
        return opts_parse_size("image size", text, size);
    out_error("Parameter 'size' expects a non-negative number below 2^64");
    out_hint("Optional suffix k, M, G, T, P or E means kilo-, mega-, giga-, "
             "tera-, peta-");
    out_hint("and exabytes, respectively.");
    return false;
}

/* "+SIZE" and "-SIZE" count from what there is. */
static bool
resize_take_size(Resize *r, const char *word)
{
    r->sign = *word == '+' || *word == '-' ? *word : 0;
    return size_parse(word + (r->sign != 0), &r->value);
}

static bool
resize_target(const Resize *r, uint64_t now, uint64_t *size)
{
    if (r->sign == '-')
        *size = r->value < now ? now - r->value : 0;
    else if (r->sign == '+')
        *size = now + MIN(r->value, (uint64_t) INT64_MAX - now);
    else
        *size = r->value;
    if (*size)
        return true;
    out_failure(r->name, NULL, "New image size must be positive");
    return false;
}

static bool
resize_check(const Resize *r, uint64_t now, uint64_t size)
{
    if (size <= now && r->params.prealloc != VD_PREALLOC_OFF) {
        out_failure(r->name, NULL,
                    "Preallocation can only be used for growing images");
        return false;
    }
    if (size >= now || r->params.shrink)
        return true;
    out_failure(r->name, NULL,
                "Use the --shrink option to perform a shrink operation.");
    out_warning("Shrinking an image will delete all data beyond the shrunken "
                "image's end. Before performing such an operation, make sure "
                "there is no important data there.");
    return false;
}

/* -- the work
 * ---------------------------------------------------------------------- */

typedef struct {
    uint64_t before, after;
    const char *format; /* constant */
} ResizeResult;

static void
resize_report(const Resize *r, const ResizeResult *result)
{
    if (r->common->json) {
        g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;

        json_add_string(&object, "filename", r->name);
        json_add_string(&object, "format", result->format);
        json_add_uint(&object, "previous-size", result->before);
        json_add_uint(&object, "virtual-size", result->after);
        json_print(g_variant_builder_end(&object), JSON_AS_GIVEN);
    } else if (!r->common->quiet) {
        puts("Image resized.");
    }
}

static bool
resize_run(const Resize *r, VdDisk *disk, uint64_t size)
{
    g_autoptr(GError) error = NULL;
    VdResizeParams params = r->params;
    Progress *progress = progress_begin(r->common->progress, 1);
    bool ok;

    params.progress = progress_update;
    params.progress_opaque = progress;
    ok = vd_disk_resize(disk, size, &params, &error);
    progress_end(progress, ok);
    if (!ok) {
        out_failure(r->name, error, "%s", error->message);
        image_hint_space(error, r->name, "the image", size);
    }
    return ok;
}

static bool
resize_disk(const Resize *r, VdDisk *disk, ResizeResult *result)
{
    uint64_t size = 0;

    result->before = vd_disk_size(disk);
    result->format = vd_disk_format(disk);
    if (!resize_target(r, result->before, &size) ||
        !resize_check(r, result->before, size) || !resize_run(r, disk, size))
        return false;
    result->after = vd_disk_size(disk);
    return true;
}

static bool
resize_in_context(const Resize *r, VdContext *ctx)
{
    ImageSpec spec = image_spec(r->common, r->name,
                                VD_OPEN_RDWR | VD_OPEN_UNMAP |
                                    opts_sync_cache(r->sync, r->cache));
    VdDisk *disk = image_open(ctx, &spec);
    ResizeResult result = {0};

    if (!disk)
        return false;
    bool ok = resize_disk(r, disk, &result);
    if (r->common->stats)
        requests_add_disk(disk, r->name);
    ok = image_close(disk, r->name) && ok;
    if (ok)
        resize_report(r, &result);
    return ok;
}

static int
resize_open_and_run(const Resize *r)
{
    VdContext *ctx = image_context_begin(r->common);

    if (!ctx)
        return 1;
    bool ok = resize_in_context(r, ctx);
    image_context_end(ctx);
    return ok ? 0 : 1;
}

/* -- the command
 * ------------------------------------------------------------------- */

static bool
parse_preallocation(const char *text, VdPrealloc *prealloc)
{
    static const char *const modes[] = {"off", "metadata", "falloc", "full"};

    for (unsigned i = 0; i < G_N_ELEMENTS(modes); i++)
        if (!strcmp(text, modes[i])) {
            *prealloc = (VdPrealloc) i;
            return true;
        }
    out_error("Invalid preallocation mode '%s'", text);
    return false;
}

/* True if @code was an option of ours and a good one. */
static bool
resize_take(Resize *r, int code, const char *arg)
{
    switch (code) {
    case 't':
        return opts_parse_cache("cache", arg, &r->cache);
    case OPT_SYNC:
        return opts_parse_sync_mode(arg, &r->sync);
    case OPT_PREALLOCATION:
        return parse_preallocation(arg, &r->params.prealloc);
    case OPT_SHRINK:
        r->params.shrink = true;
        return true;
    case OPT_DISCARD_TAIL:
        r->params.discard_tail = true;
        return true;
    case OPT_KEEP_GEOMETRY:
        r->params.update_geometry = false;
        return true;
    default:
        g_assert_not_reached();
    }
}

/* A last word like "-h" asks for something else than less. */
static bool
is_size_word(const char *word)
{
    return word[0] != '-' || word[1] == '\0' || g_ascii_isdigit(word[1]);
}

static bool
asks_for_help(const char *word)
{
    return !strcmp(word, "-h") || g_str_has_prefix(word, "--help");
}

static int
resize_words(const OptParser *parser, const char *size, Resize *r)
{
    if (!size || opts_n_operands(parser) != 1)
        return opts_fail_try(parser, "Expecting image file name and size");
    r->name = opts_operands(parser)[0];
    return resize_take_size(r, size) ? resize_open_and_run(r) : 1;
}

static int
cmd_resize_run(const Command *command, int argc, char **argv)
{
    bool has_size = argc > 2 && is_size_word(argv[argc - 1]);
    g_autoptr(OptParser) parser =
        opts_begin(command, has_size ? argc - 1 : argc, argv);
    Resize r = {.params = {.update_geometry = true}};
    int code;

    if (argc < 2 || (argc == 2 && !asks_for_help(argv[1])))
        return opts_fail_try(parser, "Not enough arguments");
    while ((code = opts_next(parser)) > 0)
        if (!resize_take(&r, code, opts_arg(parser)))
            return command->usage_status;
    if (code == OPTS_STOP)
        return opts_status(parser);
    r.common = opts_common(parser);
    return resize_words(parser, has_size ? argv[argc - 1] : NULL, &r);
}

const Command cmd_resize = {
    .name = "resize",
    .summary = "make a disk longer or shorter",
    .operands = "FILE [+|-]SIZE",
    .example = "disk.vmdk +10G",
    .options = resize_options,
    .usage_status = 1,
    .run = cmd_resize_run,
};
