/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/process.c - what a process may have inherited that would hurt.
 *
 * Concurrency: first thing in main().
 */
#include "tools/process.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* A closed standard stream's number would go to the next file that is opened,
 * and messages into an image.  Opened the wrong way round, so that using the
 * stream fails as it does when it is closed. */
static void
streams_fill(void)
{
    for (int fd = 0; fd <= STDERR_FILENO; fd++) {
        int mode = fd == STDIN_FILENO ? O_WRONLY : O_RDONLY;
        if (fcntl(fd, F_GETFD) >= 0)
            continue;
        if (open("/dev/null", mode) != fd)
            abort(); /* no number below is free, and there is no stderr */
    }
}

/* Split images and long chains are many files; the usual 1024 are meant for
 * programs that select(). */
static void
files_limit_raise(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void) setrlimit(RLIMIT_NOFILE, &limit); /* then with what there is */
}

void
process_prepare(void)
{
    streams_fill();
    files_limit_raise();
    /* A file above the limit is an error to report and to clean up after. */
    signal(SIGXFSZ, SIG_IGN);
}
