/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/completion.h - completion scripts for shells, made from the tables of
 * options that --help is made from.
 */
#pragma once

#include "tools/options.h"

typedef struct CompletionProgram {
    const char *name;
    const CmdOption *options;       /* before the command; ends with code 0 */
    const Command *const *commands; /* ends with NULL; NULL = has none */
} CompletionProgram;

typedef enum CompletionKind {
    COMPLETE_NOTHING, /* the option takes no argument */
    COMPLETE_WORDS,
    COMPLETE_FILES,
    COMPLETE_FOLDERS,
    COMPLETE_FREE, /* a number, a size, a list ... */
} CompletionKind;

/* What the argument of @o is, by its name in the table; with COMPLETE_WORDS
 * *@words are the words, separated by blanks (free with g_free), else NULL. */
CompletionKind completion_kind(const CmdOption *o, char **words);

/* The words that @command takes as its first operand, separated by blanks;
 * NULL if that is a file. */
char *completion_operand_words(const Command *command);

/* A row above @o has the same letter. */
bool completion_letter_taken(const CmdOption *options, const CmdOption *o);

/* @text within single quotes; @escape: characters that get a backslash. */
char *completion_quote(const char *text, const char *escape);

#define COMPLETION_SHELLS "bash, zsh and fish"

/* The script for @shell, to stdout; false if that is none of
 * COMPLETION_SHELLS. */
bool completion_print(const CompletionProgram *program, const char *shell);

void completion_print_bash(const CompletionProgram *program);
void completion_print_zsh(const CompletionProgram *program);
void completion_print_fish(const CompletionProgram *program);
