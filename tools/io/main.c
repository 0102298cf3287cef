/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/io/main.c - vdisk-io: options, then commands from -c or line by line
 * from standard input.
 *
 * Concurrency: single-threaded.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/completion.h"
#include "tools/io/shell.h"
#include "tools/options.h"
#include "tools/output.h"
#include "tools/process.h"
#include "tools/signals.h"
#include "tools/trace.h"

#define LINE_MAX_BYTES (1 << 20)

enum { OPTION_OBJECT = 256, OPTION_IMAGE_OPTS, OPTION_COMPLETION };

typedef struct {
    GPtrArray *lines; /* of -c */
    const char *format, *engine;
    VdOpenFlags flags;
    bool native, misaligned;
} MainWords;

bool
shell_interrupted(void)
{
    return signals_status(1) != 1;
}

/* -- help ----------------------------------------------------------------- */

static const CmdOption io_options[] = {
    {OPTION_OBJECT, "object", "OBJECT",
     "secret,id=...: accepted for compatibility"},
    {OPTION_IMAGE_OPTS, "image-opts", NULL,
     "the file is given as driver=...,..."},
    {'c', "cmd", "STRING", "run this command; may be repeated"},
    {'f', "format", "FMT", "format of the image; default: probed"},
    {'r', "read-only", NULL, "open for reading only"},
    {'n', "nocache", NULL, "past the page cache, as -t none"},
    {'m', "misalign", NULL, "misaligned buffers"},
    {'k', "native-aio", NULL, "as -i native"},
    {'i', "aio", "threads|io_uring|native", "native, with -n: what works"},
    {'t', "cache", "CACHE", "none, writeback, writethrough, ..."},
    {'d', "discard", "unmap|ignore", "what discards do; default unmap"},
    {'T', "trace", "PATTERNS", "trace points to stderr"},
    {'U', "force-share", NULL, "although somebody writes to it; with -r"},
    {OPTION_COMPLETION, "completion", "bash|zsh|fish",
     "print a completion script"},
    {'h', "help", NULL, "this help"},
    {'V', "version", NULL, "the version"},
    {0},
};

/* Of qemu-io, and not to be had here. */
static const CmdOption refused_options[] = {
    {'s', "snapshot", NULL, NULL},
    {'C', "copy-on-read", NULL, NULL},
    {0},
};

static void
help_print(void)
{
    printf("Example: %s -c 'write -P 7 0 64k' -c 'read -vP 7 512 16' x.vmdk\n"
           "Usage:   %s [OPTIONS]... [-c STRING]... [file]\n"
           "run single requests against a disk image\n\n",
           out_program(), out_program());
    opts_print_table(io_options);
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
    if (!strcmp(mode, "threads"))
        words->engine = "threads";
    else if (!strcmp(mode, "io_uring"))
        words->engine = "uring";
    else if (!words->native)
        out_error("Invalid aio option: %s", mode);
    return words->native || words->engine;
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
        return refuse("temporary snapshots are");
    case 'C':
        return refuse("copy-on-read is");
    case OPTION_OBJECT:
        return object_check(optarg);
    case OPTION_IMAGE_OPTS:
        return flag_set(words, VD_OPEN_IMAGE_OPTS, 0);
    default:
        help_print();
        return false;
    }
}

/* -1: go on, else the exit code. */
static int
option_act(int code, MainWords *words)
{
    switch (code) {
    case 'h':
        help_print();
        return 0;
    case 'V':
        version_print();
        return 0;
    case OPTION_COMPLETION:
        return script_print(optarg);
    default:
        return option_take(code, words) ? -1 : 1;
    }
}

/* The same. */
static int
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
    help_print();
    return 1;
}

/* -- lines ---------------------------------------------------------------- */

/* The first line of @text, without its end; NULL if there is none yet (with
 * @last what is left counts as one). */
static char *
line_take(GString *text, bool last)
{
    const char *end = memchr(text->str, '\n', text->len);
    size_t len = end ? (size_t) (end - text->str) : text->len;

    if (!end && (!last || !len))
        return NULL;
    char *line = g_strndup(text->str, len);
    g_string_erase(text, 0, (gssize) (len + (end ? 1 : 0)));
    return line;
}

/* More of standard input, while requests under way go on.  False at its
 * end. */
