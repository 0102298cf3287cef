/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/io/commands.c - from a line to a command; help.
 *
 * Concurrency: main thread only.
 */
#include <stdio.h>
#include <string.h>

#include "tools/io/shell.h"
#include "tools/output.h"

static const ShellCommand *const commands[] = {
    &io_abort,    &io_aio_flush, &io_aio_read,     &io_aio_write,  &io_alloc,
    &io_break,    &io_close,     &io_discard,      &io_flush,      &io_help,
    &io_info,     &io_length,    &io_map,          &io_open,       &io_quit,
    &io_read,     &io_readv,     &io_remove_break, &io_reopen,     &io_resume,
    &io_sigraise, &io_sleep,     &io_truncate,     &io_wait_break, &io_write,
    &io_writev,
};

static const ShellCommand *
command_find(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
        if (!strcmp(commands[i]->name, name) ||
            !g_strcmp0(commands[i]->brief, name))
            return commands[i];
    return NULL;
}

/* -- running -------------------------------------------------------------- */

static bool
wrong_count(const ShellCommand *command, int n)
{
    fflush(stdout);
    fprintf(stderr, "bad argument count %d to %s, expected ", n, command->name);
    if (command->max_args < 0)
        fprintf(stderr, "at least %d arguments\n", command->min_args);
    else if (command->min_args == command->max_args)
        fprintf(stderr, "%d arguments\n", command->min_args);
    else
        fprintf(stderr, "between %d and %d arguments\n", command->min_args,
                command->max_args);
    return false;
}

static bool
command_run(Shell *shell, const ShellCommand *command, int argc, char **argv)
{
    int n = argc - 1;

    if ((command->needs & NEEDS_DISK) && !shell->disk) {
        fprintf(stderr, "no file open, try 'help open'\n");
        return false;
    }
    if (n < command->min_args ||
        (command->max_args >= 0 && n > command->max_args))
        return wrong_count(command, n);
    if ((command->needs & NEEDS_WRITABLE) && !(shell->flags & VD_OPEN_RDWR)) {
        out_error("Block node is read-only");
        return false;
    }
    return command->run(shell, command, argc, argv);
}

/* Blanks alone separate words: no quotes, no tabulators. */
static GPtrArray *
words_split(const char *line)
{
    GPtrArray *words = g_ptr_array_new_with_free_func(g_free);
    g_auto(GStrv) parts = g_strsplit(line, " ", -1);

    for (char **part = parts; *part; part++)
        if (**part)
            g_ptr_array_add(words, g_strdup(*part));
    g_ptr_array_add(words, NULL);
    return words;
}

bool
shell_run(Shell *shell, const char *line)
{
    g_autoptr(GPtrArray) words = words_split(line);
    /* getopt changes the order; the strings stay the array's. */
    g_autofree char **argv =
        g_memdup2(words->pdata, words->len * sizeof(char *));
    int argc = (int) words->len - 1;

    if (argc == 0)
        return true;
    const ShellCommand *command = command_find(argv[0]);
    fflush(stdout);
    if (!command) {
        fprintf(stderr, "command \"%s\" not found\n", argv[0]);
        return false;
    }
    bool ok = command_run(shell, command, argc, argv);
    fflush(stdout);
    return ok;
}

/* -- help ----------------------------------------------------------------- */

static void
help_line(const ShellCommand *command)
{
    printf("%s", command->name);
    if (command->args)
        printf(" %s", command->args);
    printf(" -- %s\n", command->summary);
}

static bool
io_help_run(Shell *shell, const ShellCommand *self, int argc, char **argv)
{
    if (argc == 1) {
        for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
            help_line(commands[i]);
        printf("\nUse 'help commandname' for extended help.\n");
        return true;
    }
    const ShellCommand *command = command_find(argv[1]);
    if (!command) {
        printf("command %s not found\n", argv[1]);
        return false;
    }
    help_line(command);
    if (command->help)
        printf("\n%s\n", command->help);
    return true;
}

const ShellCommand io_help = {
    .name = "help",
    .brief = "?",
    .args = "[command]",
    .summary = "help for one or all commands",
    .max_args = 1,
    .run = io_help_run,
};
