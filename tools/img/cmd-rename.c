/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/cmd-rename.c - vdisk-img rename: another name for a whole image.
 *
 * Concurrency: main thread only.
 */
#include <stdio.h>

#include "tools/img/commands.h"
#include "tools/images.h"
#include "tools/json.h"
#include "tools/output.h"

#define RENAME_USAGE 2

enum { OPT_FORCE = OPT_PRIVATE, OPT_UPDATE_CHILDREN };

static const CmdOption rename_options[] = {
    {OPT_UPDATE_CHILDREN, "update-children", NULL,
     "disks beside it that have it as their parent follow"},
    {OPT_FORCE, "force", NULL,
     "although children are left behind or data files are missing"},
    CMD_ROW_QUIET,
    CMD_ROWS_COMMON,
};

static void
rename_print_json(const char *old_name, const char *new_name)
{
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;

    json_add_string(&object, "old-name", old_name);
    json_add_string(&object, "new-name", new_name);
    json_add(&object, "warnings", json_strings(out_warnings(), -1));
    json_print(g_variant_builder_end(&object), JSON_AS_GIVEN);
}

static int
rename_run(const CommonOptions *common, const char *old_name,
           const char *new_name, unsigned flags)
{
    g_autoptr(GError) error = NULL;
    VdContext *ctx = image_context_new(common);

    if (!ctx)
        return 1;
    bool ok = vd_image_rename(ctx, old_name, new_name, flags, &error);
    if (!ok)
        out_failure(old_name, error, "Could not rename '%s': %s", old_name,
                    error->message);
    else if (common->json)
        rename_print_json(old_name, new_name);
    vd_context_free(ctx);
    return ok ? 0 : 1;
}

static int
cmd_rename_run(const Command *command, int argc, char **argv)
{
    g_autoptr(OptParser) parser = opts_begin(command, argc, argv);
    unsigned flags = 0;
    int code;

    while ((code = opts_next(parser)) > 0)
        flags |= code == OPT_FORCE ? VD_RENAME_FORCE : VD_RENAME_CHILDREN;
    if (code == OPTS_STOP)
        return opts_status(parser);
    if (opts_n_operands(parser) != 2)
        return opts_fail_try(parser, "Expecting the old and the new name");
    return rename_run(opts_common(parser), opts_operands(parser)[0],
                      opts_operands(parser)[1], flags);
}

const Command cmd_rename = {
    .name = "rename",
    .summary = "give an image, all its files, another name",
    .operands = "OLD NEW",
    .example = "old.vmdk new.vmdk",
    .options = rename_options,
    .usage_status = RENAME_USAGE,
    .run = cmd_rename_run,
};
