/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/cmd-serve.c - vdisk-img serve: what vdisk-nbd does.
 *
 * Concurrency: main thread only.
 */
#include "tools/img/commands.h"
#include "tools/serve/serve.h"

static const CmdOption serve_options[] = {
    SERVE_ROWS,
    CMD_ROWS_COMMON,
};

static int
cmd_serve_run(const Command *command, int argc, char **argv)
{
    return serve_main(command, argc, argv, NULL);
}

const Command cmd_serve = {
    .name = "serve",
    .summary = "serve images over NBD",
    .operands = "[FILE]",
    .example = "-t -k /run/disk.sock disk.vmdk",
    .options = serve_options,
    .usage_status = 1,
    .run = cmd_serve_run,
};
