/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/io/reopen.c - reopen: the same disk in another way.
 *
 * Concurrency: main thread only.
 */
#include <getopt.h>
#include <string.h>

#include "tools/io/args.h"
#include "tools/optlist.h"
#include "tools/options.h"
#include "tools/output.h"

typedef struct {
    bool chosen; /* -r or -w was given */
    VdOpenFlags flags;
} ReopenWords;

static bool
reopen_access(ReopenWords *words, bool writable)
{
    if (words->chosen) {
        out_error("Only one -r/-w option may be given");
        return false;
    }
    words->chosen = true;
    words->flags = (VdOpenFlags) ((words->flags & ~(unsigned) VD_OPEN_RDWR) |
                                  (writable ? VD_OPEN_RDWR : 0));
    return true;
}

static bool
reopen_key(ReopenWords *words, const char *key, const char *value)
{
    bool on = !strcmp(value, "on");

    if (!strcmp(key, "discard"))
        return shell_set_discard(&words->flags, value);
    if (!strcmp(key, "read-only") && words->chosen) {
        out_error("Cannot set both -r/-w and 'read-only'");
        return false;
    }
    if (!strcmp(key, "read-only") && (on || !strcmp(value, "off")))
        return reopen_access(words, !on);
    out_error("Cannot change the option '%s'", key);
    return false;
}

/* The options one by one; those that are left would be the driver's own. */
static bool
reopen_list(ReopenWords *words, OptList *list)
{
    static const char *const known[] = {"discard", "read-only"};

    for (size_t i = 0; i < G_N_ELEMENTS(known); i++) {
        g_autofree char *value = optlist_take(list, known[i]);
        if (value && !reopen_key(words, known[i], value))
            return false;
    }
    g_autofree char *rest = optlist_join(list);
    if (!rest)
        return true;
    rest[strcspn(rest, "=")] = '\0';
    return reopen_key(words, rest, "");
}

/* Nobody else may get in between, but for a moment; if it cannot be opened in
 * the new way it is as before. */
static bool
reopen_as(Shell *shell, VdOpenFlags flags)
{
    VdOpenFlags before = shell->flags;

    if (before & VD_OPEN_TEMPORARY) {
        out_error("Cannot reopen what is temporary: it would be lost");
        return false;
    }
    if (!shell_close(shell))
        return false;
    shell->flags = flags;
    if (shell_open(shell))
        return true;
    shell->flags = before;
    (void) shell_open(shell); /* says itself if even that is impossible */
    return false;
}

static bool
io_reopen_run(Shell *shell, const ShellCommand *self, int argc, char **argv)
{
    g_autoptr(OptList) list = optlist_new();
    ReopenWords words = {.flags = shell->flags};
    bool ok = true;
    int code;

    args_begin();
    while (ok && (code = args_next(self, argc, argv, "c:o:rw")) != -1) {
        if (code == 'c')
            ok = shell_set_cache(&words.flags, optarg);
        else if (code == 'o')
            ok = opts_parse_list(list, optarg);
        else
            ok = code != '?' && reopen_access(&words, code == 'w');
    }
    if (!ok)
        return false;
    if (optind != argc)
        return args_usage(self);
    return reopen_list(&words, list) && reopen_as(shell, words.flags);
}

const ShellCommand io_reopen = {
    .name = "reopen",
    .args = "[(-r|-w)] [-c cache] [-o options]",
    .summary = "reopens an image with new options",
    .help = "Closes the disk and opens it in another way.\n\n"
            " -r, -- only for reading\n"
            " -w, -- for writing\n"
            " -c, -- cache mode\n"
            " -o, -- read-only=on|off, discard=unmap|ignore\n",
    .max_args = -1,
    .needs = NEEDS_DISK,
    .run = io_reopen_run,
};
