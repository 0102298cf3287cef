/* SPDX-License-Identifier: BSD-3-Clause */
/* io/iscsi.c - sessions with iSCSI targets: finding, logging in, leaving.
 *
 * Concurrency: coroutines of the session's loop.
 */
#include "io/iscsi.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "io/iscsi-internal.h"
#include "io/module.h"
#include "io/op.h"
#include "io/outside.h"

#define MAX_MOVES 4
#define MAX_MOVED_TO 255 /* bytes */
#define FAREWELL_NS UINT64_C(2000000000)

static VioModule iscsi_module = {
    .file = "vdisk-iscsi.so",
    .symbol = VIO_ISCSI_SYMBOL,
    .size = sizeof(VioIscsiCommand),
    .what = "iSCSI",
    .folder = "io",
#ifndef VIO_HAVE_ISCSI
    .absent = "built without iSCSI (libiscsi)",
#endif
};

const char *
vio_iscsi_missing(void)
{
    return vio_module_missing(&iscsi_module);
}

/* -- steps ---------------------------------------------------------------- */

typedef struct Step {
    VioIscsi *iscsi;
    int (*begin)(VioIscsiEngine *engine, const char *arg, char **why);
    const char *arg;
    short revents;
    int ret;
    char *why;
} Step;

static void
step_begin(void *opaque)
{
    Step *step = opaque;

    step->ret = step->begin(step->iscsi->engine, step->arg, &step->why);
}

/* Errors of connecting are the kernel's, which has words for them. */
static void
step_service(void *opaque)
{
    Step *step = opaque;
    VioIscsi *iscsi = step->iscsi;
    int fd = iscsi->ops->fd(iscsi->engine), err = 0;
    socklen_t size = sizeof(err);

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &size) == 0 && err != 0)
        step->ret = -err;
    else
        step->ret =
            iscsi->ops->service(iscsi->engine, step->revents, &step->why);
}

static void
step_co_poll(Step *step, VioCancel *cancel)
{
    VioIscsi *iscsi = step->iscsi;
    int ret = vio_co_poll(iscsi->loop, iscsi->ops->fd(iscsi->engine),
                          iscsi->ops->events(iscsi->engine), cancel);

    step->ret = MIN(ret, 0);
    step->revents = (short) ret;
    if (ret >= 0)
        vio_co_outside(iscsi->loop, step_service, step);
}

/* One of connect, login, logout, to its end. */
static int
step_co_run(VioIscsi *iscsi, Step step, VioCancel *cancel, char **why)
{
    step.iscsi = iscsi;
    iscsi->step_over = false;
    g_clear_pointer(&iscsi->step_why, g_free);
    vio_co_outside(iscsi->loop, step_begin, &step);
    while (step.ret == 0 && !iscsi->step_over)
        step_co_poll(&step, cancel);
    if (iscsi->step_over) { /* says more than what follows from it */
        g_free(step.why);
        step.why = g_steal_pointer(&iscsi->step_why);
        step.ret = iscsi->step_ret;
    }
    if (step.ret != 0 && !step.why)
        step.why = g_strdup(g_strerror(-step.ret));
    *why = step.why;
    return step.ret;
}

/* -- one address ---------------------------------------------------------- */

static void
engine_close(void *opaque)
{
    VioIscsi *iscsi = opaque;

    iscsi->ops->engine_free(g_steal_pointer(&iscsi->engine));
}

static void
iscsi_co_free(VioIscsi *iscsi)
{
    vio_iscsi_break(iscsi, -ECANCELED, "the session is over");
    vio_iscsi_co_settle(iscsi);
    if (iscsi->engine)
        vio_co_outside(iscsi->loop, engine_close, iscsi);
    vio_cancel_unref(iscsi->stop);
    g_free(iscsi->step_why);
    g_free(iscsi->why);
    g_free(iscsi);
}

typedef struct NewEngine {
    VioIscsi *iscsi;
    const VioIscsiParams *params;
    char *why;
} NewEngine;

static void
engine_make(void *opaque)
{
    NewEngine *make = opaque;
    VioIscsi *iscsi = make->iscsi;

    iscsi->engine = iscsi->ops->engine_new(&vio_iscsi_host, iscsi, make->params,
                                           &make->why);
}

static VioIscsi *
iscsi_co_new(VioLoop *loop, const VioIscsiParams *params, VioCancel *cancel,
             char **why)
{
    VioIscsi *iscsi = g_new0(VioIscsi, 1);
    NewEngine make = {.iscsi = iscsi, .params = params};

    iscsi->loop = loop;
    iscsi->ops = vio_module_table(&iscsi_module);
    iscsi->stop = vio_cancel_new_child(cancel);
    iscsi->patience_ns = params->patience_ns;
    vio_co_outside(loop, engine_make, &make);
    *why = make.why;
    if (iscsi->engine)
        return iscsi;
    iscsi_co_free(iscsi);
    return NULL;
}

static void
iscsi_tune(const VioIscsi *iscsi)
{
    int fd = iscsi->ops->fd(iscsi->engine);

    (void) fcntl(fd, F_SETFD, FD_CLOEXEC); /* cannot fail */
    vio_net_tune(fd);
    vio_net_limit_silence(fd);
}

