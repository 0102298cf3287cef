/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/completion.c - what the arguments in tables of options are.
 *
 * The name of an argument tells: "end|none" are its words, FMT is a format,
 * CACHE a cache mode, STYLE one of progress, DIR a folder, and so on.
 *
 * Concurrency: no state.
 */
#include "tools/completion.h"

#include <string.h>

#define CACHE_WORDS "none writeback writethrough directsync unsafe"
#define STYLE_WORDS "plain bar json none"

static char *
words_of(const char *name)
{
    if (strchr(name, '|'))
        return g_strdelimit(g_strdup(name), "|", ' ');
    if (!strcmp(name, "CACHE"))
        return g_strdup(CACHE_WORDS);
    if (!strcmp(name, "STYLE"))
        return g_strdup(STYLE_WORDS);
    if (!strcmp(name, "FMT")) {
        g_auto(GStrv) formats = vd_format_list();
        return g_strjoinv(" ", formats);
    }
    return strcmp(name, "all") ? NULL : g_strdup("all");
}

static bool
is_file(const char *name)
{
    static const char *const files[] = {"FILE", "BASE", "PARENT", "OTHER"};

    for (size_t i = 0; i < G_N_ELEMENTS(files); i++)
        if (!strcmp(name, files[i]))
            return true;
    return false;
}

CompletionKind
completion_kind(const CmdOption *o, char **words)
{
    *words = NULL;
    if (!o->arg)
        return COMPLETE_NOTHING;

    g_autofree char *name = g_strdup(o->arg + (o->arg[0] == '['));
    g_strdelimit(name, "]", '\0');
    *words = words_of(name);
    if (*words)
        return COMPLETE_WORDS;
    if (!strcmp(name, "DIR"))
        return COMPLETE_FOLDERS;
    return is_file(name) ? COMPLETE_FILES : COMPLETE_FREE;
}

char *
completion_operand_words(const Command *command)
{
    size_t len = strcspn(command->operands, " ");
    char *first = g_strndup(command->operands, len);

    if (g_ascii_islower(first[0]) && strchr(first, '|'))
        return g_strdelimit(first, "|", ' ');
    g_free(first);
    return NULL;
}

bool
completion_letter_taken(const CmdOption *options, const CmdOption *o)
{
    for (; options != o; options++)
        if (options->code == o->code)
            return true;
    return false;
}

char *
completion_quote(const char *text, const char *escape)
{
    GString *quoted = g_string_new("'");

    for (; *text; text++) {
        if (*text == '\'') {
            g_string_append(quoted, "'\\''");
            continue;
        }
        if (strchr(escape, *text))
            g_string_append_c(quoted, '\\');
        g_string_append_c(quoted, *text);
    }
    g_string_append_c(quoted, '\'');
    return g_string_free(quoted, FALSE);
}

bool
completion_print(const CompletionProgram *program, const char *shell)
{
    if (!strcmp(shell, "bash"))
        completion_print_bash(program);
    else if (!strcmp(shell, "zsh"))
        completion_print_zsh(program);
    else if (!strcmp(shell, "fish"))
        completion_print_fish(program);
    else
        return false;
    return true;
}
