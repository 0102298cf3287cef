/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/session-internal.h - the insides of a session, for session*.c. */
#pragma once

#include "io/http.h"
#include "vsphere/fault.h"
#include "vsphere/password.h"
#include "vsphere/session.h"

struct VsSession {
    int refs;
    VioLoop *loop;
    VioHttp *http;
    char *host, *name, *url; /* "host:port", "https://host:port/sdk" */
    unsigned port, timeout_ms;
    char *user, *password, *clone_ticket;

    /* Who calls holds it; guards what is below. */
    GMutex lock;
    char *cookie; /* value of vmware_soap_session; NULL = not logged in */
    bool foreign; /* the caller's own session */
    VsRef *nfc;   /* NULL = not asked for yet */
    bool ended;   /* the login was refused: no more tries */

    /* Set when it is opened. */
    GHashTable *services; /* name -> VsRef */
    char *api_type, *product, *instance,
        *action; /* action: of the SOAPAction header */

    struct VsKeepAlive *keep_alive;
};

/* One exchange, lock held: no login, no second try.  A fault comes in *@fault,
 * with NULL and no @error. */
VsReply *vs_exchange_locked(VsSession *session, VsRequest *request,
                            VsFault **fault, GError **error);
/* The same, faults being errors. */
VsReply *vs_exchange_or_throw_locked(VsSession *session, VsRequest *request,
                                     GError **error);
/* NULL: @fault as an error, without our secrets in it. */
void *vs_exchange_throw(const VsSession *session, const VsFault *fault,
                        const char *op, GError **error);

void vs_exchange_set_cookie(VsSession *session, const char *cookie);

/* Lock held. */
bool vs_login_locked(VsSession *session, GError **error);
void vs_logout_locked(VsSession *session);

/* A thread that calls now and then. */
struct VsKeepAlive *vs_keep_alive_start(VsSession *session);
void vs_keep_alive_stop(struct VsKeepAlive *keep_alive);
