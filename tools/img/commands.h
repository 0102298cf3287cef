/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/commands.h - the commands, one cmd-NAME.c each. */
#pragma once

#include "tools/options.h"

extern const Command cmd_amend;
extern const Command cmd_bench;
extern const Command cmd_bitmap;
extern const Command cmd_chain;
extern const Command cmd_check;
extern const Command cmd_clone;
extern const Command cmd_commit;
extern const Command cmd_compact;
extern const Command cmd_compare;
extern const Command cmd_completion;
extern const Command cmd_convert;
extern const Command cmd_create;
extern const Command cmd_dd;
extern const Command cmd_dump;
extern const Command cmd_fill;
extern const Command cmd_info;
extern const Command cmd_ls;
extern const Command cmd_map;
extern const Command cmd_measure;
extern const Command cmd_meta;
extern const Command cmd_rebase;
extern const Command cmd_rename;
extern const Command cmd_repair;
extern const Command cmd_resize;
extern const Command cmd_rm;
extern const Command cmd_serve;
extern const Command cmd_snapshot;
extern const Command cmd_transports;

/* All of them by name, NULL at the end. */
extern const Command *const img_commands[];
/* What may stand before the command. */
extern const CmdOption img_standard_options[];
