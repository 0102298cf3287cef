/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/vixsample/usage.c - what -help prints: both tables.
 *
 * Concurrency: main thread only.
 */
#include <stdio.h>

#include "tools/vixsample/commands.h"
#include "tools/vixsample/report.h"
#include "tools/vixsample/rows.h"

#define USAGE_WIDTH 28

static const char synopsis[] = "usage: " PROGRAM " COMMAND [OPTIONS] DISK\n";

static void
line_print(const char *name, const char *arg, const char *arg2,
           const char *help)
{
    g_autofree char *head =
        g_strdup_printf("%s%s%s%s%s", name, arg ? " " : "", arg ? arg : "",
                        arg2 ? " " : "", arg2 ? arg2 : "");

    printf("  %-*s  %s\n", USAGE_WIDTH - 4, head, help);
}

void
usage_print_help(void)
{
    printf("%sCalls the VixDiskLib interface by hand.  Numbers may be "
           "hexadecimal (0x...).\n\nCommands, exactly one:\n",
           synopsis);
    for (const Command *c = commands; c->name; c++)
        line_print(c->name, c->args[0], c->args[1], c->help);
    printf("\nOptions:\n");
    for (const OptionRow *row = option_rows; row->name; row++)
        line_print(row->name, row->arg, NULL, row->help);
    line_print("-help", NULL, NULL, "show this help");
    printf("\nDisk types:");
    for (const Choice *c = disk_type_choices; c->word; c++)
        printf(" %s", c->word);
    printf("\n\nWith any of -host, -user, -password, -thumb, -cookie, -port, "
           "-nfchostport, -vm,\n-fcdid, -fcdssid, -ds, -folder the disk is "
           "remote: -host, -user and -password\nare needed then.\n");
}

void
usage_print_hint(void)
{
    fprintf(stderr, "%s\"" PROGRAM " -help\" lists commands and options.\n",
            synopsis);
}
