/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/io/transfer.c - options and ranges of reads, writes and discards.
 *
 * Concurrency: main thread only (getopt).
 */
#include "tools/io/transfer.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>

#include "tools/io/args.h"

static bool
transfer_option(int code, Request *request, TransferWords *words)
{
    words->given[code] = true;
    switch (code) {
    case 'C':
        request->form = REPORT_MACHINE;
        return true;
    case 'q':
        request->form = REPORT_NONE;
        return true;
    case 'P':
        return args_pattern(optarg, &words->pattern);
    case 'l':
        return args_size(optarg, &words->len);
    case 's':
        words->source = optarg;
        return request->op != REQUEST_READ || args_size(optarg, &words->start);
    default:
        return code != '?';
    }
}

bool
transfer_options(const ShellCommand *self, int argc, char **argv,
                 const char *letters, Request *request, TransferWords *words)
{
    int code;

    args_begin();
    while ((code = args_next(self, argc, argv, letters)) != -1)
        if (!transfer_option(code, request, words))
            return false;
    return true;
}

bool
transfer_range(Request *request, char **words, const char *unless)
{
    if (!args_size(words[0], &request->off) ||
        !args_size(words[1], &request->len))
        return false;
    if (request->len <= SHELL_MAX_BYTES || !unless)
        return true;
    printf("length cannot exceed %" PRIu64 "%s, given %s\n", SHELL_MAX_BYTES,
           unless, words[1]);
    return false;
}

bool
transfer_sectors(const Request *request)
{
    bool whole = request->off % SHELL_SECTOR == 0;

    if (whole && request->len % SHELL_SECTOR == 0)
        return true;
    printf("%" PRIu64 " is not a sector-aligned value for '%s'\n",
           whole ? request->len : request->off, whole ? "count" : "offset");
    return false;
}

bool
transfer_no_vm_state(const char *name)
{
    printf("%s failed: Operation not supported\n", name);
    return false;
}

bool
transfer_pieces(const ShellCommand *self, Request *request, int argc,
                char **argv, uint8_t byte)
{
    g_autofree size_t *sizes = g_new(size_t, argc);
    int n = argc - optind - 1;

    if (n < 1)
        return args_usage(self);
    return args_size(argv[optind], &request->off) &&
           args_vector(argv + optind + 1, n, sizes, &request->len) &&
           request_make_buffer(request, sizes, n, byte);
}
