/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/io/shell.h - what the commands of vdisk-io share: the open disk, the
 * requests under way, and how a command is described.
 */
#pragma once

#include "include/vdisk.h"
#include "tools/vi/vi.h"

#define SHELL_SECTOR 512
/* The longest read or write: what fits an int, in whole sectors. */
#define SHELL_MAX_BYTES UINT64_C(2147483136)

typedef struct Shell {
    VdContext *ctx;
    Vi *vi;               /* logins; the program's */
    VdDisk *disk;         /* NULL = none is open */
    char *name, *format;  /* of the disk; as it was opened, for reopen */
    char *options;        /* "k=v,..."; NULL = none */
    VdOpenFlags flags;    /* the same */
    GQueue finished;      /* of Request: not reported yet */
    unsigned n_in_flight; /* asynchronous requests not reported yet */
    GPtrArray *tags;      /* of char: break points not heard of yet */
    bool misaligned;      /* buffers are to be */
    bool finish;          /* no further command */
} Shell;

typedef enum ShellNeeds {
    NEEDS_NOTHING = 0,
    NEEDS_DISK = 1 << 0,
    NEEDS_WRITABLE = 1 << 1,
} ShellNeeds;

typedef struct ShellCommand {
    const char *name, *brief;   /* the second name; NULL = none */
    const char *args, *summary; /* NULL args = takes none */
    const char *help;           /* further lines; NULL = none */
    int min_args, max_args;     /* max -1 = any number */
    unsigned needs;             /* ShellNeeds */
    /* Prints what there is to say, and is false if the command failed. */
    bool (*run)(Shell *shell, const struct ShellCommand *self, int argc,
                char **argv);
} ShellCommand;

extern const ShellCommand io_abort, io_aio_flush, io_aio_read, io_aio_write,
    io_alloc, io_break, io_close, io_discard, io_flush, io_help, io_info,
    io_length, io_map, io_open, io_quit, io_read, io_readv, io_remove_break,
    io_reopen, io_resume, io_sigraise, io_sleep, io_truncate, io_wait_break,
    io_write, io_writev;

/* One line with a command and its words, separated by blanks.  False if it
 * failed. */
bool shell_run(Shell *shell, const char *line);

/* The loop goes round once, for at most @timeout_ms (-1 = until something
 * happens); finished asynchronous requests and stopped ones are told. */
void shell_turn(Shell *shell, int timeout_ms);
/* What can go on without waiting does; only stopped requests are told. */
void shell_kick(Shell *shell);
/* All asynchronous requests are done and told. */
void shell_drain(Shell *shell);
/* SIGINT or the like came. */
bool shell_interrupted(void);

/* Whatever is stopped goes on, and nothing stops any more. */
void shell_forget_breaks(Shell *shell);
/* Tell of requests that have stopped at one of the tags. */
void shell_tell_breaks(Shell *shell);

/* Open as @shell says.  False after a message. */
bool shell_open(Shell *shell);
/* False after a message; the disk is gone in any case. */
bool shell_close(Shell *shell);
/* A message if these modes do not exist; @mode may be NULL. */
bool shell_set_cache(VdOpenFlags *flags, const char *mode);
bool shell_set_discard(VdOpenFlags *flags, const char *mode);
bool shell_check_aio(const char *mode, bool direct, const char *name);
