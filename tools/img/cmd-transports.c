/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/cmd-transports.c - vdisk-img transports: the ways to disks, and why
 * one is closed.
 *
 * Concurrency: main thread only.
 */
#include <stdio.h>

#include "tools/img/commands.h"
#include "tools/json.h"
#include "tools/output.h"

#define TRANSPORTS_USAGE 2

static const CmdOption transports_options[] = {CMD_ROWS_COMMON};

static void
transports_print(const VdTransportInfo *info)
{
    for (; info->name; info++)
        printf("%-8s %s%s\n", info->name,
               info->problem ? "unavailable: " : "available",
               info->problem ? info->problem : "");
}

static void
transports_print_json(const VdTransportInfo *info)
{
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;
    g_auto(GVariantBuilder) list =
        G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("aa{sv}"));

    for (; info->name; info++) {
        g_auto(GVariantBuilder) row = JSON_BUILDER_INIT;

        json_add_string(&row, "name", info->name);
        json_add_bool(&row, "available", !info->problem);
        if (info->problem)
            json_add_string(&row, "problem", info->problem);
        g_variant_builder_add_value(&list, g_variant_builder_end(&row));
    }
    json_add(&object, "transports", g_variant_builder_end(&list));
    json_print(g_variant_builder_end(&object), JSON_AS_GIVEN);
}

static int
cmd_transports_run(const Command *command, int argc, char **argv)
{
    g_autoptr(OptParser) parser = opts_begin(command, argc, argv);

    if (opts_next(parser) == OPTS_STOP)
        return opts_status(parser);
    if (opts_n_operands(parser))
        return opts_fail_try(parser, "Unexpected argument: %s",
                             opts_operands(parser)[0]);
    if (opts_common(parser)->json)
        transports_print_json(vd_transport_list());
    else
        transports_print(vd_transport_list());
    return 0;
}

const Command cmd_transports = {
    .name = "transports",
    .summary = "list the ways to disks, and why one is closed",
    .operands = "",
    .example = "--output=json",
    .options = transports_options,
    .usage_status = TRANSPORTS_USAGE,
    .run = cmd_transports_run,
};
