/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/cmd-ls.c - vdisk-img ls: what is in a directory of a file system
 * that disks can be opened in.
 *
 * What cannot be read is told behind the rest, and the command fails then.
 *
 * Concurrency: main thread only.
 */
#include <inttypes.h>
#include <stdio.h>

#include "tools/images.h"
#include "tools/img/commands.h"
#include "tools/json.h"
#include "tools/output.h"

static const CmdOption ls_options[] = {
    {'l', "long", NULL, "also mode, owner, size and time of change"},
    {'R', "recursive", NULL, "also what is in the directories below"},
    CMD_ROWS_COMMON,
};

/* As ls has them and as JSON has them; in the order of VdFileKind. */
static const char letters[] = "-dl-b?";
static const char *const words[] = {"file",   "directory", "symlink",
                                    "system", "rdm",       "unknown"};

/* -- for people ------------------------------------------------------------ */

static void
mode_text(const VdFileEntry *entry, char text[11])
{
    static const char bits[] = "rwxrwxrwx";

    text[0] = letters[entry->kind];
    for (unsigned i = 0; i < 9; i++)
        text[1 + i] = entry->mode >> (8 - i) & 1 ? bits[i] : '-';
    text[10] = '\0';
}

static char *
time_text(int64_t seconds)
{
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(seconds);

    return time ? g_date_time_format(time, "%Y-%m-%d %H:%M:%S") : g_strdup("-");
}

static void
print_long(const VdFileEntry *entry)
{
    g_autofree char *time = time_text(entry->mtime_s);
    char mode[11];

    mode_text(entry, mode);
    printf("%s %5" PRIu32 " %5" PRIu32 " %15" PRIu64 " %s %s%s%s\n", mode,
           entry->uid, entry->gid, entry->size, time, entry->label,
           entry->target ? " -> " : "", entry->target ? entry->target : "");
}

static void
print_human(const GPtrArray *entries, bool is_long)
{
    for (guint i = 0; i < entries->len; i++) {
        const VdFileEntry *entry = entries->pdata[i];

        if (is_long)
            print_long(entry);
        else
            printf("%s\n", entry->label);
    }
}

/* -- JSON ------------------------------------------------------------------ */

static GVariant *
entry_to_variant(const VdFileEntry *entry)
{
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;

    json_add_string(&object, "name", entry->name);
    json_add_string(&object, "type", words[entry->kind]);
    json_add_uint(&object, "size", entry->size);
    if (entry->allocated >= 0)
        json_add_uint(&object, "allocated", (uint64_t) entry->allocated);
    json_add_uint(&object, "mode", entry->mode);
    json_add_uint(&object, "uid", entry->uid);
    json_add_uint(&object, "gid", entry->gid);
    json_add_uint(&object, "mtime", (uint64_t) entry->mtime_s);
    if (entry->target)
        json_add_string(&object, "target", entry->target);
    if (entry->problem)
        json_add_string(&object, "problem", entry->problem);
    return g_variant_builder_end(&object);
}

static void
print_json(const GPtrArray *entries)
{
    g_auto(GVariantBuilder) list =
        G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("aa{sv}"));

    for (guint i = 0; i < entries->len; i++)
        g_variant_builder_add_value(&list, entry_to_variant(entries->pdata[i]));
    json_print(g_variant_builder_end(&list), JSON_AS_GIVEN);
}

/* -- the command ----------------------------------------------------------- */

static bool
tell_problems(const GPtrArray *entries)
{
    bool any = false;

    for (guint i = 0; i < entries->len; i++) {
        const VdFileEntry *entry = entries->pdata[i];

        if (!entry->problem)
            continue;
        any = true;
        out_error("%s: %s", entry->label, entry->problem);
    }
    return any;
}

static int
ls_run(const CommonOptions *common, const char *name, unsigned flags,
       bool is_long)
{
    g_autoptr(GPtrArray) entries = NULL;
    g_autoptr(GError) error = NULL;
    VdContext *ctx = image_context_new(common);

    if (!ctx)
        return 1;
    entries = vd_list_directory(ctx, name, flags, &error);
    if (!entries)
        out_failure(name, error, "Could not list '%s': %s", name,
                    error->message);
    else if (common->json)
        print_json(entries);
    else
        print_human(entries, is_long);
    vd_context_free(ctx);
    return entries && !tell_problems(entries) ? 0 : 1;
}

static int
cmd_ls_run(const Command *command, int argc, char **argv)
{
    g_autoptr(OptParser) parser = opts_begin(command, argc, argv);
    bool is_long = false;
    unsigned flags = 0;
    int code;

    while ((code = opts_next(parser)) > 0) {
        if (code == 'l')
            is_long = true;
        else
            flags |= VD_LIST_RECURSIVE;
    }
    if (code == OPTS_STOP)
        return opts_status(parser);
    if (opts_n_operands(parser) != 1)
        return opts_fail_try(parser, "Expecting one directory name");
    return ls_run(opts_common(parser), opts_operands(parser)[0], flags,
                  is_long);
}

const Command cmd_ls = {
    .name = "ls",
    .summary = "list a directory of a datastore's file system",
    .operands = "DIRECTORY",
    .example = "-l vmfs:/dev/sdb:/vm",
    .options = ls_options,
    .usage_status = 1,
    .run = cmd_ls_run,
};
