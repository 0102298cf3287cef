/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/session.h - a session with a vCenter or an ESXi host.
 *
 * All functions here and everything built on them block, and may be called by
 * any thread that is not inside a coroutine: the caller runs the session's own
 * loop.  Coroutines of other loops call them on an offload worker.  Calls of
 * one session go one after another.
 *
 * Errors name the server ("host:port"), never a credential.
 */
#pragma once

#include "include/vdisk.h"
#include "io/cancel.h"
#include "vsphere/ref.h"

typedef struct VsSession VsSession;
typedef struct VsRequest VsRequest; /* vsphere/request.h */
typedef struct VsReply VsReply;     /* vsphere/reply.h */
typedef struct VsFault VsFault;     /* vsphere/fault.h */

typedef struct VsSessionParams {
    const char *server; /* name or address, without port */
    unsigned port;      /* 0 = 443 */
    const char *user, *password;
    const char *cookie;     /* instead: the caller's session, which is never
                               logged out */
    const char *thumbprint; /* when given it alone decides */
    const char *ca_file;    /* NULL = whom the system trusts */
    bool insecure;          /* no thumbprint, no check */
    const char *proxy;      /* NULL = none, whatever the environment says */
    unsigned timeout_ms;    /* of one call; 0 = two minutes */
} VsSessionParams;

/* Connects, checks the server and logs in.  Strings are copied. */
VsSession *vs_session_open(const VsSessionParams *params, GError **error);
VsSession *vs_session_ref(VsSession *session);
/* With the last one the session ends, and is logged out if it is our own. */
void vs_session_unref(VsSession *session);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VsSession, vs_session_unref)

/* What stops the calls of this thread from now on, and its waiting for those of
 * others, besides the time of a call; NULL = nothing.  For workers that do
 * something for somebody who may be stopped; set back to NULL when that is
 * done. */
void vs_session_set_thread_cancel(VioCancel *cancel);
/* What has been set. */
VioCancel *vs_session_thread_cancel(void);

/* -- the server -------------------------------------------------------------
 */

const char *vs_session_host(const VsSession *session);
unsigned vs_session_port(const VsSession *session);
const char *vs_session_name(const VsSession *session); /* "host:port" */
bool vs_session_is_vcenter(const VsSession *session);
const char *vs_session_product(const VsSession *session); /* for people */
/* What it is called by itself, whatever name we know it under; or NULL. */
const char *vs_session_instance(const VsSession *session);
/* One of the objects that every server has, by its name in the service content
 * ("propertyCollector"); NULL = this server has none. */
const VsRef *vs_session_service(const VsSession *session, const char *name);
/* The same, NOT_IMPLEMENTED if there is none. */
const VsRef *vs_session_need_service(const VsSession *session, const char *name,
                                     GError **error);

/* The object that gives tickets for disks; a new reference. */
VsRef *vs_session_find_nfc(VsSession *session, GError **error);

#define VS_SESSION_COOKIE "vmware_soap_session"
/* Value of the session's cookie, for requests of files: of one that is alive,
 * and new if the last one was not any more.  A secret: vs_wipe(). */
char *vs_session_fresh_cookie(VsSession *session, GError **error);

/* How the server was to be known, for other connections to it. */
typedef struct VsTrust {
    char *thumbprint, *ca_file, *proxy; /* or NULL */
    bool insecure;
} VsTrust;

/* Lives as long as the session. */
const VsTrust *vs_session_trust(const VsSession *session);

/* -- calls ------------------------------------------------------------------
 */

/* Sends @request (taken over in any case) and gives the answer.  If the
 * session has expired it is logged in again, once, and the call repeated.
 * Faults become errors (vsphere/fault.h). */
VsReply *vs_session_call(VsSession *session, VsRequest *request,
                         GError **error);

/* The same for those that answer with nothing, or nothing of interest. */
bool vs_session_do(VsSession *session, VsRequest *request, GError **error);

/* The same for those that answer with a reference: "returnval". */
VsRef *vs_session_call_ref(VsSession *session, VsRequest *request,
                           GError **error);

/* Did a call fail for want of an answer?  It may have been done, and the server
 * may answer the next one. */
bool vs_session_is_out_of_reach(const GError *error);

/* A call that changes nothing: behind it the session is alive. */
bool vs_session_touch(VsSession *session, GError **error);

/* False: a fault that was found inside of an answer to @op, as an error,
 * without the session's secrets in it. */
bool vs_session_throw(VsSession *session, const VsFault *fault, const char *op,
                      GError **error);

/* -- sessions by name --------------------------------------------------------
 */

/* So that options, which are text, can mean a session that exists.  The name
 * is random and valid until it is forgotten; g_free. */
char *vs_session_publish(VsSession *session);
void vs_session_forget(const char *name);
/* A new reference, or NULL. */
VsSession *vs_session_find(const char *name);

/* Whoever opens the disk named exactly @disk means this session from now on,
 * until it is forgotten. */
void vs_session_lend(const char *name, const char *disk);
/* The name of the session that was lent for @disk, or NULL; g_free. */
char *vs_session_lent(const char *disk);
