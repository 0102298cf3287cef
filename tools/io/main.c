/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/io/main.c - vdisk-io: a context, perhaps a disk, and commands for it.
 *
 * Concurrency: single-threaded.
 */
#include <getopt.h>
#include <stdio.h>

#include "tools/io/input.h"
#include "tools/io/options.h"
#include "tools/output.h"
#include "tools/process.h"
#include "tools/signals.h"

bool
shell_interrupted(void)
{
    return signals_status(1) != 1;
}

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

/* Servers are logged in to before there is a context: until then a signal ends
 * the process. */
static int
shell_main(const MainWords *words, const char *word)
{
    const char *name = word ? vi_name(words->vi, word) : NULL;
    Shell shell = {.vi = words->vi, .misaligned = words->misaligned};
    bool ok = false;

    if ((word && !name) || !vi_connect(words->vi))
        return 1;
    shell.ctx = context_new(words);
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
    MainWords words = {
        .lines = lines, .flags = VD_OPEN_RDWR | VD_OPEN_UNMAP, .vi = vi_new()};

    process_prepare();
    out_init(argv[0]);
    int status = options_take(argc, argv, &words);
    if (status < 0)
        status = shell_main(&words, optind < argc ? argv[optind] : NULL);
    vi_free(words.vi);
    if (!out_finish() && status == 0)
        status = 1;
    return signals_status(status);
}
