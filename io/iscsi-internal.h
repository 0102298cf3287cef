/* SPDX-License-Identifier: BSD-3-Clause */
/* io/iscsi-internal.h - between the client of iSCSI and the module that knows
 * libiscsi.
 *
 * The module does nothing by itself: the client tells it when the socket is
 * ready.  All calls into it, but for fd and events, are made outside of
 * coroutines, on the runner's own stack, so all calls back are, too.
 *
 * Concurrency: the runner of the session's loop.
 */
#pragma once

#include "io/iscsi.h"
#include "io/sync.h"

typedef struct VioIscsiEngine VioIscsiEngine; /* the module's: one connection */

/* What the module calls. */
typedef struct VioIscsiHost {
    /* What connect, login or logout has begun is over: 0 or -errno; @why:
     * valid during the call.  -EREMCHG: moved_to() says where it is. */
    void (*on_step)(void *client, int ret, const char *why);
    /* 0: it was answered. */
    void (*on_command)(void *client, VioIscsiCommand *command, int ret);
} VioIscsiHost;

typedef struct VioIscsiOps {
    size_t command_size; /* that of who built it: must be ours */
    VioIscsiEngine *(*engine_new)(const VioIscsiHost *host, void *client,
                                  const VioIscsiParams *params, char **why);
    /* Closes the socket.  Nothing is called any more. */
    void (*engine_free)(VioIscsiEngine *engine);
    /* All three: on_step() follows if 0 is returned.  @arg: "HOST:PORT" in
     * numbers, of connect only. */
    int (*connect)(VioIscsiEngine *engine, const char *arg, char **why);
    int (*login)(VioIscsiEngine *engine, const char *arg, char **why);
    int (*logout)(VioIscsiEngine *engine, const char *arg, char **why);
    const char *(*moved_to)(VioIscsiEngine *engine);
    int (*fd)(VioIscsiEngine *engine);
    short (*events)(VioIscsiEngine *engine); /* of poll(2) */
    /* Do what @revents allow.  -errno: the connection is of no use any more. */
    int (*service)(VioIscsiEngine *engine, short revents, char **why);
    int (*submit)(VioIscsiEngine *engine, VioIscsiCommand *command, char **why);
} VioIscsiOps;

#define VIO_ISCSI_SYMBOL "vio_iscsi_libiscsi" /* a VioIscsiOps */

struct VioIscsi {
    VioLoop *loop;
    const VioIscsiOps *ops;
    VioIscsiEngine *engine;
    VioCancel *stop; /* the user's token, and ours when it breaks */
    uint64_t patience_ns;
    bool logged_in;

    bool step_over; /* what connect, login or logout came to */
    int step_ret;
    char *step_why;

    GList *in_flight;      /* VioIscsiCommand */
    bool reading, writing; /* coroutines that do are there */
    VioCoQueue left;       /* who waits until they have gone */
    int broken;            /* -errno */
    char *why;
};

/* -- iscsi-session.c ------------------------------------------------------- */

extern const VioIscsiHost vio_iscsi_host;

/* All commands are lost; @why is copied.  The first reason counts. */
void vio_iscsi_break(VioIscsi *iscsi, int ret, const char *why);
/* It is broken: wait until nobody polls its socket. */
void vio_iscsi_co_settle(VioIscsi *iscsi);
