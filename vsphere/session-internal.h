/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/session-internal.h - the insides of a session, for session.c, call.c,
 * exchange.c, login.c, turn.c and keep-alive.c. */
#pragma once

#include "io/http.h"
#include "vsphere/fault.h"
#include "vsphere/password.h"
#include "vsphere/pulse.h"
#include "vsphere/session.h"

struct VsSession {
    int refs;
    VioLoop *loop;
    VioHttp *http;
    char *host, *name, *url; /* "host:port", "https://host:port/sdk" */
    unsigned port, timeout_ms;
    char *user, *password;
    VsTrust trust;

    /* Of who has the turn (vsphere/turn.c), besides @http. */
    bool foreign; /* the caller's own session */
    bool ended;   /* the login was refused: no more tries */

    /* Held for moments; guards what is below. */
    GMutex lock;
    GCond given; /* somebody's turn is over */
    bool taken;  /* it is somebody's */
    VsRef *nfc;  /* NULL = not asked for yet */
    /* Value of vmware_soap_session; NULL = not logged in.  Changes in turn
     * only, so who has it may look without the lock. */
    char *cookie;

    /* Set when it is opened. */
    GHashTable *services; /* name -> VsRef */
    char *api_type, *product, *instance,
        *action; /* action: of the SOAPAction header */

    VsPulse *keep_alive;
};

/* vsphere/turn.c: every call is made in turn.  Stopped by what stops the calls
 * of this thread; then that is the error. */
bool vs_turn_take(VsSession *session, GError **error);
void vs_turn_give(VsSession *session);

/* One exchange, in turn: no login, no second try.  A fault comes in *@fault,
 * with NULL and no @error. */
VsReply *vs_exchange_in_turn(VsSession *session, VsRequest *request,
                             VsFault **fault, GError **error);
/* The same, faults being errors. */
VsReply *vs_exchange_or_throw_in_turn(VsSession *session, VsRequest *request,
                                      GError **error);
/* NULL: @fault as an error, without our secrets in it.  Not only in turn. */
void *vs_exchange_throw(VsSession *session, const VsFault *fault,
                        const char *op, GError **error);

/* vsphere/call.c: with a login and a second try, if the session has expired. */
VsReply *vs_call_in_turn(VsSession *session, VsRequest *request,
                         GError **error);

/* In turn. */
void vs_exchange_set_cookie(VsSession *session, const char *cookie);
bool vs_login_in_turn(VsSession *session, GError **error);
void vs_logout_in_turn(VsSession *session);

/* A thread that calls now and then, until vs_pulse_stop(); NULL if there is
 * none to be had. */
VsPulse *vs_keep_alive_start(VsSession *session);
