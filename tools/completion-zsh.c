/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/completion-zsh.c - a completion script for zsh: specifications for its
 * _arguments.
 *
 * Concurrency: no state.
 */
#include "tools/completion.h"

#include <stdio.h>

/* ":NAME:action" of an option's argument; "" if it has none. */
static char *
argument_of(const CmdOption *o)
{
    g_autofree char *words = NULL;
    const char *colon = o->arg && o->arg[0] == '[' ? "::" : ":";

    switch (completion_kind(o, &words)) {
    case COMPLETE_WORDS:
        return g_strdup_printf("%svalue:(%s)", colon, words);
    case COMPLETE_FILES:
        return g_strdup_printf("%sfile:_files", colon);
    case COMPLETE_FOLDERS:
        return g_strdup_printf("%sfolder:_files -/", colon);
    case COMPLETE_FREE:
        return g_strdup_printf("%s%s: ", colon, o->arg);
    default:
        return g_strdup("");
    }
}

static void
print_spec(const char *option, const char *mark, const char *text,
           const char *argument)
{
    g_autofree char *quoted = completion_quote(text, "[]:");

    printf(" \\\n            '%s%s['%s']%s'", option, mark, quoted, argument);
}

/* An argument that may be left out is one of the long form only. */
static void
print_option(const CmdOption *options, const CmdOption *o)
{
    g_autofree char *argument = argument_of(o);
    bool optional = o->arg && o->arg[0] == '[';

    if (o->code < 256 && !completion_letter_taken(options, o)) {
        char letter[] = {'-', (char) o->code, '\0'};
        print_spec(letter, o->arg && !optional ? "+" : "", o->help,
                   optional ? "" : argument);
    }
    if (o->name) {
        g_autofree char *name = g_strconcat("--", o->name, NULL);
        print_spec(name,
                   !o->arg    ? ""
                   : optional ? "=-"
                              : "=",
                   o->help, argument);
    }
}

static void
print_command(const Command *command)
{
    g_autofree char *words = completion_operand_words(command);

    printf("        %s)\n            _arguments -s -S", command->name);
    for (const CmdOption *o = command->options; o->code; o++)
        print_option(command->options, o);
    if (words)
        printf(" \\\n            '1:action:(%s)'", words);
    printf(" \\\n            '*:file:_files' ;;\n");
}

static void
print_commands(const CompletionProgram *program)
{
    printf(" \\\n            '1:command:->command' '*::argument:->argument'\n"
           "    case $state in\n    command)\n        commands=(");
    for (const Command *const *c = program->commands; *c; c++) {
        g_autofree char *text = completion_quote((*c)->summary, "");
        printf("\n            %s:%s", (*c)->name, text);
    }
    printf(")\n        _describe command commands ;;\n"
           "    argument)\n        case $words[1] in\n");
    for (const Command *const *c = program->commands; *c; c++)
        print_command(*c);
    printf("        esac ;;\n    esac\n");
}

void
completion_print_zsh(const CompletionProgram *program)
{
    g_autofree char *function = g_strconcat("_", program->name, NULL);

    printf("#compdef %s\n# zsh completion for %s\n\n%s()\n{\n"
           "    local curcontext=$curcontext state line\n"
           "    local -a commands\n"
           "    typeset -A opt_args\n\n"
           "    _arguments -C -s",
           program->name, program->name, function);
    for (const CmdOption *o = program->options; o->code; o++)
        print_option(program->options, o);
    if (program->commands)
        print_commands(program);
    else
        printf(" \\\n            '*:file:_files'\n");
    /* Loaded by fpath the file is the function's body; sourced it is not. */
    printf("}\n\nif [[ $funcstack[1] == %s ]]; then\n    %s \"$@\"\nelse\n"
           "    compdef %s %s\nfi\n",
           function, function, function, program->name);
}
