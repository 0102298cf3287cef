/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/io/read.c - read, readv, aio_read.
 *
 * Concurrency: main thread only.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>

#include "tools/io/args.h"
#include "tools/io/request.h"

#define FILLED_WITH 0xab /* a buffer that nothing was read into */

typedef struct {
    ReportForm form;
    bool dump, verify, vm_state, invalid;
    bool has_start, has_len;
    uint8_t pattern;
    uint64_t start, len;
} ReadWords;

static bool
read_option(int code, ReadWords *words)
{
    switch (code) {
    case 'b':
        words->vm_state = true;
        return true;
    case 'C':
        words->form = REPORT_MACHINE;
        return true;
    case 'i':
        words->invalid = true;
        return true;
    case 'l':
        words->has_len = true;
        return args_size(optarg, &words->len);
    case 'p':
        return true;
    case 'P':
        words->verify = true;
        return args_pattern(optarg, &words->pattern);
    case 'q':
        words->form = REPORT_NONE;
        return true;
    case 's':
        words->has_start = true;
        return args_size(optarg, &words->start);
    case 'v':
        words->dump = true;
        return true;
    default:
        return false;
    }
}

static bool
read_options(const ShellCommand *self, int argc, char **argv,
             const char *letters, ReadWords *words)
{
    int code;

    args_begin();
    while ((code = args_next(self, argc, argv, letters)) != -1)
        if (!read_option(code, words))
            return false;
    return true;
}

static void
read_apply(Request *request, const ReadWords *words)
{
    request->form = words->form;
    request->dump = words->dump;
    request->verify = words->verify;
    request->pattern = words->pattern;
    request->verify_off = words->start;
    request->verify_len =
        words->has_len ? words->len : request->len - words->start;
}

static bool
read_run(Request *request, const char *what)
{
    if (request_run(request))
        return request_show_read(request);
    report_failure(what, request->error);
    return false;
}

/* -- read ----------------------------------------------------------------- */

static bool
read_range(char **words, Request *request)
{
    if (!args_size(words[0], &request->off) ||
        !args_size(words[1], &request->len))
        return false;
    if (request->len <= SHELL_MAX_BYTES)
        return true;
    printf("length cannot exceed %" PRIu64 ", given %s\n", SHELL_MAX_BYTES,
           words[1]);
    return false;
}

static bool
verify_fits(const ReadWords *words, uint64_t len)
{
    if (words->start <= len &&
        (!words->has_len || words->len <= len - words->start))
        return true;
    printf("pattern verification range exceeds end of read data\n");
    return false;
}

/* There is no state of a virtual machine in any of our formats. */
static bool
vm_state_missing(void)
{
    printf("read failed: Operation not supported\n");
    return false;
}

static bool
io_read_run(Shell *shell, const ShellCommand *self, int argc, char **argv)
{
    g_autoptr(Request) request = request_new(shell, REQUEST_READ);
    ReadWords words = {0};

    if (!read_options(self, argc, argv, "bCl:pP:qs:v", &words))
        return false;
    if (argc - optind != 2 ||
        ((words.has_start || words.has_len) && !words.verify))
        return args_usage(self);
    if (!read_range(argv + optind, request) ||
        !verify_fits(&words, request->len))
        return false;
    if (words.vm_state)
        return vm_state_missing();
    if (!request_make_buffer(request, NULL, 0, FILLED_WITH))
        return false;
    read_apply(request, &words);
    return read_run(request, "read");
}

/* -- readv, aio_read ------------------------------------------------------ */

static bool
read_pieces(const ShellCommand *self, Request *request, int argc, char **argv)
{
    g_autofree size_t *sizes = g_new(size_t, argc);
    int n = argc - optind - 1;

    if (n < 1)
        return args_usage(self);
    return args_size(argv[optind], &request->off) &&
           args_vector(argv + optind + 1, n, sizes, &request->len) &&
           request_make_buffer(request, sizes, n, FILLED_WITH);
}

static bool
io_readv_run(Shell *shell, const ShellCommand *self, int argc, char **argv)
{
    g_autoptr(Request) request = request_new(shell, REQUEST_READ);
    ReadWords words = {0};

    if (!read_options(self, argc, argv, "CP:qv", &words) ||
        !read_pieces(self, request, argc, argv))
        return false;
    read_apply(request, &words);
    return read_run(request, "readv");
}

static bool
io_aio_read_run(Shell *shell, const ShellCommand *self, int argc, char **argv)
{
    g_autoptr(Request) request = request_new(shell, REQUEST_READ);
    ReadWords words = {0};

    if (!read_options(self, argc, argv, "CP:iqv", &words))
        return false;
    if (words.invalid) {
        printf("injecting invalid read request\n");
        return true;
    }
    if (!read_pieces(self, request, argc, argv))
        return false;
    read_apply(request, &words);
    request_start(g_steal_pointer(&request));
    return true;
}

#define READ_HELP                                                              \
    " -C, -- numbers between commas: bytes, requests, time, both by seconds\n" \
    " -P, -- every byte read must be this one\n"                               \
    " -q, -- say nothing of success, and dump nothing\n"                       \
    " -v, -- dump what was read\n"

const ShellCommand io_read = {
    .name = "read",
    .brief = "r",
    .args = "[-abCqv] [-P pattern [-s off] [-l len]] off len",
    .summary = "reads a number of bytes at a specified offset",
    .help = "Reads at any offset, e.g. 'read -v 512 1k'.\n\n" READ_HELP
            " -s, -l, -- offset and length of what -P is about, counted from "
            "the first byte read\n"
            " -b, -- the state of a virtual machine: no format here has one\n"
            " -p, -- accepted, without effect\n",
    .min_args = 2,
    .max_args = -1,
    .needs = NEEDS_DISK,
    .run = io_read_run,
};

const ShellCommand io_readv = {
    .name = "readv",
    .args = "[-Cqv] [-P pattern] off len [len..]",
    .summary = "reads a number of bytes at a specified offset",
    .help = "One request into one buffer for each length, e.g. 'readv 0 1k "
            "2k'.\n\n" READ_HELP,
    .min_args = 2,
    .max_args = -1,
    .needs = NEEDS_DISK,
    .run = io_readv_run,
};

const ShellCommand io_aio_read = {
    .name = "aio_read",
    .args = "[-Ciqv] [-P pattern] off len [len..]",
    .summary = "asynchronously reads a number of bytes",
    .help = "As readv, but does not wait: what becomes of it is told later, at "
            "the\nlatest by aio_flush, and does not count as a failure of the "
            "command.\n\n" READ_HELP " -i, -- only say so\n",
    .min_args = 2,
    .max_args = -1,
    .needs = NEEDS_DISK,
    .run = io_aio_read_run,
};
