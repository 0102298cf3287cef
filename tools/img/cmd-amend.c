/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/cmd-amend.c - vdisk-img amend: options of an image that exists.
 *
 * Concurrency: main thread only.
 */
#include <stdio.h>
#include <string.h>

#include "tools/formats.h"
#include "tools/images.h"
#include "tools/img/commands.h"
#include "tools/json.h"
#include "tools/output.h"

/* Most options stand in the file that describes the disk. */
#define AMEND_DESCRIPTION                                                      \
    (VD_OPEN_NO_IO | VD_OPEN_NO_EXTENTS | VD_OPEN_NO_PARENT)
/* This one stands in the extents. */
#define AMEND_OF_EXTENTS "zeroed_grain"
/* This one has to do with all that is below, too. */
#define AMEND_OF_ALL "size"

enum { OPT_FORCE = OPT_PRIVATE };

static const CmdOption amend_options[] = {
    {'o', "options", "OPTS", "KEY=VALUE,... to change; \"help\" lists them"},
    CMD_ROW_FORMAT,
    CMD_ROW_IMAGE_OPTS,
    {'t', "cache", "MODE",
     "none, writeback (default), writethrough, directsync or unsafe", true},
    {OPT_FORCE, "force", NULL, "accepted for compatibility", true},
    CMD_ROW_PROGRESS,
    CMD_ROW_QUIET,
    CMD_ROWS_COMMON,
};

typedef struct {
    const CommonOptions *common;
    const char *file;
    OptList *list;
    bool given; /* -o */
    VdOpenFlags cache;
} AmendJob;

/* -- what can be changed --------------------------------------------------- */

static const VdOptionInfo *
amendable(const char *file, const char *format)
{
    const VdOptionInfo *options = vd_format_amend_options(format);

    if (!options)
        out_failure(file, NULL,
                    "Format driver '%s' does not support option amendment",
                    format);
    return options;
}

static bool
amend_print_help(const char *file, const char *format)
{
    const VdOptionInfo *options = amendable(file, format);

    if (!options)
        return false;
    printf("Amend options for '%s':\n", format);
    format_print_option_rows(options);
    return true;
}

static bool
option_known(const char *key, void *opaque)
{
    for (const VdOptionInfo *o = opaque; o->name; o++)
        if (!strcmp(o->name, key))
            return true;
    return false;
}

static bool
amend_check(const AmendJob *job, const char *format,
            const VdOptionInfo *options)
{
    const char *key =
        optlist_find_unknown(job->list, option_known, (void *) options);
    bool creates =
        key && (!strcmp(key, "size") || format_has_option(format, key));

    if (!key)
        return true;
    if (creates && !strcmp(key, "backing_file")) {
        out_failure(job->file, NULL, "Cannot amend the backing file");
        out_hint("You can use '%s rebase' instead.", out_program());
        return false;
    }
    out_failure(job->file, NULL, "Invalid parameter '%s'", key);
    if (creates)
        out_hint("This option is only supported for image creation");
    return false;
}

/* -- the work -------------------------------------------------------------- */

static void
amend_print_json(const AmendJob *job, const char *format)
{
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;
    g_auto(GVariantBuilder) inner = JSON_BUILDER_INIT;

    for (const VdOptionInfo *o = vd_format_amend_options(format); o->name; o++)
        if (optlist_peek(job->list, o->name))
            json_add_string(&inner, o->name, optlist_peek(job->list, o->name));
    json_add_string(&object, "filename", job->file);
    json_add_string(&object, "format", format);
    json_add(&object, "options", g_variant_builder_end(&inner));
    json_print(g_variant_builder_end(&object), JSON_AS_GIVEN);
}

static bool
amend_disk(const AmendJob *job, VdDisk *disk)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *options = optlist_join(job->list);
    const char *format = vd_disk_format(disk);

    if (optlist_wants_help(job->list))
        return amend_print_help(job->file, format);
    const VdOptionInfo *known = amendable(job->file, format);
    if (!known || !amend_check(job, format, known))
        return false;
    if (!vd_disk_amend(disk, options, &error)) {
        out_failure(job->file, error, "%s", error->message);
        return false;
    }
    if (job->common->json)
        amend_print_json(job, format);
    return true;
}

static unsigned
open_flags(const AmendJob *job)
{
    bool extents = optlist_peek(job->list, AMEND_OF_EXTENTS) != NULL;

    if (optlist_peek(job->list, AMEND_OF_ALL))
        return VD_OPEN_RDWR | VD_OPEN_UNMAP | job->cache;
    return VD_OPEN_RDWR | job->cache |
           (extents ? VD_OPEN_NO_PARENT : AMEND_DESCRIPTION);
}

static int
amend_run(const AmendJob *job)
{
    VdContext *ctx = image_context_new(job->common);
    bool ok = false;

    if (!ctx)
        return 1;
    ImageSpec spec = image_spec(job->common, job->file, open_flags(job));
    VdDisk *disk = image_open(ctx, &spec);
    if (disk) {
        ok = amend_disk(job, disk);
        if (ok)
            ok = image_close(disk, job->file);
        else
            image_close_quietly(disk); /* what failed has been told */
    }
    vd_context_free(ctx);
    return ok ? 0 : 1;
}

/* -- the command ----------------------------------------------------------- */

static bool
amend_take(AmendJob *job, int code, const char *arg)
{
    if (code == 't')
        return opts_parse_cache("cache", arg, &job->cache);
    if (code != 'o')
        return true;
    job->given = true;
    return opts_parse_list(job->list, arg);
}

static int
amend_format_help(const AmendJob *job)
{
    const char *format = job->common->format;

    if (vd_format_exists(format))
        return amend_print_help(NULL, format) ? 0 : 1;
    out_error("Unknown file format '%s'", format);
    return 1;
}

static int
cmd_amend_run(const Command *command, int argc, char **argv)
{
    g_autoptr(OptParser) parser = opts_begin(command, argc, argv);
    g_autoptr(OptList) list = optlist_new();
    AmendJob job = {.common = opts_common(parser), .list = list};
    int code;

    while ((code = opts_next(parser)) > 0)
        if (!amend_take(&job, code, opts_arg(parser)))
            return command->usage_status;
    if (code == OPTS_STOP)
        return opts_status(parser);
    if (!job.given)
        return opts_fail_try(parser, "Must specify options (-o)");
    if (job.common->format && optlist_wants_help(list))
        return amend_format_help(&job);
    if (opts_n_operands(parser) != 1)
        return opts_fail(parser, "Expecting one image file name");
    job.file = opts_operands(parser)[0];
    return amend_run(&job);
}

const Command cmd_amend = {
    .name = "amend",
    .summary = "change options of an image that exists",
    .operands = "-o OPTS FILE",
    .example = "-o adapter_type=lsilogic,hwversion=14 disk.vmdk",
    .options = amend_options,
    .usage_status = 1,
    .run = cmd_amend_run,
};
