/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/cmd-rm.c - vdisk-img rm: images with all their files are gone.
 *
 * Concurrency: main thread only.
 */
#include <stdio.h>

#include "tools/img/commands.h"
#include "tools/images.h"
#include "tools/json.h"
#include "tools/output.h"

#define RM_USAGE 2

enum { OPT_FORCE = OPT_PRIVATE };

static const CmdOption rm_options[] = {
    {OPT_FORCE, "force", NULL,
     "although it has children or is not to be deleted"},
    CMD_ROW_QUIET,
    CMD_ROWS_COMMON,
};

/* Goes on after a failure; the exit code tells. */
static bool
rm_all(VdContext *ctx, char **names, int n, unsigned flags, GPtrArray *removed)
{
    bool ok = true;

    for (int i = 0; i < n; i++) {
        g_autoptr(GError) error = NULL;

        if (vd_image_unlink(ctx, names[i], flags, &error)) {
            g_ptr_array_add(removed, names[i]);
            continue;
        }
        out_failure(names[i], error, "Could not remove '%s': %s", names[i],
                    error->message);
        ok = false;
    }
    return ok;
}

static void
rm_print_json(const GPtrArray *removed)
{
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;

    json_add(
        &object, "removed",
        json_strings((const char *const *) removed->pdata, (int) removed->len));
    json_add(&object, "warnings", json_strings(out_warnings(), -1));
    json_print(g_variant_builder_end(&object), JSON_AS_GIVEN);
}

static int
rm_run(OptParser *parser, unsigned flags)
{
    const CommonOptions *common = opts_common(parser);
    g_autoptr(GPtrArray) removed = g_ptr_array_new();
    VdContext *ctx = image_context_new(common);

    if (!ctx)
        return 1;
    bool ok = rm_all(ctx, opts_operands(parser), opts_n_operands(parser), flags,
                     removed);
    if (ok && common->json)
        rm_print_json(removed);
    vd_context_free(ctx);
    return ok ? 0 : 1;
}

static int
cmd_rm_run(const Command *command, int argc, char **argv)
{
    g_autoptr(OptParser) parser = opts_begin(command, argc, argv);
    unsigned flags = 0;
    int code;

    while ((code = opts_next(parser)) > 0)
        flags |= VD_UNLINK_FORCE;
    if (code == OPTS_STOP)
        return opts_status(parser);
    if (opts_n_operands(parser) < 1)
        return opts_fail_try(parser, "Expecting image file names");
    return rm_run(parser, flags);
}

const Command cmd_rm = {
    .name = "rm",
    .summary = "remove images with all their files",
    .operands = "FILE...",
    .example = "child.vmdk",
    .options = rm_options,
    .usage_status = RM_USAGE,
    .run = cmd_rm_run,
};
