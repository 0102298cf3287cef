/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/io/read.c - read, readv, aio_read.
 *
 * Concurrency: main thread only.
 */
#include <getopt.h>
#include <stdio.h>

#include "tools/io/args.h"
#include "tools/io/transfer.h"

#define FILLED_WITH 0xab /* a buffer that nothing was read into */

static void
read_apply(Request *request, const TransferWords *words)
{
    request->dump = words->given['v'];
    request->verify = words->given['P'];
    request->pattern = words->pattern;
    request->verify_off = words->start;
    request->verify_len =
        words->given['l'] ? words->len : request->len - words->start;
}

/* -- read ----------------------------------------------------------------- */

static bool
verify_fits(const TransferWords *words, uint64_t len)
{
    if (words->start <= len &&
        (!words->given['l'] || words->len <= len - words->start))
        return true;
    printf("pattern verification range exceeds end of read data\n");
    return false;
}

static bool
io_read_run(Shell *shell, const ShellCommand *self, int argc, char **argv)
{
    g_autoptr(Request) request = request_new(shell, REQUEST_READ);
    TransferWords words = {0};

    if (!transfer_options(self, argc, argv, "bCl:pP:qs:v", request, &words))
        return false;
    if (argc - optind != 2 ||
        ((words.given['s'] || words.given['l']) && !words.given['P']))
        return args_usage(self);
    if (!transfer_range(request, argv + optind, "") ||
        !verify_fits(&words, request->len))
        return false;
    if (words.given['b'])
        return transfer_sectors(request) && transfer_no_vm_state("read");
    if (!request_make_buffer(request, NULL, 0, FILLED_WITH))
        return false;
    read_apply(request, &words);
    return request_finish(request, "read");
}

/* -- readv, aio_read ------------------------------------------------------ */

static bool
io_readv_run(Shell *shell, const ShellCommand *self, int argc, char **argv)
{
    g_autoptr(Request) request = request_new(shell, REQUEST_READ);
    TransferWords words = {0};

    if (!transfer_options(self, argc, argv, "CP:qv", request, &words) ||
        !transfer_pieces(self, request, argc, argv, FILLED_WITH))
        return false;
    read_apply(request, &words);
    return request_finish(request, "readv");
}

static bool
io_aio_read_run(Shell *shell, const ShellCommand *self, int argc, char **argv)
{
    g_autoptr(Request) request = request_new(shell, REQUEST_READ);
    TransferWords words = {0};

    if (!transfer_options(self, argc, argv, "CP:iqv", request, &words))
        return false;
    if (words.given['i']) {
        printf("injecting invalid read request\n");
        return true;
    }
    if (!transfer_pieces(self, request, argc, argv, FILLED_WITH))
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
