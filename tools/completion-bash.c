/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/completion-bash.c - a completion script for bash.
 *
 * It needs nothing but bash: where it has no words to offer, bash completes
 * file names.  "=" is a word of its own to bash; the script puts it back to the
 * option before it.
 *
 * Concurrency: no state.
 */
#include "tools/completion.h"

#include <stdio.h>

static const char head[] =
    "{\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]}\n"
    "    local prev=${COMP_WORDS[COMP_CWORD - 1]} command='' words='' i\n"
    "\n"
    "    if [[ $cur == '=' ]]; then\n"
    "        cur='' prev+='='\n"
    "    elif [[ $prev == '=' ]]; then\n"
    "        prev=${COMP_WORDS[COMP_CWORD - 2]}=\n"
    "    fi\n";
static const char tail[] =
    "    esac\n"
    "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
    "}\n";

/* "prefix:-f|prefix:--format|prefix:--format=", the words before an argument
 * of @o. */
static void
print_positions(const char *prefix, const CmdOption *o)
{
    bool optional = o->arg[0] == '[';
    const char *bar = "";

    if (o->code < 256 && !optional) {
        printf("%s:-%c", prefix, o->code);
        bar = "|";
    }
    if (o->name && !optional)
        printf("%s%s:--%s|%s:--%s=", bar, prefix, o->name, prefix, o->name);
    else if (o->name)
        printf("%s%s:--%s=", bar, prefix, o->name);
}

static void
print_argument(const char *prefix, const CmdOption *o)
{
    g_autofree char *words = NULL;

    switch (completion_kind(o, &words)) {
    case COMPLETE_NOTHING:
        return;
    case COMPLETE_WORDS:
        printf("    ");
        print_positions(prefix, o);
        printf(") words='%s' ;;\n", words);
        return;
    default:
        printf("    ");
        print_positions(prefix, o);
        printf(") return ;;\n");
    }
}

static void
print_names(const CmdOption *options)
{
    const char *blank = "";

    for (const CmdOption *o = options; o->code; o++) {
        if (o->code < 256 && !completion_letter_taken(options, o)) {
            printf("%s-%c", blank, o->code);
            blank = " ";
        }
        if (o->name) {
            printf("%s--%s", blank, o->name);
            blank = " ";
        }
    }
}

/* Behind the word @prev a word from @words, or an option. */
static void
print_words(const char *prefix, const char *prev, const char *words,
            const CmdOption *options)
{
    printf("    %s:%s)\n", prefix, prev);
    if (words)
        printf("        words='%s'\n", words);
    printf("        [[ $cur == -* ]] && words='");
    print_names(options);
    printf("' ;;\n");
}

static void
print_options(const char *prefix, const char *operands,
              const CmdOption *options)
{
    for (const CmdOption *o = options; o->code; o++)
        print_argument(prefix, o);
    if (operands)
        print_words(prefix, prefix, operands, options);
    print_words(prefix, "*", NULL, options);
}

static void
print_command(const Command *command)
{
    g_autofree char *operands = completion_operand_words(command);

    print_options(command->name, operands, command->options);
}

static char *
names_of_commands(const Command *const *commands, const char *between)
{
    GString *names = g_string_new((*commands)->name);

    while (*++commands)
        g_string_append_printf(names, "%s%s", between, (*commands)->name);
    return g_string_free(names, FALSE);
}

/* What stands before a command; no command has the name "". */
static void
print_before_command(const CompletionProgram *program)
{
    g_autofree char *names = names_of_commands(program->commands, " ");

    for (const CmdOption *o = program->options; o->code; o++)
        print_argument("", o);
    print_words("", "*", names, program->options);
}

static void
print_find_command(const CompletionProgram *program)
{
    g_autofree char *names = names_of_commands(program->commands, "|");

    printf("    for ((i = 1; i < COMP_CWORD; i++)); do\n"
           "        case ${COMP_WORDS[i]} in\n"
           "        %s)\n"
           "            command=${COMP_WORDS[i]}\n"
           "            break ;;\n"
           "        esac\n"
           "    done\n",
           names);
}

void
completion_print_bash(const CompletionProgram *program)
{
    g_autofree char *function =
        g_strdelimit(g_strconcat("_", program->name, NULL), "-", '_');

    printf("# bash completion for %s\n%s()\n%s", program->name, function, head);
    if (program->commands)
        print_find_command(program);
    printf("    case $command:$prev in\n");
    if (program->commands) {
        for (const Command *const *c = program->commands; *c; c++)
            print_command(*c);
        print_before_command(program);
    } else {
        print_options("", NULL, program->options);
    }
    printf("%scomplete -o bashdefault -o default -F %s %s\n", tail, function,
           program->name);
}
