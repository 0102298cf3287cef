/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/call.c - calls of a session, which is logged in again, once, if the
 * server does not know it any more.
 *
 * Concurrency: in turn (vsphere/turn.c).
 */
#include "vsphere/session-internal.h"

#include "block/error.h"
#include "vsphere/reply.h"
#include "vsphere/request.h"

/* The session has expired, or the server was started anew: what can be told of
 * that is a fault or a status of HTTP. */
static bool
is_expired(const VsFault *fault, const GError *error)
{
    return fault ? vs_fault_is(fault, "NotAuthenticated")
                 : error && vd_error_is(error, VD_ERROR_LOGIN);
}

/* Properties are asked for with success even then, but there are none. */
static bool
is_hollow(const VsReply *reply)
{
    g_autoptr(VsFault) fault = vs_reply_missing(reply);

    return fault && vs_fault_is(fault, "NotAuthenticated");
}

VsReply *
vs_call_in_turn(VsSession *session, VsRequest *request, GError **error)
{
    g_autoptr(VsFault) fault = NULL;
    g_autoptr(GError) first = NULL;
    VsReply *reply;

    if (session->cookie) {
        reply = vs_exchange_in_turn(session, request, &fault, &first);
        if (reply && !is_hollow(reply))
            return reply;
        if (reply) {
            fault = vs_reply_missing(reply);
            vs_reply_free(reply);
        }
        if (!is_expired(fault, first) || !session->user || session->ended) {
            if (!first)
                return vs_exchange_throw(session, fault, vs_request_op(request),
                                         error);
            g_propagate_error(error, g_steal_pointer(&first));
            return NULL;
        }
    }
    if (session->ended)
        return vd_throw_null(error, VD_ERROR_LOGIN,
                             "%s: the session has ended, and another login "
                             "was refused",
                             session->name);
    if (!vs_login_in_turn(session, error))
        return NULL;
    return vs_exchange_or_throw_in_turn(session, request, error);
}

VsReply *
vs_session_call(VsSession *session, VsRequest *request, GError **error)
{
    VsReply *reply = NULL;

    if (vs_turn_take(session, error)) {
        reply = vs_call_in_turn(session, request, error);
        vs_turn_give(session);
    }
    vs_request_free(request);
    return reply;
}

bool
vs_session_do(VsSession *session, VsRequest *request, GError **error)
{
    g_autoptr(VsReply) reply = vs_session_call(session, request, error);

    return reply != NULL;
}

bool
vs_session_touch(VsSession *session, GError **error)
{
    const VsRef self = {(char *) "ServiceInstance", (char *) "ServiceInstance"};

    return vs_session_do(session, vs_request_new("CurrentTime", &self), error);
}

VsRef *
vs_session_call_ref(VsSession *session, VsRequest *request, GError **error)
{
    g_autofree char *op = g_strdup(vs_request_op(request));
    g_autoptr(VsReply) reply = vs_session_call(session, request, error);
    VsRef *ref = reply ? vs_ref_from_xml(vs_reply_value(reply)) : NULL;

    if (reply && !ref)
        (void) vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: %s: the answer has no object in it", session->name,
                        op);
    return ref;
}

bool
vs_session_throw(VsSession *session, const VsFault *fault, const char *op,
                 GError **error)
{
    return vs_exchange_throw(session, fault, op, error) != NULL;
}
