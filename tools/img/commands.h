/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/commands.h - the commands, one cmd-NAME.c each. */
#pragma once

#include "tools/options.h"

extern const Command cmd_bench, cmd_chain, cmd_check, cmd_clone, cmd_commit,
    cmd_compact, cmd_compare, cmd_convert, cmd_create, cmd_dd, cmd_info,
    cmd_map, cmd_measure, cmd_meta, cmd_rebase, cmd_rename, cmd_repair,
    cmd_resize, cmd_rm;
