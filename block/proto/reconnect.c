/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/reconnect.c - a server that is lost: who connects again, and
 * when.
 *
 * Concurrency: one loop.
 */
#include "block/proto/reconnect.h"

#include "io/op.h"

#define SECOND UINT64_C(1000000000)
#define MAX_BACKOFF_S 16u
/* A request that has killed so many connections is not sent again. */
#define MAX_RESENDS 16u

void
vd_reconnect_clear(VdReconnect *r)
{
    g_clear_error(&r->failure);
    g_clear_error(&r->doubt);
}

/* -- losing ---------------------------------------------------------------- */

void
vd_reconnect_lost(VdReconnect *r)
{
    r->wait_until = vio_now_ns() + r->delay_s * SECOND;
    r->retry_at = r->backoff_s = 0;
}

void
vd_reconnect_quit(VdReconnect *r, const GError *why)
{
    r->quit = true;
    g_clear_error(&r->failure);
    r->failure = g_error_copy(why);
}

void
vd_reconnect_doubt(VdReconnect *r, const VdPeer *peer, VdErrorCode code)
{
    if (!r->doubt && peer->may_live)
        (void) vd_throw(&r->doubt, code,
                        "%s: no more changes: the server was given up while it "
                        "had some to do, and may do them yet (%s)",
                        peer->name, peer->error->message);
}

bool
vd_reconnect_check_doubt(const VdReconnect *r, GError **error)
{
    if (r->doubt)
        g_propagate_error(error, g_error_copy(r->doubt));
    return !r->doubt;
}

bool
vd_reconnect_may_try(const VdReconnect *r, unsigned tries, bool once)
{
    return !r->quit && tries < MAX_RESENDS &&
           vio_cancel_check(r->env->cancel) == 0 &&
           (r->funcs->is_connected(r->client) || r->delay_s > 0 ||
            (once && tries == 0));
}

/* -- connecting ------------------------------------------------------------ */

void
vd_reconnect_hold(VdReconnect *r)
{
    g_assert(!r->busy);
    r->busy = true;
}

void
vd_reconnect_release(VdReconnect *r)
{
    r->busy = false;
    vio_co_queue_wake_all(&r->idle);
}

static void
attempt_failed(VdReconnect *r, GError *why, bool final)
{
    r->backoff_s = CLAMP(r->backoff_s * 2, 1, (uint64_t) MAX_BACKOFF_S);
    r->retry_at = vio_now_ns() + r->backoff_s * SECOND;
    g_clear_error(&r->failure);
    r->failure = why;
    r->quit |= final;
}

/* An attempt ends with the time for which requests wait, if that is to come;
 * one second is little enough to be begun. */
static uint64_t
attempt_ns(const VdReconnect *r)
{
    uint64_t now = vio_now_ns();

    if (now >= r->wait_until)
        return r->attempt_ns;
    return MIN(r->attempt_ns, MAX(r->wait_until - now, SECOND));
}

static void
reconnect_co_attempt(VdReconnect *r)
{
    GError *why = NULL;
    bool final = false;

    vd_reconnect_hold(r);
    if (r->funcs->co_attempt(r->client, attempt_ns(r), &final, &why))
        r->retry_at = r->backoff_s = 0;
    else /* who has cancelled will not mind if it is tried again later */
        attempt_failed(r, why, final);
    vd_reconnect_release(r);
}

static bool
throw_failure(const VdReconnect *r, GError **error)
{
    g_propagate_error(error, g_error_copy(r->failure));
    return false;
}

/* The moment for another attempt; false: there is none for this request. */
static bool
reconnect_co_await_turn(VdReconnect *r, GError **error)
{
    uint64_t now = vio_now_ns();
    int ret = vio_cancel_check(r->env->cancel);

    if (ret == 0 && now < r->retry_at) {
        if (r->retry_at > r->wait_until)
            return throw_failure(r, error);
        ret = vio_co_sleep(r->env->loop, r->retry_at - now, r->env->cancel);
    }
    return ret == 0 || vd_throw_errno(error, -ret, "%s: connecting", r->name);
}

bool
vd_reconnect_co_get(VdReconnect *r, GError **error)
{
    while (!r->quit && !r->funcs->is_connected(r->client)) {
        if (r->busy) {
            vio_co_queue_wait(&r->idle);
            continue;
        }
        if (!reconnect_co_await_turn(r, error))
            return false;
        if (r->quit || r->busy || r->funcs->is_connected(r->client))
            continue; /* another one was quicker */
        reconnect_co_attempt(r);
    }
    return !r->quit || throw_failure(r, error);
}