static bool
input_wait(Shell *shell, GString *text)
{
    struct pollfd fds[] = {
        {.fd = STDIN_FILENO, .events = POLLIN},
        {.fd = vd_context_fd(shell->ctx), .events = POLLIN},
    };
    char bytes[4096];

    for (;;) {
        shell_turn(shell, 0);
        int ready =
            poll(fds, G_N_ELEMENTS(fds), vd_context_timeout_ms(shell->ctx));
        if (shell_interrupted() || (ready < 0 && errno != EINTR))
            return false;
        if (ready > 0 && fds[0].revents)
            break;
    }
    ssize_t got = read(STDIN_FILENO, bytes, sizeof(bytes));
    if (got <= 0 || text->len > LINE_MAX_BYTES)
        return false;
    g_string_append_len(text, bytes, got);
    return true;
}

static bool
input_run(Shell *shell)
{
    g_autoptr(GString) text = g_string_new(NULL);
    bool ok = true, more = true;

    while (!shell->finish && !shell_interrupted()) {
        printf("%s> ", out_program());
        fflush(stdout);
        char *line;
        while (!(line = line_take(text, !more)) && more)
            more = input_wait(shell, text);
        if (!line)
            break;
        ok = shell_run(shell, line) && ok;
        g_free(line);
    }
    return ok;
}

static bool
lines_run(Shell *shell, const GPtrArray *lines)
{
    bool ok = true;

    for (guint i = 0; i < lines->len && !shell->finish; i++)
        if (!shell_interrupted())
            ok = shell_run(shell, lines->pdata[i]) && ok;
    return ok;
}

/* -- all of it ------------------------------------------------------------ */

/* Warnings of several lines stand as QEMU's programs print them. */
static void
warning_take(const char *message, void *opaque)
{
    g_auto(GStrv) lines = g_strsplit(message, "\n", -1);

    if (!lines[0] || !lines[1]) {
        out_warning("%s", message);
        return;
    }
    g_autofree char *text = g_strjoinv("\n         ", lines);
    fflush(stdout);
    fprintf(stderr, "WARNING: %s\n", text);
}

static VdContext *
context_new(const MainWords *words)
{
    g_autoptr(GError) error = NULL;
    VdContextParams params = {
        .engine = words->engine, .fixed_thread = true, .warn = warning_take};
    VdContext *ctx = vd_context_new(&params, &error);

    if (!ctx)
        out_error("%s", error->message);
    return ctx;
}

/* The file that was named, if one was. */
static bool
file_open(Shell *shell, const MainWords *words, const char *name)
{
    if (!name)
        return true;
    if ((words->flags & VD_OPEN_IMAGE_OPTS) && words->format) {
        out_error("--image-opts and -f are mutually exclusive");
        return false;
    }
    if (words->native &&
        !shell_check_aio("native", words->flags & VD_OPEN_DIRECT, name))
        return false;
    shell->flags = words->flags;
    shell->name = g_strdup(name);
    shell->format = g_strdup(words->format);
    return shell_open(shell);
}

static int
shell_main(const MainWords *words, const char *name)
{
    Shell shell = {.ctx = context_new(words), .misaligned = words->misaligned};
    bool ok = false;

    if (!shell.ctx)
        return 1;
    signals_watch(shell.ctx);
    if (file_open(&shell, words, name))
        ok = words->lines->len ? lines_run(&shell, words->lines)
                               : input_run(&shell);
    ok = !shell_interrupted() && ok;
    if (!ok)
        vd_context_cancel_reset(shell.ctx); /* the close is not to be */
    ok = shell_close(&shell) && ok;
    signals_watch(NULL);
    vd_context_free(shell.ctx);
    g_clear_pointer(&shell.tags, g_ptr_array_unref);
    g_free(shell.name);
    g_free(shell.format);
    g_free(shell.options);
    return ok ? 0 : 1;
}

int
main(int argc, char **argv)
{
    g_autoptr(GPtrArray) lines = g_ptr_array_new();
    MainWords words = {.lines = lines, .flags = VD_OPEN_RDWR | VD_OPEN_UNMAP};

    process_prepare();
    out_init(argv[0]);
    int status = options_take(argc, argv, &words);
    if (status < 0)
        status = shell_main(&words, optind < argc ? argv[optind] : NULL);
    if (!out_finish() && status == 0)
        status = 1;
    return signals_status(status);
}
