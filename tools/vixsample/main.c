/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/vixsample/main.c - vdisk-vixsample: one command on one disk.
 *
 * Concurrency: -multithread starts threads, which end before it does; the
 * library may have some.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tools/vixsample/commands.h"
#include "tools/vixsample/interrupt.h"
#include "tools/vixsample/library.h"
#include "tools/vixsample/report.h"

static Session *open_session;

/* Also when a function turns out to be missing halfway. */
static void
session_end_at_exit(void)
{
    if (open_session)
        (void) session_end(open_session); /* the status is settled */
}

static bool
output_flushed(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return true;
    report_error("cannot write to standard output");
    return false;
}

static bool
command_run(const Options *opts)
{
    open_session = session_begin(opts);
    if (!open_session)
        return false;
    bool ok = opts->command->run(open_session, opts);
    ok &= session_end(open_session);
    session_free(g_steal_pointer(&open_session));
    return ok;
}

int
main(int argc, char **argv)
{
    static Options opts;

    switch (options_parse(&opts, argc, argv)) {
    case OPTIONS_HELP:
        return output_flushed() ? EXIT_SUCCESS : EXIT_FAILURE;
    case OPTIONS_WRONG:
        return EXIT_FAILURE;
    case OPTIONS_RUN:
        break;
    }
    interrupt_watch();
    if (!library_load(opts.libdir))
        return EXIT_FAILURE;
    atexit(session_end_at_exit);
    bool ok = command_run(&opts);
    ok &= output_flushed();
    return interrupt_status(ok ? EXIT_SUCCESS : EXIT_FAILURE);
}
