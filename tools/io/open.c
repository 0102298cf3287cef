/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/io/open.c - open, close, and the modes that reopen and the program
 * know, too.
 *
 * Concurrency: main thread only.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "tools/io/args.h"
#include "tools/io/report.h"
#include "tools/optlist.h"
#include "tools/options.h"
#include "tools/output.h"

#define CACHE_FLAGS (VD_OPEN_DIRECT | VD_OPEN_WRITETHROUGH | VD_OPEN_NO_FLUSH)

/* -- modes ---------------------------------------------------------------- */

bool
shell_set_cache(VdOpenFlags *flags, const char *mode)
{
    VdOpenFlags cache;

    if (!opts_parse_cache("cache", mode, &cache))
        return false;
    *flags = (VdOpenFlags) ((*flags & ~(unsigned) CACHE_FLAGS) | cache);
    return true;
}

bool
shell_set_discard(VdOpenFlags *flags, const char *mode)
{
    bool unmap = !strcmp(mode, "unmap") || !strcmp(mode, "on");

    if (!unmap && strcmp(mode, "ignore") && strcmp(mode, "off")) {
        out_error("Invalid discard option: %s", mode);
        return false;
    }
    *flags = (VdOpenFlags) ((*flags & ~(unsigned) VD_OPEN_UNMAP) |
                            (unmap ? VD_OPEN_UNMAP : 0));
    return true;
}

bool
shell_check_aio(const char *mode, bool direct, const char *name)
{
    if (strcmp(mode, "native"))
        return true;
    if (direct)
        return true;
    out_error("can't open device %s: aio=native was specified, but it requires "
              "cache.direct=on, which was not specified.",
              name);
    return false;
}

static bool
aio_known(const char *mode)
{
    if (!strcmp(mode, "threads") || !strcmp(mode, "native") ||
        !strcmp(mode, "io_uring"))
        return true;
    out_error("Invalid aio option: %s", mode);
    return false;
}

/* -- opening -------------------------------------------------------------- */

static void
open_failed(const Shell *shell, const char *reason)
{
    if (!shell->name || (shell->flags & VD_OPEN_IMAGE_OPTS))
        out_error("can't open: %s", reason);
    else
        out_error("can't open device %s: %s", shell->name, reason);
}

bool
shell_open(Shell *shell)
{
    g_autoptr(GError) error = NULL;

    if ((shell->flags & VD_OPEN_FORCE_SHARE) && (shell->flags & VD_OPEN_RDWR)) {
        open_failed(shell, "force-share=on can only be used with read-only "
                           "images");
        return false;
    }
    if (!vi_connect(shell->vi))
        return false;
    shell->disk = vd_disk_open(shell->ctx, shell->name, shell->format,
                               shell->options, shell->flags, &error);
    if (!shell->disk)
        open_failed(shell, error->message);
    return shell->disk != NULL;
}

bool
shell_close(Shell *shell)
{
    g_autoptr(GError) error = NULL;

    if (!shell->disk)
        return true;
    shell_forget_breaks(shell);
    shell_drain(shell);
    if (vd_disk_close(g_steal_pointer(&shell->disk), &error))
        return true;
    out_error("Could not close '%s': %s", shell->name, error->message);
    return false;
}

static void
shell_name(Shell *shell, const char *name, char *format, char *options)
{
    g_free(shell->name);
    g_free(shell->format);
    g_free(shell->options);
    shell->name = g_strdup(name);
    shell->format = format;
    shell->options = options;
}

/* "driver" is said apart from the other options when there is a name. */
static bool
open_named(Shell *shell, const char *name, OptList *list)
{
    char *format = name ? optlist_take(list, "driver") : NULL;
    char *options = optlist_join(list);

    if (!name) {
        shell->flags = (VdOpenFlags) (shell->flags | VD_OPEN_IMAGE_OPTS);
        shell_name(shell, options ? options : "", NULL, NULL);
        g_free(options);
    } else {
        shell_name(shell, name, format, options);
    }
    return shell_open(shell);
}

/* @list takes what -o says.  False after a message. */
static bool
open_option(int code, VdOpenFlags *flags, OptList *list, const char **aio)
{
    switch (code) {
    case 'r':
        *flags = (VdOpenFlags) (*flags & ~(unsigned) VD_OPEN_RDWR);
        return true;
    case 'n':
        return shell_set_cache(flags, "none");
    case 'U':
        *flags = (VdOpenFlags) (*flags | VD_OPEN_FORCE_SHARE);
        return true;
    case 'k':
        *aio = "native";
        return true;
    case 'i':
        *aio = optarg;
        return aio_known(optarg);
    case 't':
        return shell_set_cache(flags, optarg);
    case 'd':
        return shell_set_discard(flags, optarg);
    case 'o':
        return opts_parse_list(list, optarg);
    case 's':
        *flags = (VdOpenFlags) (*flags | VD_OPEN_TEMPORARY);
        return true;
    case 'C':
        out_error("copy-on-read is not supported");
        return false;
    default:
        return false;
    }
}

static bool
io_open_run(Shell *shell, const ShellCommand *self, int argc, char **argv)
{
    g_autoptr(OptList) list = optlist_new();
    VdOpenFlags flags = (VdOpenFlags) (VD_OPEN_RDWR | VD_OPEN_UNMAP);
    const char *aio = "threads";
    int code;

    args_begin();
    while ((code = args_next(self, argc, argv, "snCro:ki:t:d:U")) != -1)
        if (!open_option(code, &flags, list, &aio))
            return false;
    if (argc - optind > 1 || (optind == argc && optlist_is_empty(list)))
        return args_usage(self);
    if (shell->disk) {
        out_error("file open already, try 'help close'");
        return false;
    }
    const char *name = optind < argc ? vi_name(shell->vi, argv[optind]) : NULL;
    if (optind < argc && !name)
        return false;
    if (!shell_check_aio(aio, flags & VD_OPEN_DIRECT, name ? name : ""))
        return false;
    shell->flags = flags;
    return open_named(shell, name, list);
}

static bool
io_close_run(Shell *shell, const ShellCommand *self, int argc, char **argv)
{
    return shell_close(shell);
}

const ShellCommand io_open = {
    .name = "open",
    .brief = "o",
    .args = "[-rsCnkU] [-t cache] [-d discard] [-o options] [path]",
    .summary = "open the file specified by path",
    .help = "Opens a disk for the commands that follow, e.g. 'open -o "
            "driver=raw x.img'.\n\n"
            " -r, -- only for reading\n"
            " -n, -- past the page cache, as -t none\n"
            " -U, -- although somebody writes to it; with -r\n"
            " -k, -- as -i native\n"
            " -i, -- threads, native or io_uring; the program's own -i "
            "decides\n"
            " -t, -- cache mode: none, writeback, writethrough, directsync, "
            "unsafe\n"
            " -d, -- what discard does: unmap or ignore\n"
            " -o, -- options for opening, k=v,...\n"
            " -s, -- what is written is temporary\n"
            " -C, -- copy on read: not to be had here\n",
    .min_args = 1,
    .max_args = -1,
    .run = io_open_run,
};

const ShellCommand io_close = {
    .name = "close",
    .brief = "c",
    .summary = "close the current open file",
    .needs = NEEDS_DISK,
    .run = io_close_run,
};
