/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/completion-fish.c - a completion script for fish.
 *
 * Concurrency: no state.
 */
#include "tools/completion.h"

#include <stdio.h>

static void
print_argument(const CmdOption *o)
{
    g_autofree char *words = NULL;

    switch (completion_kind(o, &words)) {
    case COMPLETE_WORDS:
        printf(" %s-a '%s'", o->arg[0] == '[' ? "-f " : "-x ", words);
        return;
    case COMPLETE_FILES:
        printf(" -r -F");
        return;
    case COMPLETE_FOLDERS:
        printf(" -x -a '(__fish_complete_directories)'");
        return;
    case COMPLETE_FREE:
        printf(" -x");
        return;
    default:
        return;
    }
}

static void
print_options(const char *line, const CmdOption *options)
{
    for (const CmdOption *o = options; o->code; o++) {
        g_autofree char *text = completion_quote(o->help, "\\");
        printf("%s", line);
        if (o->code < 256)
            printf(" -s %c", o->code);
        if (o->name)
            printf(" -l %s", o->name);
        print_argument(o);
        printf(" -d %s\n", text);
    }
}

static void
print_command(const char *program, const Command *command)
{
    g_autofree char *summary = completion_quote(command->summary, "\\");
    g_autofree char *operands = completion_operand_words(command);
    g_autofree char *line =
        g_strdup_printf("complete -c %s -n '__fish_seen_subcommand_from %s'",
                        program, command->name);

    printf("complete -c %s -n __fish_use_subcommand -f -a %s -d %s\n", program,
           command->name, summary);
    print_options(line, command->options);
    if (operands)
        printf("%s -a '%s'\n", line, operands);
}

void
completion_print_fish(const CompletionProgram *program)
{
    g_autofree char *line =
        g_strdup_printf("complete -c %s%s", program->name,
                        program->commands ? " -n __fish_use_subcommand" : "");

    printf("# fish completion for %s\n", program->name);
    print_options(line, program->options);
    for (const Command *const *c = program->commands; c && *c; c++)
        print_command(program->name, *c);
}
