/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/main.c - vdisk-img: standard options, then a command.
 *
 * Concurrency: single-threaded.
 */
#include <stdio.h>
#include <string.h>

#include "include/vdisk.h"
#include "tools/img/commands.h"
#include "tools/output.h"
#include "tools/process.h"
#include "tools/requests.h"
#include "tools/signals.h"
#include "tools/trace.h"

static const Command *
command_find(const char *name)
{
    for (const Command *const *c = img_commands; *c; c++)
        if (!strcmp((*c)->name, name))
            return *c;
    return NULL;
}

static int
wrong_usage(const char *text, const char *word)
{
    out_error("%s%s", text, word);
    out_try_help();
    return 1;
}

static void
version_print(void)
{
    printf("%s version %s\n%s\n", out_program(), vd_version(), vd_build_info());
}

static void
help_print(void)
{
    g_auto(GStrv) formats = vd_format_list();
    g_autofree char *names = g_strjoinv(" ", formats);

    version_print();
    printf("usage: %s [standard options] command [command options]\n"
           "Virtual disk image utility\n\n"
           "Standard options:\n",
           out_program());
    opts_print_table(img_standard_options, true);
    printf("\nCommands (\"%s COMMAND --help\" tells more):\n", out_program());
    for (const Command *const *c = img_commands; *c; c++)
        printf("  %-22s%s\n", (*c)->name, (*c)->summary);
    printf("\nSupported formats: %s\n", names);
}

/* The argument of -T in any of its forms; NULL if @argv[*i] is not -T or (with
 * *i == argc) lacks it. */
static const char *
trace_argument(int argc, char **argv, int *i)
{
    const char *word = argv[*i];

    if (g_str_has_prefix(word, "--trace="))
        return word + strlen("--trace=");
    if (!strcmp(word, "-T") || !strcmp(word, "--trace"))
        return ++*i < argc ? argv[*i] : NULL;
    if (g_str_has_prefix(word, "-T"))
        return word + strlen("-T");
    return NULL;
}

static bool
is_option(const char *word, const char *brief, const char *full)
{
    return !strcmp(word, brief) || !strcmp(word, full);
}

/* Standard options; -1: go on with the command at *i, else the exit code. */
static int
standard_options(int argc, char **argv, int *i)
{
    for (; *i < argc && argv[*i][0] == '-'; ++*i) {
        const char *word = argv[*i];
        if (is_option(word, "-h", "--help")) {
            help_print();
            return 0;
        }
        if (is_option(word, "-V", "--version")) {
            version_print();
            return 0;
        }
        const char *trace = trace_argument(argc, argv, i);
        if (*i == argc)
            return wrong_usage("missing argument for option ", "'-T'");
        if (!trace) {
            g_autofree char *quoted = g_strdup_printf("'%s'", word);
            return wrong_usage("unrecognized option ", quoted);
        }
        if (!trace_set(trace))
            return 1;
    }
    return -1;
}

/* What is only written at the end may fail, too. */
static int
written_status(const Command *command, int status)
{
    bool written = requests_finish();

    written = out_finish() && written;
    if (written || status != 0)
        return status;
    return command && command->unwritten_status ? command->unwritten_status : 1;
}

int
main(int argc, char **argv)
{
    const Command *command = NULL;
    int i = 1;

    process_prepare();
    out_init(argv[0]);
    int status = standard_options(argc, argv, &i);
    if (status < 0 && i >= argc) {
        status = wrong_usage("Not enough arguments", "");
    } else if (status < 0) {
        command = command_find(argv[i]);
        status = command ? command->run(command, argc - i, argv + i)
                         : wrong_usage("Command not found: ", argv[i]);
    }
    return signals_status(written_status(command, status));
}
