/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/vixsample/commands.h - the table of commands. */
#pragma once

#include "tools/vixsample/options.h"
#include "tools/vixsample/session.h"

typedef enum CommandFlags {
    COMMAND_READS = 0,
    COMMAND_WRITES = 1 << 0,     /* connects for writing */
    COMMAND_NO_CONNECT = 1 << 1, /* works without a connection */
    COMMAND_NO_DISK = 1 << 2,    /* takes no path */
    COMMAND_NUMBER = 1 << 3,     /* its argument is a number, min to max */
    COMMAND_NEEDS_CAP = 1 << 4,
} CommandFlags;

typedef struct Command {
    const char *name;
    const char *args[2]; /* what its own arguments are called */
    const char *help;
    /* False after a message. */
    bool (*run)(Session *session, const Options *opts);
    CommandFlags flags;
    uint64_t min, max;
} Command;

/* Ends with name NULL. */
extern const Command commands[];

typedef bool CommandRun(Session *session, const Options *opts);

CommandRun cmd_create, cmd_redo, cmd_clone, cmd_grow, cmd_shrink,
    cmd_defragment, cmd_rename, cmd_unlink, cmd_check, cmd_attach;
CommandRun cmd_info, cmd_space, cmd_transports;
CommandRun cmd_dump, cmd_fill, cmd_zero, cmd_discard;
CommandRun cmd_meta, cmd_rmeta, cmd_wmeta;
CommandRun cmd_getallocatedblocks, cmd_extents;
CommandRun cmd_readbench, cmd_writebench, cmd_readasyncbench,
    cmd_writeasyncbench;
CommandRun cmd_multithread;

/* For -attach, which shows what it has attached. */
bool cmd_info_print(Session *session, VixDiskLibHandle disk);
bool cmd_dump_range(VixDiskLibHandle disk, uint64_t start, uint64_t count);
