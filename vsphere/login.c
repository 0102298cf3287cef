/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/login.c - beginning and ending a session with the server.
 *
 * Concurrency: in turn.
 */
#include "vsphere/session-internal.h"

#include "block/error.h"
#include "vsphere/reply.h"
#include "vsphere/request.h"

/* Nobody waits long for a server that is asked for nothing. */
#define LOGOUT_MS 10000u

static VsRequest *
login_request(const VsSession *session, const VsRef *manager)
{
    VsRequest *request = vs_request_new("Login", manager);

    vs_request_text(request, "userName", session->user);
    vs_request_text(request, "password", session->password);
    return request;
}

bool
vs_login_in_turn(VsSession *session, GError **error)
{
    const VsRef *manager =
        vs_session_need_service(session, "sessionManager", error);
    g_autoptr(VsRequest) request = NULL;
    g_autoptr(VsReply) reply = NULL;
    g_autoptr(GError) refusal = NULL;

    if (!manager)
        return false;
    if (!session->user)
        return vd_throw(error, VD_ERROR_LOGIN,
                        "%s: the session has ended, and there is no user name "
                        "to begin another one with",
                        session->name);
    /* What was the caller's has ended: the next one is our own. */
    session->foreign = false;
    vs_exchange_set_cookie(session, NULL);
    request = login_request(session, manager);
    reply = vs_exchange_or_throw_in_turn(session, request, &refusal);
    if (!reply) {
        session->ended = vd_error_is(refusal, VD_ERROR_LOGIN);
        g_propagate_error(error, g_steal_pointer(&refusal));
        return false;
    }
    if (!session->cookie)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: the server has logged us in but given no cookie",
                        session->name);
    return true;
}

/* Whether it works or not, this is the end: the server forgets us in time. */
void
vs_logout_in_turn(VsSession *session)
{
    const VsRef *manager = vs_session_service(session, "sessionManager");
    g_autoptr(VsRequest) request = NULL;

    if (session->foreign || !session->cookie || !manager)
        return;
    session->timeout_ms = MIN(session->timeout_ms, LOGOUT_MS);
    request = vs_request_new("Logout", manager);
    vs_reply_free(vs_exchange_or_throw_in_turn(session, request, NULL));
}
