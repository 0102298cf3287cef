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
#include "tools/export-list.h"
#include "tools/img/info-json.h"
#include "tools/img/snapshot-table.h"

enum { OPT_GRAPH = OPT_PRIVATE, OPT_LIMITS, OPT_LIST };

static const CmdOption info_options[] = {
    CMD_ROW_FORMAT,
    CMD_ROW_IMAGE_OPTS,
    {'b', "backing-chain", NULL, "the image and all its parents"},
    {OPT_GRAPH, "graph", NULL, "also the files that it is stored in"},
    {OPT_LIMITS, "limits", NULL, "also what requests to it keep to"},
    {OPT_LIST, "list", NULL, "what the server FILE has to offer"},
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

/* @is_file: it stands on nothing further. */
static void
head_append(GString *out, const VdInfo *info, bool is_file)
{
    g_autofree char *size = human_size(info->virtual_size);

    g_string_append_printf(
        out, "%s: %s\n%s: %s\n%s: %s (%" PRIu64 " bytes)\n",
        is_file ? "filename" : "image", info->filename,
        is_file ? "protocol type" : "file format", info->format,
        is_file ? "file length" : "virtual size", size, info->virtual_size);
}

static void
facts_append(GString *out, const VdInfo *info)
{
    disk_size_append(out, info);
    if (info->encrypted)
        g_string_append(out, "encrypted: yes\n");
    if (info->cluster_size)
        g_string_append_printf(out, "cluster_size: %" PRIu64 "\n",
                               info->cluster_size);
    if (info->dirty)
        g_string_append(out, "cleanly shut down: no\n");
    backing_append(out, info);
    if (info->snapshots)
        snapshot_table_append(out, info->snapshots);
    if (info->specific) {
        g_string_append(out, "Format specific information:\n");
        human_append_dict(out, info->specific, 4);
    }
}

static void
limits_append(GString *out, const VdGraphNode *node)
{
    g_autoptr(GVariant) limits =
        g_variant_ref_sink(info_limits_to_variant(node));

    g_string_append(out, "Limits:\n");
    human_append_dict(out, limits, 4);
}

static void
lines_print(const char *text, unsigned indent)
{
    for (const char *end; (end = strchr(text, '\n')); text = end + 1)
        printf("%*s%.*s\n", (int) indent, "", (int) (end - text), text);
}

/* @path: of the node, with a slash at its end. */
static void
node_print_human(const VdGraphNode *node, const char *path, unsigned what,
                 unsigned indent)
{
    g_autoptr(GString) out = g_string_new(NULL);

    head_append(out, node->info, indent > 0 && node->children->len == 0);
    facts_append(out, node->info);
    if (what & INFO_LIMITS)
        limits_append(out, node);
    lines_print(out->str, indent);
    for (unsigned i = 0; (what & INFO_GRAPH) && i < node->children->len; i++) {
        const VdGraphNode *child = node->children->pdata[i];
        g_autofree char *deeper = g_strdup_printf("%s%s/", path, child->edge);
        printf("%*sChild node '%s%s':\n", (int) indent, "", path, child->edge);
        node_print_human(child, deeper, what, indent + 4);
    }
}

static void
chain_print_human(const GPtrArray *graphs, unsigned what)
{
    for (unsigned i = 0; i < graphs->len; i++) {
        if (i)
            putchar('\n');
        node_print_human(graphs->pdata[i], "/", what, 0);
    }
}

/* -- the command ---------------------------------------------------------- */

static int
info_run(const CommonOptions *common, const char *name, unsigned what)
{
    VdContext *ctx = image_context_new(common);

    if (!ctx)
        return 1;
    ImageSpec spec = image_spec(common, name, 0);
    g_autoptr(GPtrArray) graphs =
        image_chain_graphs(ctx, &spec, what & INFO_CHAIN);
    if (graphs && common->json)
        info_print_json(graphs, what, what & INFO_CHAIN);
    else if (graphs)
        chain_print_human(graphs, what);
    vd_context_free(ctx);
    return graphs ? 0 : 1;
}

static int
cmd_info_run(const Command *command, int argc, char **argv)
{
    g_autoptr(OptParser) parser = opts_begin(command, argc, argv);
    unsigned what = 0;
    bool list = false;
    int code;

    while ((code = opts_next(parser)) > 0) {
        if (code == 'b')
            what |= INFO_CHAIN;
        else if (code == OPT_LIST)
            list = true;
        else
            what |= code == OPT_GRAPH ? INFO_GRAPH : INFO_LIMITS;
    }
    if (code == OPTS_STOP)
        return opts_status(parser);
    if (opts_n_operands(parser) != 1)
        return opts_fail_try(parser, "Expecting one image file name");
    if (list && (what || opts_common(parser)->image_opts))
        return opts_fail_try(parser, "--list is about a server, not about an "
                                     "image");
    if (list)
        return export_list_run(opts_common(parser), opts_operands(parser)[0]);
    return info_run(opts_common(parser), opts_operands(parser)[0], what);
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
