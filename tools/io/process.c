/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/io/process.c - abort, quit, sigraise, sleep: what concerns the program
 * itself and not the disk.
 *
 * Concurrency: main thread only.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/io/args.h"

#define TURN_MS 200

static bool
io_abort_run(Shell *shell, const ShellCommand *self, int argc, char **argv)
{
    fflush(stdout);
    abort();
}

static bool
io_quit_run(Shell *shell, const ShellCommand *self, int argc, char **argv)
{
    shell->finish = true;
    return true;
}

/* As if it came from outside, and as if we had not prepared for it. */
static bool
io_sigraise_run(Shell *shell, const ShellCommand *self, int argc, char **argv)
{
    struct sigaction plain = {.sa_handler = SIG_DFL}, old;
    uint64_t number;

    if (!args_size(argv[1], &number))
        return false;
    if (number >= NSIG) {
        printf("signal argument '%s' is too large to be a valid signal\n",
               argv[1]);
        return false;
    }
    fflush(stdout);
    bool known = sigaction((int) number, &plain, &old) == 0;
    (void) raise((int) number); /* 0 and the like do nothing */
    if (known)
        (void) sigaction((int) number, &old, NULL);
    return true;
}

static bool
io_sleep_run(Shell *shell, const ShellCommand *self, int argc, char **argv)
{
    char *end;

    errno = 0;
    long ms = strtol(argv[1], &end, 0);
    if (errno || end == argv[1] || *end || ms < 0) {
        printf("%s is not a valid number\n", argv[1]);
        return false;
    }
    gint64 until = g_get_monotonic_time() / 1000;
    until = ms > INT64_MAX / 2 ? INT64_MAX : until + ms;
    gint64 left;
    while ((left = until - g_get_monotonic_time() / 1000) > 0 &&
           !shell_interrupted())
        shell_turn(shell, (int) MIN(left, TURN_MS));
    return true;
}

const ShellCommand io_abort = {
    .name = "abort",
    .summary = "simulate a program crash using abort(3)",
    .run = io_abort_run,
};

const ShellCommand io_quit = {
    .name = "quit",
    .brief = "q",
    .summary = "exit the program",
    .max_args = -1,
    .run = io_quit_run,
};

const ShellCommand io_sigraise = {
    .name = "sigraise",
    .args = "signal",
    .summary = "raises a signal",
    .help = "For example, 'sigraise 9' ends the program where it stands.\n",
    .min_args = 1,
    .max_args = 1,
    .run = io_sigraise_run,
};

const ShellCommand io_sleep = {
    .name = "sleep",
    .summary = "waits for the given value in milliseconds",
    .min_args = 1,
    .max_args = 1,
    .run = io_sleep_run,
};
