/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/nbd/main.c - vdisk-nbd: a server of images over NBD.
 *
 * Concurrency: main thread only.
 */
#include <stdio.h>

#include "tools/completion.h"
#include "tools/output.h"
#include "tools/process.h"
#include "tools/requests.h"
#include "tools/serve/serve.h"
#include "tools/signals.h"
#include "tools/trace.h"

enum { NBD_COMPLETION = SERVE_PRIVATE };

static const CmdOption nbd_options[] = {
    SERVE_ROWS,
    {'T', "trace", "PATTERNS", "trace points to stderr", true},
    {NBD_COMPLETION, "completion", "bash|zsh|fish", "print a completion script",
     true},
    {'V', "version", NULL, "the version", true},
    CMD_ROWS_COMMON,
};

static int
print_version(void)
{
    printf("%s version %s\n%s\n", out_program(), vd_version(), vd_build_info());
    return 0;
}

static int
print_completion(const char *shell)
{
    static const CompletionProgram program = {"vdisk-nbd", nbd_options, NULL};

    if (completion_print(&program, shell))
        return 0;
    out_error("Unknown shell '%s': " COMPLETION_SHELLS " are known", shell);
    return 1;
}

static int
own_option(int code, const char *arg)
{
    switch (code) {
    case 'V':
        return print_version();
    case 'T':
        return trace_set(arg) ? -1 : 1;
    default:
        return print_completion(arg);
    }
}

static int
nbd_run(const Command *command, int argc, char **argv)
{
    return serve_main(command, argc, argv, own_option);
}

static const Command program = {
    .summary = "serve images over NBD",
    .operands = "[FILE]",
    .example = "-t -k /run/disk.sock disk.vmdk",
    .options = nbd_options,
    .usage_status = 1,
    .run = nbd_run,
};

int
main(int argc, char **argv)
{
    process_prepare();
    out_init(argv[0]);
    int status = program.run(&program, argc, argv);
    bool written = requests_finish();
    written = out_finish() && written;
    return signals_status(written || status ? status : 1);
}
