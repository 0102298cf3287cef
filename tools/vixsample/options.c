/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/vixsample/options.c - the command line: one command, options, a disk.
 *
 * Concurrency: main thread only.
 */
#include "tools/vixsample/options.h"

#include <inttypes.h>
#include <string.h>

#include "tools/vixsample/commands.h"
#include "tools/vixsample/report.h"
#include "tools/vixsample/rows.h"

typedef struct Words {
    int left;
    char **next;
} Words;

/* One dash or two. */
static bool
same_name(const char *name, const char *word)
{
    return !strcmp(name, word) || (word[0] == '-' && !strcmp(name, word + 1));
}

static bool
take_word(Words *words, const char *name, const char **word)
{
    if (words->left == 0) {
        report_error("%s needs another argument", name);
        return false;
    }
    *word = *words->next++;
    words->left--;
    return true;
}

static bool
take_number(const char *name, const char *word, uint64_t min, uint64_t max,
            uint64_t *number)
{
    if (number_parse(word, min, max, number))
        return true;
    report_error("%s: '%s' is not a number from %" PRIu64 " to %" PRIu64, name,
                 word, min, max);
    return false;
}

static bool
take_choice(const OptionRow *row, const char *word, uint64_t *value)
{
    g_autoptr(GString) all = g_string_new(NULL);

    if (choice_find(row->choices, word, value))
        return true;
    for (const Choice *c = row->choices; c->word; c++)
        g_string_append_printf(all, " %s", c->word);
    report_error("%s: '%s' is none of:%s", row->name, word, all->str);
    return false;
}

static bool
take_option(Options *opts, const OptionRow *row, Words *words)
{
    void *field = (char *) opts + row->field;
    const char *word = NULL;

    opts->is_remote |= row->is_remote;
    if (row->kind == ROW_FLAG) {
        *(bool *) field = true;
        return true;
    }
    if (!take_word(words, row->name, &word))
        return false;
    if (row->kind == ROW_NUMBER)
        return take_number(row->name, word, row->min, row->max, field);
    if (row->kind == ROW_CHOICE)
        return take_choice(row, word, field);
    *(const char **) field = word;
    return true;
}

static bool
take_command(Options *opts, const Command *command, Words *words)
{
    if (opts->command) {
        report_error("%s and %s: only one command at a time",
                     opts->command->name, command->name);
        return false;
    }
    opts->command = command;
    for (size_t i = 0; i < G_N_ELEMENTS(opts->words); i++)
        if (command->args[i] &&
            !take_word(words, command->name, &opts->words[i]))
            return false;
    if (!(command->flags & COMMAND_NUMBER))
        return true;
    return take_number(command->name, opts->words[0], command->min,
                       command->max, &opts->number);
}

static bool
take_path(Options *opts, const char *word)
{
    if (opts->path) {
        report_error("'%s' and '%s': only one disk at a time", opts->path,
                     word);
        return false;
    }
    opts->path = word;
    return true;
}

static bool
take_dash_word(Options *opts, const char *word, Words *words)
{
    for (const Command *c = commands; c->name; c++)
        if (same_name(c->name, word))
            return take_command(opts, c, words);
    for (const OptionRow *row = option_rows; row->name; row++)
        if (same_name(row->name, word))
            return take_option(opts, row, words);
    report_error("unknown option '%s'", word);
    return false;
}

/* After "--" everything is a path. */
static bool
take_all(Options *opts, Words words, bool *help)
{
    bool only_paths = false;

    while (words.left > 0) {
        const char *word = *words.next++;
        words.left--;
        if (!only_paths && !strcmp(word, "--")) {
            only_paths = true;
            continue;
        }
        if (!only_paths && (same_name("-help", word) || !strcmp(word, "-h"))) {
            *help = true;
            return true;
        }
        bool ok = word[0] == '-' && !only_paths
                      ? take_dash_word(opts, word, &words)
                      : take_path(opts, word);
        if (!ok)
            return false;
    }
    return true;
}

/* What is wrong with it, or NULL. */
static const char *
remote_fault(const Options *opts)
{
    const RemoteOptions *r = &opts->remote;

    if (!opts->is_remote)
        return r->snapshot ? "-snapshot needs a server: -host" : NULL;
    if (!r->host || !r->user || !r->password)
        return "a remote disk needs -host, -user and -password";
    if (r->vm && (r->fcd_id || r->folder))
        return "-vm goes without -fcdid and -folder";
    if (r->fcd_id && r->folder)
        return "-fcdid goes without -folder";
    if ((r->fcd_id || r->folder) && !r->datastore)
        return "-fcdid and -folder need -ds";
    if (r->datastore && !r->fcd_id && !r->folder)
        return "-ds needs -fcdid or -folder";
    if (r->fcd_snapshot && !r->fcd_id)
        return "-fcdssid needs -fcdid";
    if (r->snapshot && !r->vm)
        return "-snapshot needs -vm";
    return NULL;
}

static const char *
fault(const Options *opts)
{
    if (!opts->command)
        return "no command";
    if (opts->command->flags & COMMAND_NO_DISK) {
        if (opts->path)
            return "this command takes no disk";
    } else if (!opts->path) {
        return "no disk";
    }
    if ((opts->command->flags & COMMAND_NEEDS_CAP) &&
        opts->cap_mib == OPTION_NONE)
        return "-grow needs -cap, the new capacity";
    return remote_fault(opts);
}

/* A first class disk has no path; this is how others name it. */
static void
default_path(Options *opts)
{
    const RemoteOptions *r = &opts->remote;

    if (!opts->path && r->fcd_id && r->datastore)
        opts->path =
            g_strdup_printf("[%s] VStorageObject:%s", r->datastore, r->fcd_id);
}

OptionsResult
options_parse(Options *opts, int argc, char **argv)
{
    Words words = {argc - 1, argv + 1};
    const char *what = NULL;
    bool help = false;

    *opts = (Options){
        .cap_mib = OPTION_NONE,
        .adapter = VIXDISKLIB_ADAPTER_SCSI_BUSLOGIC,
        .type = OPTION_NONE,
        .chunk = VIXDISKLIB_MIN_CHUNK_SIZE,
        .count = OPTION_NONE,
        .value = OPTION_NONE,
    };
    bool ok = take_all(opts, words, &help);
    if (ok && help) {
        usage_print_help();
        return OPTIONS_HELP;
    }
    if (ok) {
        default_path(opts);
        what = fault(opts);
        if (what)
            report_error("%s", what);
    }
    if (ok && !what)
        return OPTIONS_RUN;
    usage_print_hint();
    return OPTIONS_WRONG;
}
