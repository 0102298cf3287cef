/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/help.c - the text of --help, made from a command's table of options.
 *
 * It has to fit a screen of 24 lines: options that are rarely wanted are named
 * only, and told about by --help=all and the manual page.
 *
 * Concurrency: no state.
 */
#include "tools/options.h"

#include <stdio.h>
#include <string.h>

#include "tools/output.h"

#define HELP_TEXT_COLUMN 30
#define HELP_WIDTH 79

static GString *
option_names(const CmdOption *o)
{
    GString *names = g_string_new(NULL);

    if (o->code < 256)
        g_string_append_printf(names, "-%c%s", o->code, o->name ? ", " : "");
    if (o->name)
        g_string_append_printf(names, "--%s", o->name);
    return names;
}

static char *
option_label(const CmdOption *o)
{
    GString *label = option_names(o);
    bool optional = o->arg && o->arg[0] == '[';

    if (optional)
        g_string_append_printf(label, "[=%.*s]", (int) strlen(o->arg) - 2,
                               o->arg + 1);
    else if (o->arg)
        g_string_append_printf(label, "%s%s", o->name ? "=" : " ", o->arg);
    return g_string_free(label, FALSE);
}

/* @text from HELP_TEXT_COLUMN on, in as many lines as it takes. */
static void
text_print(const char *text)
{
    const size_t width = HELP_WIDTH - HELP_TEXT_COLUMN;

    while (strlen(text) > width) {
        const char *end = text + width;
        while (end > text && *end != ' ')
            end--;
        if (end == text)
            break;
        printf("%.*s\n%*s", (int) (end - text), text, HELP_TEXT_COLUMN, "");
        text = end + 1;
    }
    puts(text);
}

static void
option_print(const CmdOption *o)
{
    g_autofree char *label = option_label(o);
    const int column = HELP_TEXT_COLUMN - 2;

    if (strlen(label) < (size_t) column)
        printf("  %-*s", column, label);
    else
        printf("  %s\n%*s", label, HELP_TEXT_COLUMN, "");
    text_print(o->help);
}

static bool
group_begins(const CmdOption *first, const CmdOption *o)
{
    return o == first || g_strcmp0(o[-1].group, o->group) != 0;
}

/* The names of the rare ones without their values, as many in a line as it
 * holds. */
static void
rare_print(const CmdOption *options)
{
    size_t used = 0;

    for (const CmdOption *o = options; o->code; o++) {
        if (!o->rare || (o->group && !group_begins(options, o)))
            continue;
        g_autofree char *label = o->group
                                     ? g_strconcat("--", o->group, NULL)
                                     : g_string_free(option_names(o), FALSE);
        size_t len = strlen(label) + strlen(", ");
        if (!used)
            printf("More options (--help=all):\n ");
        else if (used + len > HELP_WIDTH)
            printf(",\n ");
        else
            putchar(',');
        used = used && used + len <= HELP_WIDTH ? used + len : 1 + len;
        printf(" %s", label);
    }
    if (used)
        putchar('\n');
}

void
opts_print_table(const CmdOption *options, bool all)
{
    for (const CmdOption *o = options; o->code; o++)
        if (all || !o->rare)
            option_print(o);
    if (!all)
        rare_print(options);
}

void
opts_print_help(const Command *command, bool all)
{
    const char *blank = command->name ? " " : "";
    const char *name = command->name ? command->name : "";

    if (command->example)
        printf("Example: %s%s%s %s\n", out_program(), blank, name,
               command->example);
    printf("Usage:   %s%s%s [options] %s\n%s\n\n", out_program(), blank, name,
           command->operands, command->summary);
    opts_print_table(command->options, all);
}
