/* SPDX-License-Identifier: BSD-3-Clause */
/* io/iscsi-session.c - commands in a session: who waits for the socket.
 *
 * While commands are under way one coroutine polls for what comes, and as long
 * as something is left to be sent another one polls for room.  A session in
 * which nothing is asked has neither, so its user may leave the loop alone.
 *
 * Concurrency: the session's loop.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "io/iscsi-internal.h"
#include "io/op.h"
#include "io/outside.h"

/* -- breaking ------------------------------------------------------------- */

static void
command_finish(VioIscsi *iscsi, VioIscsiCommand *command, int ret)
{
    iscsi->in_flight = g_list_remove(iscsi->in_flight, command);
    command->ret = ret;
    command->done = true;
    if (command->waiter)
        vio_co_wake(g_steal_pointer(&command->waiter));
}

void
vio_iscsi_break(VioIscsi *iscsi, int ret, const char *why)
{
    if (iscsi->broken)
        return;
    iscsi->broken = ret;
    iscsi->why = g_strdup(why);
    vio_cancel_fire(iscsi->stop);
    while (iscsi->in_flight)
        command_finish(iscsi, iscsi->in_flight->data, ret);
}

void
vio_iscsi_cancel(VioIscsi *iscsi)
{
    vio_iscsi_break(iscsi, -ECANCELED, "the session was given up");
}

void
vio_iscsi_set_patience(VioIscsi *iscsi, uint64_t patience_ns)
{
    iscsi->patience_ns = patience_ns;
}

int
vio_iscsi_broken(const VioIscsi *iscsi)
{
    return iscsi->broken;
}

void
vio_iscsi_co_settle(VioIscsi *iscsi)
{
    while (iscsi->reading || iscsi->writing)
        vio_co_queue_wait(&iscsi->left);
}

/* -- what the module tells ------------------------------------------------ */

static void
host_on_step(void *client, int ret, const char *why)
{
    VioIscsi *iscsi = client;

    if (iscsi->step_over)
        return;
    iscsi->step_over = true;
    iscsi->step_ret = ret;
    iscsi->step_why = g_strdup(why);
}

static void
host_on_command(void *client, VioIscsiCommand *command, int ret)
{
    VioIscsi *iscsi = client;

    if (iscsi->broken)
        return;
    if (ret == 0)
        command_finish(iscsi, command, 0);
    else
        vio_iscsi_break(iscsi, ret,
                        ret == -EPROTO ? "the target breaks the protocol"
                                       : "the target closed the connection");
}

const VioIscsiHost vio_iscsi_host = {
    .on_step = host_on_step,
    .on_command = host_on_command,
};

/* -- the socket ----------------------------------------------------------- */

typedef struct Service {
    VioIscsi *iscsi;
    short revents;
} Service;

static bool
session_wants_room(const VioIscsi *iscsi)
{
    return !iscsi->broken && (iscsi->ops->events(iscsi->engine) & POLLOUT);
}

static void
session_service(VioIscsi *iscsi, short revents)
{
    g_autofree char *why = NULL;
    int ret = iscsi->ops->service(iscsi->engine, revents, &why);

    if (ret != 0)
        vio_iscsi_break(iscsi, ret, why);
}

static void session_watch(VioIscsi *iscsi);

/* What has come may want an answer, which mostly fits into the socket. */
static void
service_run(void *opaque)
{
    const Service *service = opaque;
    VioIscsi *iscsi = service->iscsi;

    if (iscsi->broken)
        return;
    session_service(iscsi, service->revents);
    if (!(service->revents & POLLOUT) && session_wants_room(iscsi))
        session_service(iscsi, POLLOUT);
    session_watch(iscsi);
}

/* Wait for @events, and have the module deal with them. */
static void
session_co_poll(VioIscsi *iscsi, short events, VioCancel *cancel)
{
    int ret =
        vio_co_poll(iscsi->loop, iscsi->ops->fd(iscsi->engine), events, cancel);
    Service service = {iscsi, (short) ret};

    if (iscsi->broken)
        return;
    if (ret < 0) {
        g_autofree char *why =
            ret == -ETIMEDOUT ? g_strdup("the target does not answer")
                              : g_strdup_printf("waiting for the target: %s",
                                                g_strerror(-ret));

        vio_iscsi_break(iscsi, ret, why);
        return;
    }
    vio_co_outside(iscsi->loop, service_run, &service);
}

static void
session_left(VioIscsi *iscsi, bool *is_there)
{
    *is_there = false;
    vio_co_queue_wake_all(&iscsi->left);
}

/* A coroutine entry. */
static void
read_main(void *opaque)
{
    VioIscsi *iscsi = opaque;

    while (!iscsi->broken && iscsi->in_flight) {
        g_autoptr(VioCancel) token = vio_cancel_new_child(iscsi->stop);

        if (iscsi->patience_ns)
            vio_cancel_set_deadline(token, vio_now_ns() + iscsi->patience_ns);
        session_co_poll(iscsi, POLLIN, token);
    }
    session_left(iscsi, &iscsi->reading);
}

/* A coroutine entry. */
static void
write_main(void *opaque)
{
    VioIscsi *iscsi = opaque;

    while (session_wants_room(iscsi))
        session_co_poll(iscsi, POLLOUT, iscsi->stop);
    session_left(iscsi, &iscsi->writing);
}

/* After whatever may have changed what there is to be waited for. */
static void
session_watch(VioIscsi *iscsi)
{
    if (!iscsi->broken && iscsi->in_flight && !iscsi->reading) {
        iscsi->reading = true;
        vio_co_start(iscsi->loop, read_main, iscsi);
    }
    if (!iscsi->writing && session_wants_room(iscsi)) {
        iscsi->writing = true;
        vio_co_start(iscsi->loop, write_main, iscsi);
    }
}

/* -- commands ------------------------------------------------------------- */

typedef struct Submit {
    VioIscsi *iscsi;
    VioIscsiCommand *command;
} Submit;

/* What fits into the socket leaves at once. */
static void
submit_run(void *opaque)
{
    const Submit *submit = opaque;
    VioIscsi *iscsi = submit->iscsi;
    g_autofree char *why = NULL;
    int ret;

    if (iscsi->broken) {
        submit->command->ret = iscsi->broken;
        submit->command->done = true;
        return;
    }
    iscsi->in_flight = g_list_prepend(iscsi->in_flight, submit->command);
    ret = iscsi->ops->submit(iscsi->engine, submit->command, &why);
    if (ret != 0)
        vio_iscsi_break(iscsi, ret, why);
    else if (session_wants_room(iscsi))
        session_service(iscsi, POLLOUT);
    session_watch(iscsi);
}

static void
command_prepare(VioIscsiCommand *command)
{
    const VioVec *vec = command->in ? command->in : command->out;

    command->done = false;
    command->waiter = NULL;
    command->niov = vec ? vio_vec_count(vec) : 0;
    command->iov = g_new(struct iovec, command->niov);
    if (vec)
        (void) vio_vec_fill(vec, command->iov, command->niov, NULL);
}

int
vio_iscsi_co_run(VioIscsi *iscsi, VioIscsiCommand *command, char **why)
{
    Submit submit = {iscsi, command};

    *why = NULL;
    command_prepare(command);
    vio_co_outside(iscsi->loop, submit_run, &submit);
    if (!command->done) {
        command->waiter = vio_co_self();
        vio_co_yield();
    }
    g_clear_pointer(&command->iov, g_free);
    if (command->ret != 0)
        *why = g_strdup(iscsi->why);
    return command->ret;
}
