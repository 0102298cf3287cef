/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/cmd-completion.c - vdisk-img completion: scripts for shells.
 *
 * Concurrency: main thread only.
 */
#include "tools/completion.h"
#include "tools/img/commands.h"

static const CmdOption completion_options[] = {
    {'h', "help", "[all]", "this help; all: every option explained"},
    {0},
};

static const CompletionProgram program = {
    "vdisk-img",
    img_standard_options,
    img_commands,
};

static int
cmd_completion_run(const Command *command, int argc, char **argv)
{
    g_autoptr(OptParser) parser = opts_begin(command, argc, argv);

    if (opts_next(parser) == OPTS_STOP)
        return opts_status(parser);
    if (opts_n_operands(parser) != 1)
        return opts_fail_try(parser, "Expecting the name of a shell");

    const char *shell = opts_operands(parser)[0];
    if (!completion_print(&program, shell))
        return opts_fail_try(
            parser, "Unknown shell '%s': " COMPLETION_SHELLS " are known",
            shell);
    return 0;
}

const Command cmd_completion = {
    .name = "completion",
    .summary = "print a completion script for a shell",
    .operands = "bash|zsh|fish",
    .example = "bash >/etc/bash_completion.d/vdisk-img",
    .options = completion_options,
    .usage_status = 2,
    .run = cmd_completion_run,
};
