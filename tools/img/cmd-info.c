/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/cmd-info.c - vdisk-img info: what an image says about itself.
 *
 * Concurrency: main thread only.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/img/commands.h"
#include "tools/human.h"
#include "tools/images.h"
#include "tools/img/info-json.h"

static const CmdOption info_options[] = {
    CMD_ROW_FORMAT,
    CMD_ROW_IMAGE_OPTS,
    {'b', "backing-chain", NULL, "the image and all its parents"},
    CMD_ROW_FORCE_SHARE,
    CMD_ROWS_COMMON,
};

/* -- human ---------------------------------------------------------------- */

static void
backing_append(GString *out, const VdInfo *info)
{
    if (!info->backing_filename)
        return;
    g_string_append_printf(out, "backing file: %s", info->backing_filename);
    if (!info->full_backing_filename)
        g_string_append(out, " (cannot determine actual path)");
    else if (strcmp(info->backing_filename, info->full_backing_filename))
        g_string_append_printf(out, " (actual path: %s)",
                               info->full_backing_filename);
    g_string_append_c(out, '\n');
    if (info->backing_format)
        g_string_append_printf(out, "backing file format: %s\n",
                               info->backing_format);
}

static void
disk_size_append(GString *out, const VdInfo *info)
{
    g_autofree char *size = NULL;

    if (info->actual_size >= 0)
        size = human_size((uint64_t) info->actual_size);
    g_string_append_printf(out, "disk size: %s\n", size ? size : "unavailable");
}

static void
info_print_human(const VdInfo *info)
{
    g_autofree char *size = human_size(info->virtual_size);
    GString *out = g_string_new(NULL);

    g_string_append_printf(out,
                           "image: %s\nfile format: %s\n"
                           "virtual size: %s (%" PRIu64 " bytes)\n",
                           info->filename, info->format, size,
                           info->virtual_size);
    disk_size_append(out, info);
    if (info->encrypted)
        g_string_append(out, "encrypted: yes\n");
    if (info->cluster_size)
        g_string_append_printf(out, "cluster_size: %" PRIu64 "\n",
                               info->cluster_size);
    if (info->dirty)
        g_string_append(out, "cleanly shut down: no\n");
    backing_append(out, info);
    if (info->specific) {
        g_string_append(out, "Format specific information:\n");
        human_append_dict(out, info->specific, 4);
    }
    fputs(out->str, stdout);
    g_string_free(out, TRUE);
}

static void
chain_print_human(const GPtrArray *infos)
{
    for (unsigned i = 0; i < infos->len; i++) {
        if (i)
            putchar('\n');
        info_print_human(infos->pdata[i]);
    }
}

/* -- the command ---------------------------------------------------------- */

static int
info_run(const CommonOptions *common, const char *name, bool whole_chain)
{
    VdContext *ctx = image_context_new(common);

    if (!ctx)
        return 1;
    ImageSpec spec = image_spec(common, name, 0);
    g_autoptr(GPtrArray) infos = image_chain_infos(ctx, &spec, whole_chain);
    if (infos && common->json)
        info_print_json(ctx, &spec, infos, whole_chain);
    else if (infos)
        chain_print_human(infos);
    vd_context_free(ctx);
    return infos ? 0 : 1;
}

static int
cmd_info_run(const Command *command, int argc, char **argv)
{
    g_autoptr(OptParser) parser = opts_begin(command, argc, argv);
    bool whole_chain = false;
    int code;

    while ((code = opts_next(parser)) > 0)
        whole_chain = code == 'b' || whole_chain;
    if (code == OPTS_STOP)
        return opts_status(parser);
    if (opts_n_operands(parser) != 1)
        return opts_fail_try(parser, "Expecting one image file name");
    return info_run(opts_common(parser), opts_operands(parser)[0], whole_chain);
}

const Command cmd_info = {
    .name = "info",
    .summary = "show what an image says about itself",
    .operands = "FILE",
    .example = "--backing-chain child.vmdk",
    .options = info_options,
    .usage_status = 1,
    .run = cmd_info_run,
};
