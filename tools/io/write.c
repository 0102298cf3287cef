/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/io/write.c - write, writev, aio_write.
 *
 * Concurrency: main thread only.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "tools/io/args.h"
#include "tools/io/transfer.h"

#define FILLED_WITH 0xcd

/* What cannot stand together; NULL = nothing. */
static const char *
write_conflict(const TransferWords *w)
{
    const bool *given = w->given;

    if (given['b'] && given['z'])
        return "-b and -z cannot be specified at the same time";
    if (given['f'] && (given['b'] || given['c']))
        return "-f and -b or -c cannot be specified at the same time";
    if (given['n'] && !given['z'])
        return "-n requires -z to be specified";
    if (given['u'] && !given['z'])
        return "-u requires -z to be specified";
    if (given['z'] + given['P'] + given['s'] > 1)
        return "Only one of -z, -P, and -s can be specified at the same time";
    return NULL;
}

static void
write_apply(Request *request, const TransferWords *words)
{
    unsigned flags = (words->given['f'] ? VD_REQ_FUA : 0) |
                     (words->given['u'] ? VD_REQ_MAY_UNMAP : 0) |
                     (words->given['n'] ? VD_REQ_NO_FALLBACK : 0) |
                     (words->given['c'] ? VD_REQ_COMPRESSED : 0);

    request->flags = (VdReqFlags) flags;
}

/* -- write ---------------------------------------------------------------- */

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
write_fill(Request *request, const TransferWords *words)
{
    if (words->given['z'])
        return true;
    return request_make_buffer(request, NULL, 0, words->pattern) &&
           (!words->source || fill_from_file(request, words->source));
}

static bool
io_write_run(Shell *shell, const ShellCommand *self, int argc, char **argv)
{
    g_autoptr(Request) request = request_new(shell, REQUEST_WRITE);
    TransferWords words = {.pattern = FILLED_WITH};

    if (!transfer_options(self, argc, argv, "bcCfnpP:qs:uz", request, &words))
        return false;
    if (argc - optind != 2)
        return args_usage(self);
    const char *conflict = write_conflict(&words);
    if (conflict) {
        puts(conflict);
        return false;
    }
    if (!transfer_range(request, argv + optind,
                        words.given['n'] ? NULL : " without -n") ||
        ((words.given['b'] || words.given['c']) &&
         !transfer_sectors(request)) ||
        !write_fill(request, &words))
        return false;
    if (words.given['b'])
        return transfer_no_vm_state("write");
    request->op = words.given['z'] ? REQUEST_ZEROES : REQUEST_WRITE;
    write_apply(request, &words);
    return request_finish(request, "write");
}

/* -- writev, aio_write ---------------------------------------------------- */

static bool
io_writev_run(Shell *shell, const ShellCommand *self, int argc, char **argv)
{
    g_autoptr(Request) request = request_new(shell, REQUEST_WRITE);
    TransferWords words = {.pattern = FILLED_WITH};

    if (!transfer_options(self, argc, argv, "CfqP:", request, &words) ||
        !transfer_pieces(self, request, argc, argv, words.pattern))
        return false;
    write_apply(request, &words);
    return request_finish(request, "writev");
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
    TransferWords words = {.pattern = FILLED_WITH};

    if (!transfer_options(self, argc, argv, "CfiP:quz", request, &words))
        return false;
    if (words.given['i']) {
        printf("injecting invalid write request\n");
        return true;
    }
    if (words.given['u'] && !words.given['z']) {
        printf("-u requires -z to be specified\n");
        return false;
    }
    if (!(words.given['z']
              ? zeroes_pieces(self, request, argc, argv)
              : transfer_pieces(self, request, argc, argv, words.pattern)))
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
            " -c, -- compressed, if the image stores it so; whole sectors\n"
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
