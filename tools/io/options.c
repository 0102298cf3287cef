/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/io/options.c - the options of vdisk-io, and its help.
 *
 * Concurrency: main thread only (getopt).
 */
#include "tools/io/options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "tools/completion.h"
#include "tools/io/shell.h"
#include "tools/options.h"
#include "tools/output.h"
#include "tools/trace.h"

enum { OPTION_OBJECT = OPT_PRIVATE, OPTION_IMAGE_OPTS, OPTION_COMPLETION };

static const CmdOption io_options[] = {
    {OPTION_OBJECT, "object", "OBJECT",
     "secret,id=...: accepted for compatibility", true},
    {OPTION_IMAGE_OPTS, "image-opts", NULL,
     "the file is given as driver=...,..."},
    {'c', "cmd", "STRING", "run this command; may be repeated"},
    {'f', "format", "FMT", "format of the image; default: probed"},
    {'r', "read-only", NULL, "open for reading only"},
    {'s', "snapshot", NULL, "what is written is temporary"},
    {'n', "nocache", NULL, "past the page cache, as -t none"},
    {'m', "misalign", NULL, "misaligned buffers", true},
    {'k', "native-aio", NULL, "as -i native", true},
    {'i', "aio", "threads|io_uring|native", "native: Linux AIO, with -n"},
    {'t', "cache", "CACHE", "none, writeback, writethrough, ..."},
    {'d', "discard", "unmap|ignore", "what discards do; default unmap"},
    {'T', "trace", "PATTERNS", "trace points to stderr"},
    {'U', "force-share", NULL, "although somebody writes to it; with -r"},
    {OPTION_COMPLETION, "completion", "bash|zsh|fish",
     "print a completion script"},
    CMD_ROWS_VI,
    {'h', "help", "[all]", "this help; all: every option explained"},
    {'V', "version", NULL, "the version"},
    {0},
};

/* Of qemu-io, and not to be had here. */
static const CmdOption refused_options[] = {
    {'C', "copy-on-read", NULL, NULL},
    {0},
};

/* -- help ----------------------------------------------------------------- */

static void
help_print(bool all)
{
    printf("Example: %s -c 'write -P 7 0 64k' -c 'read -vP 7 512 16' x.vmdk\n"
           "Usage:   %s [OPTIONS]... [-c STRING]... [file]\n"
           "run single requests against a disk image\n\n",
           out_program(), out_program());
    opts_print_table(io_options, all);
    printf("Without -c commands come from standard input; \"%s -c help\" lists "
           "them.\n",
           out_program());
}

/* The exit code. */
static int
script_print(const char *shell)
{
    static const CompletionProgram program = {"vdisk-io", io_options, NULL};

    if (completion_print(&program, shell))
        return 0;
    out_error("Unknown shell '%s': " COMPLETION_SHELLS " are known", shell);
    return 1;
}

static void
version_print(void)
{
    printf("%s version %s\n%s\n", out_program(), vd_version(), vd_build_info());
}

/* -- options -------------------------------------------------------------- */

static bool
aio_take(MainWords *words, const char *mode)
{
    words->native = !strcmp(mode, "native");
    if (opts_match_engine(mode, &words->engine))
        return true;
    out_error("Invalid aio option: %s", mode);
    return false;
}

static bool
object_check(const char *text)
{
    g_autofree char *problem = opts_object_problem(text);

    if (problem)
        out_error("%s", problem);
    return !problem;
}

static bool
flag_set(MainWords *words, unsigned add, unsigned drop)
{
    words->flags = (VdOpenFlags) ((words->flags & ~drop) | add);
    return true;
}

static bool
refuse(const char *what)
{
    out_error("%s not supported", what);
    return false;
}

/* False: that is the end, with an exit code of 1. */
static bool
option_take(int code, MainWords *words)
{
    switch (code) {
    case 'c':
        g_ptr_array_add(words->lines, optarg);
        return true;
    case 'f':
        words->format = optarg;
        return true;
    case 'r':
        return flag_set(words, 0, VD_OPEN_RDWR);
    case 'n':
        return shell_set_cache(&words->flags, "none");
    case 'm':
        return words->misaligned = true;
    case 'k':
        return aio_take(words, "native");
    case 'i':
        return aio_take(words, optarg);
    case 't':
        return shell_set_cache(&words->flags, optarg);
    case 'd':
        return shell_set_discard(&words->flags, optarg);
    case 'T':
        return trace_set(optarg);
    case 'U':
        return flag_set(words, VD_OPEN_FORCE_SHARE, 0);
    case 's':
        return flag_set(words, VD_OPEN_TEMPORARY, 0);
    case 'C':
        return refuse("copy-on-read is");
    case OPTION_OBJECT:
        return object_check(optarg);
    case OPTION_IMAGE_OPTS:
        return flag_set(words, VD_OPEN_IMAGE_OPTS, 0);
    default:
        if (code < OPT_VI || code >= OPT_VI_END) {
            help_print(false);
            return false;
        }
        vi_take(words->vi, (ViOption) (code - OPT_VI), optarg);
        return true;
    }
}

/* The exit code. */
static int
help_act(const char *kind)
{
    if (kind && strcmp(kind, "all")) {
        out_error("Invalid kind of help: %s", kind);
        return 1;
    }
    help_print(kind != NULL);
    return 0;
}

/* -1: go on, else the exit code. */
static int
option_act(int code, MainWords *words)
{
    switch (code) {
    case 'h':
        return help_act(optarg);
    case 'V':
        version_print();
        return 0;
    case OPTION_COMPLETION:
        return script_print(optarg);
    default:
        return option_take(code, words) ? -1 : 1;
    }
}

int
options_take(int argc, char **argv, MainWords *words)
{
    g_autoptr(GArray) longs = g_array_new(TRUE, TRUE, sizeof(struct option));
    g_autoptr(GString) shorts = g_string_new(NULL);
    int code, status = -1;

    opts_getopt_tables(io_options, shorts, longs);
    opts_getopt_tables(refused_options, shorts, longs);
    argv[0] = (char *) out_program(); /* getopt's messages begin with it */
    while (status < 0 &&
           (code = getopt_long(argc, argv, shorts->str,
                               (struct option *) (void *) longs->data, NULL)) !=
               -1)
        status = option_act(code, words);
    if (status >= 0 || argc - optind <= 1)
        return status;
    help_print(false);
    return 1;
}
