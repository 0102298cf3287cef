/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/serve/start.c - how a server comes to life: by systemd's protocol for
 * sockets, into the background, with a file that tells its process.
 *
 * Concurrency: main thread only; before there are others.
 */
#include "tools/serve/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/output.h"

#define START_MAX_FDS 1000u

bool
serve_take_inherited(ServeJob *job)
{
    const char *pid_text = getenv("LISTEN_PID");
    const char *fds_text = getenv("LISTEN_FDS");
    bool listens = job->socket || job->bind || job->port || job->vsock;
    unsigned pid, n;

    if (!pid_text || !fds_text ||
        !opts_parse_number(pid_text, 1, INT32_MAX, &pid) ||
        pid != (unsigned) getpid() ||
        !opts_parse_number(fds_text, 1, START_MAX_FDS, &n))
        return true;
    if (listens || job->single) {
        out_error("there are sockets from whoever started the server: no "
                  "address can be given");
        return false;
    }
    job->inherited = n;
    (void) unsetenv("LISTEN_PID"); /* children are not meant */
    (void) unsetenv("LISTEN_FDS");
    (void) unsetenv("LISTEN_FDNAMES");
    return true;
}

static bool
fail(const char *what)
{
    out_error("%s: %s", what, g_strerror(errno));
    return false;
}

/* The parent ends when the child is ready, or has failed with a message. */
static int
parent_wait(int fd, pid_t child)
{
    char byte;
    ssize_t n;
    int status;

    do
        n = read(fd, &byte, 1);
    while (n < 0 && errno == EINTR);
    if (n == 1)
        return 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) && WEXITSTATUS(status) ? WEXITSTATUS(status) : 1;
}

bool
serve_fork(ServeJob *job, int *status)
{
    int fds[2];
    pid_t child;

    *status = 1;
    if (!job->fork)
        return true;
    if (pipe2(fds, O_CLOEXEC) < 0)
        return fail("pipe");
    child = fork();
    if (child < 0)
        return fail("fork");
    if (child > 0) {
        (void) close(fds[1]); /* the child's end */
        *status = parent_wait(fds[0], child);
        (void) close(fds[0]);
        return false;
    }
    (void) close(fds[0]);
    (void) setsid(); /* a child leads no group: it cannot fail */
    job->ready_fd = fds[1];
    return true;
}

static bool
write_pid(const char *name)
{
    FILE *file = fopen(name, "we");
    bool ok = file && fprintf(file, "%ld\n", (long) getpid()) > 0;

    if (file && fclose(file) != 0)
        ok = false;
    if (!ok)
        out_error("Could not write '%s': %s", name, g_strerror(errno));
    return ok;
}

/* The terminal is the parent's. */
static bool
leave_terminal(ServeJob *job)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    bool ok = null >= 0 && write(job->ready_fd, "", 1) == 1;

    for (int fd = 0; ok && fd <= 2; fd++)
        ok = dup2(null, fd) == fd;
    if (null > 2)
        (void) close(null);
    (void) close(job->ready_fd);
    job->ready_fd = -1;
    return ok || fail("going into the background");
}

bool
serve_tell_ready(ServeJob *job)
{
    if (job->pid_file && !write_pid(job->pid_file))
        return false;
    job->pid_written = job->pid_file != NULL;
    return job->ready_fd < 0 || leave_terminal(job);
}

void
serve_forget(const ServeJob *job)
{
    if (job->pid_written)
        (void) unlink(job->pid_file); /* may be gone already */
    if (job->run_folder)
        (void) rmdir(job->run_folder);
}
