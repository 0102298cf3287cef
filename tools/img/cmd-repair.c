/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/cmd-repair.c - vdisk-img repair: "check -r all", and what needs
 * more words.
 *
 * Exit codes: 0 the image is good, 1 it is not (--stream: could not be repaired
 * and is as it was), 2 wrong usage, 3 --stream: repaired, but data are missing.
 *
 * Concurrency: main thread only.
 */
#include <inttypes.h>
#include <stdio.h>

#include "tools/img/check-image.h"
#include "tools/img/commands.h"
#include "tools/images.h"
#include "tools/json.h"
#include "tools/output.h"

enum {
    OPT_STREAM = OPT_PRIVATE,
    OPT_CID,
    OPT_FROM_EXTENTS,
    OPT_FORCE,
    OPT_PARENT
};

enum {
    REPAIR_GOOD = 0,
    REPAIR_FAILED = 1,
    REPAIR_USAGE = 2,
    REPAIR_LOSS = 3,
};

static const CmdOption repair_options[] = {
    CMD_ROW_FORMAT,
    CMD_ROW_IMAGE_OPTS,
    {OPT_CID, "cid", NULL,
     "take the parent as it is now, though it was changed behind the image"},
    {OPT_STREAM, "stream", NULL,
     "have a streamOptimized file pass check --profile=esxi-import"},
    {OPT_FROM_EXTENTS, "from-extents", NULL,
     "the descriptor FILE is lost: write it anew from its data files"},
    {OPT_PARENT, "parent", "PARENT", "with --from-extents: of this disk"},
    {OPT_FORCE, "force", NULL,
     "with --from-extents: although there is a descriptor"},
    CMD_ROW_QUIET,
    CMD_ROWS_COMMON,
};

/* -- streams -------------------------------------------------------------- */

static void
stream_print_json(const char *name, const VdStreamRepair *r)
{
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;

    json_add_string(&object, "filename", name);
    json_add(&object, "changed", g_variant_new_boolean(r->changed));
    json_add(&object, "rewritten", g_variant_new_boolean(r->rewritten));
    json_add(&object, "cut", g_variant_new_boolean(r->cut));
    if (r->rewritten) {
        json_add_uint(&object, "grains", r->grains);
        json_add_uint(&object, "data-end", r->data_end);
        json_add_uint(&object, "grains-lost", r->lost);
    }
    json_print(g_variant_builder_end(&object), JSON_AS_GIVEN);
}

static void
stream_print_human(const VdStreamRepair *r)
{
    if (!r->changed)
        puts("Nothing had to be repaired.");
    else
        puts(r->rewritten ? "Image repaired: written anew."
                          : "Image repaired in place.");
}

static void
stream_warn(const char *name, const VdStreamRepair *r)
{
    if (r->cut)
        out_warning("'%s' was cut off: it has %" PRIu64
                    " compressed grains, the last up to byte %" PRIu64
                    " of the disk; what is missing reads as zeroes",
                    name, r->grains, r->data_end);
    if (r->lost > 0)
        out_warning("'%s': %" PRIu64 " grains are lost and read as zeroes",
                    name, r->lost);
}

static int
stream_repair(const CommonOptions *common, VdContext *ctx, const char *name)
{
    g_autoptr(GError) error = NULL;
    const char *path = image_local_path(name);
    VdStreamRepair result = {0};

    if (!path) {
        out_failure(name, NULL, "'%s' is not the name of a file", name);
        return REPAIR_FAILED;
    }
    if (!vd_repair_stream(ctx, path, &result, &error)) {
        out_failure(name, error, "Could not repair '%s': %s", name,
                    error->message);
        return REPAIR_FAILED;
    }
    stream_warn(name, &result);
    if (common->json)
        stream_print_json(name, &result);
    else if (!common->quiet)
        stream_print_human(&result);
    return result.cut || result.lost > 0 ? REPAIR_LOSS : REPAIR_GOOD;
}

/* -- lost descriptors ------------------------------------------------------ */

static int
rebuild_run(const CommonOptions *common, const char *name,
            const VdRebuildParams *params)
{
    g_autoptr(GError) error = NULL;
    VdContext *ctx = image_context_new(common);
    int status = REPAIR_GOOD;

    if (!ctx)
        return REPAIR_FAILED;
    if (!vd_rebuild_descriptor(ctx, name, params, &error)) {
        out_failure(name, error, "Could not repair '%s': %s", name,
                    error->message);
        status = REPAIR_FAILED;
    } else if (!common->quiet && !common->json) {
        puts("Descriptor written.");
    }
    vd_context_free(ctx);
    return status;
}

/* -- the command ---------------------------------------------------------- */

static int
stream_run(const CommonOptions *common, const char *name)
{
    VdContext *ctx = image_context_begin(common);
    int status;

    if (!ctx)
        return REPAIR_FAILED;
    status = stream_repair(common, ctx, name);
    image_context_end(ctx);
    return status;
}

static int
cmd_repair_run(const Command *command, int argc, char **argv)
{
    g_autoptr(OptParser) parser = opts_begin(command, argc, argv);
    CheckJob job = {.common = opts_common(parser),
                    .params = {.repair = VD_REPAIR_ALL}};
    VdRebuildParams rebuild = {0};
    bool stream = false, from_extents = false;
    int code;

    while ((code = opts_next(parser)) > 0) {
        stream |= code == OPT_STREAM;
        from_extents |= code == OPT_FROM_EXTENTS;
        rebuild.force |= code == OPT_FORCE;
        if (code == OPT_PARENT)
            rebuild.parent = opts_arg(parser);
        if (code == OPT_CID)
            job.params.repair |= VD_REPAIR_PARENT_CID;
    }
    if (code == OPTS_STOP)
        return opts_status(parser);
    if (opts_n_operands(parser) != 1)
        return opts_fail_try(parser, "Expecting one image file name");
    job.name = opts_operands(parser)[0];
    if ((rebuild.force || rebuild.parent) && !from_extents)
        return opts_fail_try(parser, "--force and --parent go with "
                                     "--from-extents only");
    if (from_extents)
        return rebuild_run(job.common, job.name, &rebuild);
    if (!stream)
        return check_image(&job) == CHECK_CLEAN ? REPAIR_GOOD : REPAIR_FAILED;
    if (job.params.repair & VD_REPAIR_PARENT_CID || job.common->format ||
        job.common->image_opts)
        return opts_fail_try(parser, "--stream goes with a file name only");
    return stream_run(job.common, job.name);
}

const Command cmd_repair = {
    .name = "repair",
    .summary = "make a damaged image sound",
    .operands = "FILE",
    .example = "--from-extents disk.vmdk",
    .options = repair_options,
    .usage_status = REPAIR_USAGE,
    .run = cmd_repair_run,
};
