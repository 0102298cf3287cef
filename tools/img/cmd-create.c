/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/cmd-create.c - vdisk-img create: a new, empty image.
 *
 * What can be known to be wrong is found before "Formatting ..." is printed;
 * what the storage refuses comes behind it.  Scripts know that order.
 *
 * Concurrency: main thread only.
 */
#include <stdio.h>
#include <string.h>

#include "tools/img/commands.h"
#include "tools/formats.h"
#include "tools/images.h"
#include "tools/json.h"
#include "tools/output.h"

enum { OPT_NO_CLOBBER = OPT_PRIVATE };

static const CmdOption create_options[] = {
    {'f', "format", "FMT", "format of the new image; default raw"},
    {'b', "backing", "FILE", "the parent of the new image"},
    {'F', "backing-format", "FMT", "format of the parent"},
    {'u', "backing-unsafe", NULL, "do not check the parent; SIZE is needed"},
    {'o', "options", "OPTS", "KEY=VALUE,...; \"help\" lists them"},
    {OPT_NO_CLOBBER, "no-clobber", NULL, "refuse to replace an existing file",
     true},
    CMD_ROW_SYNC,
    CMD_ROW_QUIET,
    CMD_ROWS_COMMON,
};

typedef struct {
    const CommonOptions *common;
    const char *filename, *format;
    OptList *list;                  /* -o, without the parent's keys */
    char *backing, *backing_format; /* -b and -F, else what -o says */
    uint64_t size;                  /* UINT64_MAX = not given as operand */
    bool unsafe, no_sync, no_clobber;
} CreateJob;

static int
create_fail(const CreateJob *job, const GError *error, const char *reason)
{
    out_failure(job->filename, error, "%s: %s", job->filename, reason);
    return 1;
}

/* -- the parent ----------------------------------------------------------- */

/* Learn the parent's size, and that it is there. */
static int
parent_inspect(CreateJob *job, VdContext *ctx)
{
    g_autoptr(GError) error = NULL;
    VdCreateParams params = {
        .filename = job->filename,
        .format = job->format,
        .size = UINT64_MAX,
        .backing_file = job->backing,
        .backing_format = job->backing_format,
    };
    VdDisk *parent = vd_create_open_parent(ctx, &params, &error);

    if (!parent) {
        create_fail(job, error, error->message);
        out_hint("Could not open backing image.");
        return 1;
    }
    if (!job->backing_format) {
        create_fail(job, NULL, "Backing file specified without backing format");
        out_hint("Detected format of %s.", vd_disk_format(parent));
        image_close_quietly(parent);
        return 1;
    }
    if (job->size == UINT64_MAX && !optlist_peek(job->list, "size"))
        job->size = vd_disk_size(parent);
    image_close_quietly(parent);
    return 0;
}

static int
parent_check(CreateJob *job, VdContext *ctx)
{
    g_autofree char *problem =
        format_parent_problem(job->format, job->backing, job->backing_format);

    if (problem)
        return create_fail(job, NULL, problem);
    if (!job->backing)
        return 0;
    if (*job->backing == '\0')
        return create_fail(job, NULL,
                           "Expected backing file name, got empty string");
    if (!strcmp(job->backing, job->filename))
        return create_fail(job, NULL,
                           "Error: Trying to create an image with the same "
                           "filename as the backing file");
    if (!job->unsafe)
        return parent_inspect(job, ctx);
    if (!job->backing_format)
        return create_fail(job, NULL,
                           "Backing file specified without backing format");
    return 0;
}

/* -- the image ------------------------------------------------------------ */

static void
result_print(const CreateJob *job, const char *description)
{
    if (job->common->json || job->common->quiet)
        return;
    printf("Formatting '%s', fmt=%s %s\n", job->filename, job->format,
           description);
    /* Before the work, and before its errors on the other stream. */
    fflush(stdout);
}

static int
result_print_json(const CreateJob *job, VdContext *ctx)
{
    ImageSpec spec = {.name = job->filename, .format = job->format};
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;
    g_autoptr(GPtrArray) infos = image_chain_infos(ctx, &spec, false);

    if (!infos)
        return 1;
    const VdInfo *info = infos->pdata[0];
    json_add_string(&object, "filename", job->filename);
    json_add_string(&object, "format", job->format);
    json_add_uint(&object, "virtual-size", info->virtual_size);
    if (info->actual_size >= 0)
        json_add_uint(&object, "actual-size", (uint64_t) info->actual_size);
    json_print(g_variant_builder_end(&object), JSON_AS_GIVEN);
    return 0;
}

/* In qemu-img's words, where those tell less. */
static int
create_refused(const CreateJob *job, uint64_t size, const GError *error)
{
    if (!g_error_matches(error, VD_ERROR, VD_ERROR_FILE_TOO_BIG)) {
        (void) create_fail(job, error, error->message);
        image_hint_space(error, job->filename, "the image",
                         size == UINT64_MAX ? 0 : size);
        return 1;
    }
    out_failure(job->filename, error,
                "%s: The image size is too large for file format '%s'",
                job->filename, job->format);
    out_hint("%s", error->message);
    return 1;
}

