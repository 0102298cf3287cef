/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/io/flush.c - flush, aio_flush, discard, truncate: what changes a disk
 * without giving it data.
 *
 * Concurrency: main thread only.
 */
#include <getopt.h>
#include <string.h>

#include "tools/io/args.h"
#include "tools/io/transfer.h"
#include "tools/output.h"

static bool
io_flush_run(Shell *shell, const ShellCommand *self, int argc, char **argv)
{
    g_autoptr(Request) request = request_new(shell, REQUEST_FLUSH);

    if (request_run(request))
        return true;
    report_detail(request->error);
    return false;
}

static bool
io_aio_flush_run(Shell *shell, const ShellCommand *self, int argc, char **argv)
{
    shell_drain(shell);
    return true;
}

/* -- discard -------------------------------------------------------------- */

static bool
io_discard_run(Shell *shell, const ShellCommand *self, int argc, char **argv)
{
    g_autoptr(Request) request = request_new(shell, REQUEST_DISCARD);
    TransferWords words = {0};

    if (!transfer_options(self, argc, argv, "Cq", request, &words))
        return false;
    if (argc - optind != 2)
        return args_usage(self);
    return transfer_range(request, argv + optind, "") &&
           request_finish(request, "discard");
}

/* -- truncate ------------------------------------------------------------- */

static bool
prealloc_parse(const char *text, VdPrealloc *prealloc)
{
    static const char *const names[] = {
        [VD_PREALLOC_OFF] = "off",
        [VD_PREALLOC_METADATA] = "metadata",
        [VD_PREALLOC_FALLOC] = "falloc",
        [VD_PREALLOC_FULL] = "full",
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        if (!strcmp(names[i], text)) {
            *prealloc = (VdPrealloc) i;
            return true;
        }
    }
    out_error("Invalid preallocation mode '%s'", text);
    return false;
}

static bool
io_truncate_run(Shell *shell, const ShellCommand *self, int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    VdResizeParams params = {
        .shrink = true, .discard_tail = true, .update_geometry = true};
    uint64_t size;
    int code;

    args_begin();
    while ((code = args_next(self, argc, argv, "m:")) != -1)
        if (code == '?' || !prealloc_parse(optarg, &params.prealloc))
            return false;
    if (optind >= argc)
        return args_usage(self);
    if (!args_size(argv[optind], &size))
        return false;
    if (vd_disk_resize(shell->disk, size, &params, &error))
        return true;
    out_error("%s", error->message);
    return false;
}

const ShellCommand io_flush = {
    .name = "flush",
    .brief = "f",
    .summary = "flush all in-core file state to disk",
    .needs = NEEDS_DISK,
    .run = io_flush_run,
};

const ShellCommand io_aio_flush = {
    .name = "aio_flush",
    .summary = "completes all outstanding aio requests",
    .needs = NEEDS_DISK,
    .run = io_aio_flush_run,
};

const ShellCommand io_discard = {
    .name = "discard",
    .brief = "d",
    .args = "[-Cq] off len",
    .summary = "discards a number of bytes at a specified offset",
    .help = "Gives space back, unless the disk was opened with "
            "discard=ignore."
            "\n\n"
            " -C, -- numbers between commas: bytes, requests, time, both by "
            "seconds\n"
            " -q, -- say nothing of success\n",
    .min_args = 2,
    .max_args = -1,
    .needs = NEEDS_DISK | NEEDS_WRITABLE,
    .run = io_discard_run,
};

const ShellCommand io_truncate = {
    .name = "truncate",
    .brief = "t",
    .args = "[-m prealloc_mode] off",
    .summary = "truncates the current file at the given offset",
    .help = "The size of the disk becomes off, what is added reads as "
            "zeroes.\n\n"
            " -m, -- what is done for it: off, metadata, falloc, full\n",
    .min_args = 1,
    .max_args = 3,
    .needs = NEEDS_DISK | NEEDS_WRITABLE,
    .run = io_truncate_run,
};