/* *@reached: somebody is there. */
static int
iscsi_co_enter(VioIscsi *iscsi, const char *address, VioCancel *cancel,
               bool *reached, char **why)
{
    int ret =
        step_co_run(iscsi, (Step){.begin = iscsi->ops->connect, .arg = address},
                    cancel, why);

    if (ret != 0)
        return ret;
    *reached = true;
    iscsi_tune(iscsi);
    ret = step_co_run(iscsi, (Step){.begin = iscsi->ops->login}, cancel, why);
    iscsi->logged_in = ret == 0;
    return ret;
}

/* -- all of them ---------------------------------------------------------- */

/* What opening goes along with. */
typedef struct Opening {
    VioLoop *loop;
    VioIscsiParams params;
    VioCancel *life;
    VioCancel *until; /* of this call */
    char *moved_to;   /* -EREMCHG */
} Opening;

static int
open_co_at(Opening *o, const char *address, VioCancel *until, bool *reached,
           VioIscsi **out, char **why)
{
    VioIscsi *iscsi = iscsi_co_new(o->loop, &o->params, o->life, why);
    g_autofree char *reason = NULL;
    int ret;

    if (!iscsi) {
        *reached = true; /* it would not be better elsewhere */
        return -EINVAL;
    }
    ret = iscsi_co_enter(iscsi, address, until, reached, &reason);
    if (ret == 0) {
        *out = iscsi;
        return 0;
    }
    if (ret == -EREMCHG)
        o->moved_to = g_strdup(iscsi->ops->moved_to(iscsi->engine));
    *why = g_strdup_printf("%s: %s", address, reason);
    iscsi_co_free(iscsi);
    return ret;
}

/* One behind which nobody is must not use up the time that others need. */
static int
open_co_portal(Opening *o, VioIscsi **out, char **why)
{
    g_auto(GStrv) found = NULL;
    bool reached = false;
    int ret =
        vio_net_co_lookup(o->loop, o->params.portal, o->until, &found, why);
    guint left = ret == 0 ? g_strv_length(found) : 0;

    if (ret == 0)
        ret = -EHOSTUNREACH;
    for (char **each = found; left > 0 && !reached; each++, left--) {
        g_autoptr(VioCancel) part = vio_cancel_new_child(o->until);
        uint64_t deadline = vio_cancel_deadline(o->until);
        uint64_t now = vio_now_ns();

        if (deadline > now)
            vio_cancel_set_deadline(part, now + (deadline - now) / left);
        g_clear_pointer(why, g_free);
        ret = open_co_at(o, *each, part, &reached, out, why);
        if (ret == 0 || vio_cancel_check(o->until) != 0)
            break;
    }
    return ret;
}

/* "HOST[:PORT][,TAG]", as a target says it: nothing but what addresses are made
 * of. */
static bool
parse_moved_to(const char *text, VioNetAddress *address)
{
    static const char ok[] = "abcdefghijklmnopqrstuvwxyz"
                             "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:%";
    g_autofree char *place =
        text ? g_strndup(text, strcspn(text, ",")) : g_strdup("");
    char *port = strrchr(place, ':'), *host = place, *close;

    if (strlen(place) > MAX_MOVED_TO)
        return false;
    if (*place == '[') {
        close = strchr(place, ']');
        if (!close || (close[1] && close[1] != ':'))
            return false;
        port = close[1] ? close + 1 : NULL;
        *close = '\0';
        host = place + 1;
    }
    if (port)
        *port++ = '\0';
    if (!*host || host[strspn(host, ok)] || (port && !*port) ||
        (port && port[strspn(port, "0123456789")]))
        return false;
    vio_net_address_clear(address);
    *address = (VioNetAddress){
        .kind = VIO_NET_TCP,
        .host = g_strdup(host),
        .port = g_strdup(port ? port : VIO_ISCSI_PORT),
    };
    return true;
}

/* Follows a target that has moved. */
static int
open_co_moving(Opening *o, VioIscsi **out, char **why)
{
    g_auto(VioNetAddress) moved = {0};
    int ret = open_co_portal(o, out, why);

    for (unsigned n = 0; ret == -EREMCHG; n++) {
        g_autofree char *to = g_steal_pointer(&o->moved_to);

        if (n == MAX_MOVES || !parse_moved_to(to, &moved))
            return -EPROTO; /* *why names who sent us away */
        g_clear_pointer(why, g_free);
        o->params.portal = &moved;
        ret = open_co_portal(o, out, why);
    }
    return ret;
}

int
vio_iscsi_co_open(VioLoop *loop, const VioIscsiParams *params, VioCancel *life,
                  VioCancel *until, VioIscsi **out, char **why)
{
    Opening opening = {
        .loop = loop,
        .params = *params,
        .life = life,
        .until = until,
    };
    int ret;

    *why = NULL;
    if (vio_iscsi_missing()) {
        *why = g_strdup(vio_iscsi_missing());
        return -EOPNOTSUPP;
    }
    ret = open_co_moving(&opening, out, why);
    g_free(opening.moved_to);
    return ret;
}

/* -- the end -------------------------------------------------------------- */

void
vio_iscsi_co_close(VioIscsi *iscsi)
{
    g_autofree char *why = NULL;

    if (!iscsi)
        return;
    g_assert(!iscsi->in_flight);
    if (!iscsi->broken && iscsi->logged_in && !iscsi->writing) {
        g_autoptr(VioCancel) until = vio_cancel_new_child(iscsi->stop);

        vio_cancel_set_deadline(until, vio_now_ns() + FAREWELL_NS);
        (void) step_co_run(iscsi, (Step){.begin = iscsi->ops->logout}, until,
                           &why); /* nobody minds */
    }
    iscsi_co_free(iscsi);
}
