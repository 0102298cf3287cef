/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/cmd-info.c - vdisk-img info: what an image says about itself.
 *
 * Concurrency: main thread only.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/commands.h"
#include "tools/human.h"
#include "tools/images.h"
#include "tools/json.h"
#include "tools/output.h"

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

/* -- JSON ----------------------------------------------------------------- */

static void
specific_add(GVariantBuilder *object, const VdInfo *info)
{
    g_auto(GVariantBuilder) inner = JSON_BUILDER_INIT;

    json_add_string(&inner, "type", info->format);
    json_add(&inner, "data", info->specific);
    json_add(object, "format-specific", g_variant_builder_end(&inner));
}

static void
backing_add(GVariantBuilder *object, const VdInfo *info)
{
    if (info->backing_filename)
        json_add_string(object, "backing-filename", info->backing_filename);
    if (info->full_backing_filename)
        json_add_string(object, "full-backing-filename",
                        info->full_backing_filename);
    if (info->backing_format)
        json_add_string(object, "backing-filename-format",
                        info->backing_format);
}

/* json_print() puts the keys in order. */
static GVariant *
info_to_variant(const VdInfo *info)
{
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;

    json_add_string(&object, "filename", info->filename);
    json_add_string(&object, "format", info->format);
    json_add_uint(&object, "virtual-size", info->virtual_size);
    if (info->actual_size >= 0)
        json_add_uint(&object, "actual-size", (uint64_t) info->actual_size);
    if (info->cluster_size)
        json_add_uint(&object, "cluster-size", info->cluster_size);
    if (info->encrypted)
        json_add_bool(&object, "encrypted", true);
    if (info->compressed)
        json_add_bool(&object, "compressed", true);
    json_add_bool(&object, "dirty-flag", info->dirty);
    backing_add(&object, info);
    if (info->specific)
        specific_add(&object, info);
    return g_variant_builder_end(&object);
}

static void
chain_print_json(const GPtrArray *infos, bool as_array)
{
    if (!as_array) {
        json_print(info_to_variant(infos->pdata[0]), JSON_RANKED);
        return;
    }
    g_auto(GVariantBuilder) list =
        G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("aa{sv}"));
    for (unsigned i = 0; i < infos->len; i++)
        g_variant_builder_add_value(&list, info_to_variant(infos->pdata[i]));
    json_print(g_variant_builder_end(&list), JSON_RANKED);
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
        chain_print_json(infos, whole_chain);
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
    .options = info_options,
    .usage_status = 1,
    .run = cmd_info_run,
};
