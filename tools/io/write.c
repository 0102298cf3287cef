/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/io/write.c - write, writev, aio_write.
 *
 * Concurrency: main thread only.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/io/args.h"
#include "tools/io/request.h"

#define FILLED_WITH 0xcd

typedef struct {
    ReportForm form;
    bool vm_state, compressed, fua, invalid, no_fallback, unmap, zeroes;
    bool has_pattern;
    uint8_t pattern;
    const char *source; /* a file to fill the buffer from */
} WriteWords;

static bool
write_option(int code, WriteWords *words)
{
    switch (code) {
    case 'b':
        words->vm_state = true;
        return true;
    case 'c':
        words->compressed = true;
        return true;
    case 'C':
        words->form = REPORT_MACHINE;
        return true;
    case 'f':
        words->fua = true;
        return true;
    case 'i':
        words->invalid = true;
        return true;
    case 'n':
        words->no_fallback = true;
        return true;
    case 'p':
        return true;
    case 'P':
        words->has_pattern = true;
        return args_pattern(optarg, &words->pattern);
    case 'q':
        words->form = REPORT_NONE;
        return true;
    case 's':
        words->source = optarg;
        return true;
    case 'u':
        words->unmap = true;
        return true;
    case 'z':
        words->zeroes = true;
        return true;
    default:
        return false;
    }
}

static bool
write_options(const ShellCommand *self, int argc, char **argv,
              const char *letters, WriteWords *words)
{
    int code;

    *words = (WriteWords){.pattern = FILLED_WITH};
    args_begin();
    while ((code = args_next(self, argc, argv, letters)) != -1)
        if (!write_option(code, words))
            return false;
    return true;
}

/* What cannot stand together; NULL = nothing. */
static const char *
write_conflict(const WriteWords *w)
{
    if (w->vm_state && w->zeroes)
        return "-b and -z cannot be specified at the same time";
    if (w->fua && (w->vm_state || w->compressed))
        return "-f and -b or -c cannot be specified at the same time";
    if (w->no_fallback && !w->zeroes)
        return "-n requires -z to be specified";
    if (w->unmap && !w->zeroes)
        return "-u requires -z to be specified";
    if (w->zeroes + w->has_pattern + (w->source != NULL) > 1)
        return "Only one of -z, -P, and -s can be specified at the same time";
    return NULL;
}

static void
write_apply(Request *request, const WriteWords *words)
{
    unsigned flags = (words->fua ? VD_REQ_FUA : 0) |
                     (words->unmap ? VD_REQ_MAY_UNMAP : 0) |
                     (words->no_fallback ? VD_REQ_NO_FALLBACK : 0);

    request->form = words->form;
    request->flags = (VdReqFlags) flags;
}

static bool
write_run(Request *request, const char *what)
{
    if (!request_run(request)) {
        report_failure(what, request->error);
        return false;
    }
    report_done(request->form, "wrote", request->off, request->len,
                request->ended - request->begun);
    return true;
}

/* -- write ---------------------------------------------------------------- */

static bool
write_range(char **words, bool unbounded, Request *request)
{
    if (!args_size(words[0], &request->off) ||
        !args_size(words[1], &request->len))
        return false;
    if (request->len <= SHELL_MAX_BYTES || unbounded)
        return true;
    printf("length cannot exceed %" PRIu64 " without -n, given %s\n",
           SHELL_MAX_BYTES, words[1]);
    return false;
}

/* The file's bytes, over and over. */
static bool
fill_from_file(Request *request, const char *path)
{
    FILE *file = fopen(path, "rb");

    if (!file) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return false;
    }
    size_t len = (size_t) request->len;
    size_t got = fread(request->bytes, 1, MAX(len, 1), file);
    bool failed = ferror(file);
    fclose(file);
    if (failed || got == 0) {
        fprintf(stderr, "%s: %s\n", path,
                failed ? "cannot be read" : "file is empty");
        return false;
    }
    for (size_t i = got; i < len; i++)
        request->bytes[i] = request->bytes[i - got];
    return true;
}

static bool
write_fill(Request *request, const WriteWords *words)
{
    if (words->zeroes)
        return true;
    return request_make_buffer(request, NULL, 0, words->pattern) &&
           (!words->source || fill_from_file(request, words->source));
}

/* No format of ours holds the state of a virtual machine, and those that
 * compress are written once, by a copy. */
static bool
is_unknown_here(const WriteWords *words)
{
    return words->vm_state || (words->compressed && !words->zeroes);
}

