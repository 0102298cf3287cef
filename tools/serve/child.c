/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/serve/child.c - the command of --run.
 *
 * Concurrency: a thread waits for the command and then ends the server.
 */
#include "tools/serve/serve.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "tools/output.h"

struct ServeChild {
    VdNbdServer *server;
    GPid pid;
    GThread *thread;
};

static gpointer
child_wait(gpointer data)
{
    ServeChild *child = data;
    siginfo_t info;

    /* It stays a zombie until it is finished: its number is not reused. */
    while (waitid(P_PID, (id_t) child->pid, &info, WEXITED | WNOWAIT) < 0 &&
           errno == EINTR)
        ;
    vd_nbd_server_quit(child->server);
    return NULL;
}

ServeChild *
serve_child_start(VdNbdServer *server, const char *command, const char *uri,
                  const char *socket)
{
    g_autoptr(GError) error = NULL;
    const char *argv[] = {"/bin/sh", "-c", command, NULL};
    g_auto(GStrv) env = g_get_environ();
    ServeChild *child = g_new0(ServeChild, 1);

    env = g_environ_setenv(env, "uri", uri, TRUE);
    env = g_environ_setenv(env, "unixsocket", socket ? socket : "", TRUE);
    child->server = server;
    if (!g_spawn_async(NULL, (char **) argv, env,
                       G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_CHILD_INHERITS_STDIN,
                       NULL, NULL, &child->pid, &error)) {
        out_error("Could not run '%s': %s", command, error->message);
        g_free(child);
        return NULL;
    }
    child->thread = g_thread_new("serve-run", child_wait, child);
    return child;
}

int
serve_child_finish(ServeChild *child)
{
    int status = 0;

    if (!child)
        return 1;
    (void) kill(child->pid, SIGTERM); /* it may have ended */
    (void) g_thread_join(child->thread);
    while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
        ;
    g_free(child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
