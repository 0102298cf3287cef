/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/commands.c - what vdisk-img knows: commands, standard options.
 *
 * Concurrency: no state.
 */
#include "tools/img/commands.h"

/* clang-format off */ /* one a line */
const Command *const img_commands[] = {
    &cmd_amend,
    &cmd_bench,
    &cmd_bitmap,
    &cmd_chain,
    &cmd_check,
    &cmd_clone,
    &cmd_commit,
    &cmd_compact,
    &cmd_compare,
    &cmd_completion,
    &cmd_convert,
    &cmd_create,
    &cmd_dd,
    &cmd_dump,
    &cmd_fill,
    &cmd_info,
    &cmd_ls,
    &cmd_map,
    &cmd_measure,
    &cmd_meta,
    &cmd_rebase,
    &cmd_rename,
    &cmd_repair,
    &cmd_resize,
    &cmd_rm,
    &cmd_serve,
    &cmd_snapshot,
    &cmd_transports,
    NULL,
};
/* clang-format on */

const CmdOption img_standard_options[] = {
    {'h', "help", NULL, "show this help and exit"},
    {'V', "version", NULL, "show the version and exit"},
    {'T', "trace", "PATTERNS", "write trace points that match to stderr"},
    {0},
};