static bool
io_write_run(Shell *shell, const ShellCommand *self, int argc, char **argv)
{
    g_autoptr(Request) request = request_new(shell, REQUEST_WRITE);
    WriteWords words;

    if (!write_options(self, argc, argv, "bcCfnpP:qs:uz", &words))
        return false;
    if (argc - optind != 2)
        return args_usage(self);
    const char *conflict = write_conflict(&words);
    if (conflict) {
        puts(conflict);
        return false;
    }
    if (!write_range(argv + optind, words.no_fallback, request) ||
        !write_fill(request, &words))
        return false;
    if (is_unknown_here(&words)) {
        puts("write failed: Operation not supported");
        return false;
    }
    request->op = words.zeroes ? REQUEST_ZEROES : REQUEST_WRITE;
    write_apply(request, &words);
    return write_run(request, "write");
}

/* -- writev, aio_write ---------------------------------------------------- */

static bool
write_pieces(const ShellCommand *self, Request *request, int argc, char **argv,
             uint8_t pattern)
{
    g_autofree size_t *sizes = g_new(size_t, argc);
    int n = argc - optind - 1;

    if (n < 1)
        return args_usage(self);
    return args_size(argv[optind], &request->off) &&
           args_vector(argv + optind + 1, n, sizes, &request->len) &&
           request_make_buffer(request, sizes, n, pattern);
}

static bool
io_writev_run(Shell *shell, const ShellCommand *self, int argc, char **argv)
{
    g_autoptr(Request) request = request_new(shell, REQUEST_WRITE);
    WriteWords words;

    if (!write_options(self, argc, argv, "CfqP:", &words) ||
        !write_pieces(self, request, argc, argv, words.pattern))
        return false;
    write_apply(request, &words);
    return write_run(request, "writev");
}

static bool
zeroes_pieces(const ShellCommand *self, Request *request, int argc, char **argv)
{
    request->op = REQUEST_ZEROES;
    if (argc - optind < 2)
        return args_usage(self);
    if (argc - optind == 2)
        return args_size(argv[optind], &request->off) &&
               args_size(argv[optind + 1], &request->len);
    printf("-z supports only a single length parameter\n");
    return false;
}

static bool
io_aio_write_run(Shell *shell, const ShellCommand *self, int argc, char **argv)
{
    g_autoptr(Request) request = request_new(shell, REQUEST_WRITE);
    WriteWords words;

    if (!write_options(self, argc, argv, "CfiP:quz", &words))
        return false;
    if (words.invalid) {
        printf("injecting invalid write request\n");
        return true;
    }
    if (words.unmap && !words.zeroes) {
        printf("-u requires -z to be specified\n");
        return false;
    }
    if (!(words.zeroes
              ? zeroes_pieces(self, request, argc, argv)
              : write_pieces(self, request, argc, argv, words.pattern)))
        return false;
    write_apply(request, &words);
    request_start(g_steal_pointer(&request));
    return true;
}

#define WRITE_HELP                                                             \
    "Without -P the bytes written are 0xcd.\n\n"                               \
    " -C, -- numbers between commas: bytes, requests, time, both by seconds\n" \
    " -f, -- durable when done\n"                                              \
    " -P, -- write this byte\n"                                                \
    " -q, -- say nothing of success\n"

const ShellCommand io_write = {
    .name = "write",
    .brief = "w",
    .args = "[-bcCfnquz] [-P pattern | -s source_file] off len",
    .summary = "writes a number of bytes at a specified offset",
    .help = "Writes at any offset, e.g. 'write -P 7 512 1k'.\n\n" WRITE_HELP
            " -s, -- write the bytes of this file, over and over\n"
            " -z, -- write zeroes, without sending any\n"
            " -u, -- with -z: space may be given back\n"
            " -n, -- with -z: fail rather than send zeroes\n"
            " -c, -- compressed: no format here can do that in place\n"
            " -b, -- the state of a virtual machine: no format here has one\n"
            " -p, -- accepted, without effect\n",
    .min_args = 2,
    .max_args = -1,
    .needs = NEEDS_DISK | NEEDS_WRITABLE,
    .run = io_write_run,
};

const ShellCommand io_writev = {
    .name = "writev",
    .args = "[-Cfq] [-P pattern] off len [len..]",
    .summary = "writes a number of bytes at a specified offset",
    .help = "One request from one buffer for each length, e.g. 'writev 0 1k "
            "2k'.\n\n" WRITE_HELP,
    .min_args = 2,
    .max_args = -1,
    .needs = NEEDS_DISK | NEEDS_WRITABLE,
    .run = io_writev_run,
};

const ShellCommand io_aio_write = {
    .name = "aio_write",
    .args = "[-Cfiquz] [-P pattern] off len [len..]",
    .summary = "asynchronously writes a number of bytes",
    .help = "As writev, but does not wait: what becomes of it is told later, "
            "at the\nlatest by aio_flush, and does not count as a failure of "
            "the command.\n\n" WRITE_HELP
            " -z, -- write zeroes, without sending any\n"
            " -u, -- with -z: space may be given back\n"
            " -i, -- only say so\n",
    .min_args = 2,
    .max_args = -1,
    .needs = NEEDS_DISK | NEEDS_WRITABLE,
    .run = io_aio_write_run,
};