static int
image_make(CreateJob *job, VdContext *ctx, const VdCreateParams *params,
           const char *said)
{
    g_autoptr(GError) error = NULL;
    VdCreateParams told = *params;

    told.options = said;
    g_autofree char *description = vd_create_describe(&told, &error);

    if (!description)
        return create_fail(job, error, error->message);
    if (params->size == UINT64_MAX && !optlist_peek(job->list, "size"))
        return create_fail(job, NULL, "Image creation needs a size parameter");
    result_print(job, description);
    if (!vd_create(ctx, params, &error))
        return create_refused(job, params->size, error);
    return job->common->json ? result_print_json(job, ctx) : 0;
}

/* Unknown formats and options are told before the parent is looked at. */
static int
words_check(const CreateJob *job)
{
    g_autofree char *problem = format_create_problem(job->format);

    if (!problem)
        problem = vd_create_name_problem(job->filename);
    if (!problem)
        problem = format_options_problem(job->format, job->list);
    if (!problem && job->size != UINT64_MAX && optlist_peek(job->list, "size"))
        problem = g_strdup("The image size must be specified only once");
    return problem ? create_fail(job, NULL, problem) : 0;
}

static int
create_in_context(CreateJob *job, VdContext *ctx)
{
    int status = parent_check(job, ctx);

    if (status)
        return status;
    /* What the name qemu-img implies is done, not told. */
    g_autofree char *said = optlist_join(job->list);
    format_add_defaults(job->format, job->list);
    g_autofree char *options = optlist_join(job->list);
    VdCreateParams params = {
        .filename = job->filename,
        .format = job->format,
        .size = job->size,
        .backing_file = job->backing,
        .backing_format = job->backing_format,
        .backing_unchecked = job->unsafe,
        .options = options,
        .sync = !job->no_sync,
        .no_clobber = job->no_clobber,
        .in_place = true,
    };
    return image_make(job, ctx, &params, said);
}

static int
create_run(CreateJob *job)
{
    int status = words_check(job);

    if (status)
        return status;
    VdContext *ctx = image_context_begin(job->common);
    if (!ctx)
        return 1;
    status = create_in_context(job, ctx);
    image_context_end(ctx);
    return status;
}

/* -- the command line ----------------------------------------------------- */

static bool
create_take(CreateJob *job, int code, const char *arg)
{
    switch (code) {
    case 'b':
        g_free(job->backing);
        job->backing = g_strdup(arg);
        return true;
    case 'F':
        g_free(job->backing_format);
        job->backing_format = g_strdup(arg);
        return true;
    case 'o':
        return opts_parse_list(job->list, arg);
    case 'u':
        job->unsafe = true;
        return true;
    case OPT_NO_CLOBBER:
        job->no_clobber = true;
        return true;
    default:
        return opts_parse_sync(arg, &job->no_sync);
    }
}

static int
create_operands(CreateJob *job, const OptParser *parser)
{
    int n = opts_n_operands(parser);
    char **operands = opts_operands(parser);

    if (n == 0)
        return opts_fail_try(parser, "Expecting image file name");
    job->filename = operands[0];
    if (n > 1 && !opts_parse_size("image size", operands[1], &job->size))
        return 1;
    if (n > 2)
        return opts_fail_try(parser, "Unexpected argument: %s", operands[2]);
    optlist_take_unless_set(job->list, "backing_file", &job->backing);
    optlist_take_unless_set(job->list, "backing_fmt", &job->backing_format);
    return create_run(job);
}

static int
create_read(CreateJob *job, OptParser *parser)
{
    int code;

    while ((code = opts_next(parser)) > 0)
        if (!create_take(job, code, opts_arg(parser)))
            return 1;
    if (code == OPTS_STOP)
        return opts_status(parser);
    job->format = job->common->format ? job->common->format : "raw";
    if (optlist_wants_help(job->list))
        return format_print_options(job->format, opts_n_operands(parser) > 0);
    return create_operands(job, parser);
}

static int
cmd_create_run(const Command *command, int argc, char **argv)
{
    g_autoptr(OptParser) parser = opts_begin(command, argc, argv);
    g_autoptr(OptList) list = optlist_new();
    CreateJob job = {
        .common = opts_common(parser), .list = list, .size = UINT64_MAX};
    int status = create_read(&job, parser);

    g_free(job.backing);
    g_free(job.backing_format);
    return status;
}

const Command cmd_create = {
    .name = "create",
    .summary = "make a new, empty image",
    .operands = "FILE [SIZE]",
    .example = "-f vmdk -b base.vmdk -F vmdk child.vmdk",
    .options = create_options,
    .usage_status = 1,
    .run = cmd_create_run,
};
