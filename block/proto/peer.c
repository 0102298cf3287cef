/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/peer.c - one connection to a server: what protocols share.
 *
 * Concurrency: one loop.
 */
#include "block/proto/peer.h"

#include <errno.h>

#define SECOND_NS UINT64_C(1000000000)
/* For what is left of an answer: a server that has begun has what it needs; and
 * 64 KiB/s are little. */
#define REST_NS (60 * SECOND_NS)
#define BYTE_NS (SECOND_NS >> 16)

void
vd_peer_init(VdPeer *peer, const VdEnv *env, const char *name,
             VioStream *stream, uint64_t patience_s)
{
    peer->refs = 1;
    peer->env = env;
    peer->name = name;
    peer->stream = stream;
    peer->patience_s = patience_s;
    vio_stream_set_send_timeout(stream, patience_s * SECOND_NS);
}

void
vd_peer_clear(VdPeer *peer)
{
    g_assert(!peer->stream);
    g_clear_error(&peer->error);
}

/* -- breaking -------------------------------------------------------------- */

void
vd_peer_break(VdPeer *peer, GError *error)
{
    if (peer->relay.broken) {
        g_error_free(error);
        return;
    }
    peer->error = error;
    vio_stream_reset(peer->stream);
    vd_relay_break(&peer->relay);
    vio_co_queue_wake_all(&peer->room);
}

void
vd_peer_break_errno(VdPeer *peer, int errnum, const char *doing)
{
    bool hung_up = errnum == ENODATA || errnum == ECONNRESET || errnum == EPIPE;
    GError *error = NULL;

    if (!peer->relay.broken)
        peer->may_live = !hung_up;
    if (hung_up)
        (void) vd_throw(&error, VD_ERROR_IO,
                        "%s: the server closed the connection", peer->name);
    else
        (void) vd_throw_errno(&error, errnum, "%s: %s", peer->name, doing);
    vd_peer_break(peer, error);
}

bool
vd_peer_violation(VdPeer *peer, const char *format, ...)
{
    g_autofree char *text = NULL;
    GError *error = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    (void) vd_throw(&error, VD_ERROR_CORRUPT,
                    "%s: the server breaks the protocol: %s", peer->name, text);
    peer->is_violated = true;
    vd_peer_break(peer, error);
    return false;
}

/* -- requests -------------------------------------------------------------- */

bool
vd_peer_co_begin(VdPeer *peer, VdAwait *await, unsigned most)
{
    peer->users++;
    while (!peer->relay.broken && peer->used >= most)
        vio_co_queue_wait(&peer->room);
    if (peer->relay.broken) {
        *await = (VdAwait){.lost = true};
        return false;
    }
    peer->used++;
    vd_relay_enter(&peer->relay, await);
    return true;
}

void
vd_peer_end(VdPeer *peer, VdAwait *await, bool begun)
{
    if (begun) {
        vd_relay_leave(&peer->relay, await);
        peer->used--;
        (void) vio_co_queue_wake_one(&peer->room);
    }
    if (--peer->users == 0)
        vio_co_queue_wake_all(&peer->idle);
}

void
vd_peer_co_send(VdPeer *peer, const void *head, size_t head_len,
                const VioVec *payload)
{
    int r = vio_stream_co_send(peer->stream, head, head_len, payload,
                               peer->env->cancel);

    if (r < 0)
        vd_peer_break_errno(peer, -r, "sending a request");
}

/* -- reading --------------------------------------------------------------- */

bool
vd_peer_lost(VdPeer *peer, int errnum)
{
    vd_peer_break_errno(peer, errnum, "waiting for a reply");
    return false;
}

/* @r is what the stream said. */
static bool
peer_check(VdPeer *peer, int r)
{
    return r == 0 || vd_peer_lost(peer, -r);
}

/* The token for the next @len bytes of an answer. */
static VioCancel *
rest_token(const VdPeer *peer, uint64_t len)
{
    VioCancel *user = peer->env->cancel, *token;

    if (vio_stream_buffered(peer->stream) >= len)
        return user ? vio_cancel_ref(user) : NULL;
    token = vio_cancel_new_child(user);
    vio_cancel_set_deadline(token, vio_now_ns() + REST_NS + len * BYTE_NS);
    return token;
}

static uint64_t
bytes_sent(const VdPeer *peer)
{
    VioStreamStats stats;

    vio_stream_get_stats(peer->stream, &stats);
    return stats.bytes_out;
}

/* So long, from when the last request had left: a server may be busy with
 * taking a long one, for which the stream has a limit of its own. */
static int
peer_co_await_until(VdPeer *peer, size_t want, const void **bytes,
                    size_t *available)
{
    for (;;) {
        g_autoptr(VioCancel) token = vio_cancel_new_child(peer->env->cancel);
        uint64_t sent = bytes_sent(peer);
        int r;

        vio_cancel_set_deadline(token,
                                vio_now_ns() + peer->patience_s * SECOND_NS);
        r = vio_stream_co_peek(peer->stream, want, bytes, available, token);
        /* The kernel has a limit, too; and so may the user. */
        if (r != -ETIMEDOUT || vio_cancel_check(token) == 0 ||
            vio_cancel_check(peer->env->cancel) != 0)
            return r;
        if (!vio_stream_is_sending(peer->stream) && bytes_sent(peer) == sent)
            return r;
    }
}

bool
vd_peer_co_await(VdPeer *peer, size_t want, const void **bytes,
                 size_t *available)
{
    int r;

    if (!peer->patience_s || vio_stream_buffered(peer->stream) >= want)
        r = vio_stream_co_peek(peer->stream, want, bytes, available,
                               peer->env->cancel);
    else
        r = peer_co_await_until(peer, want, bytes, available);
    return peer_check(peer, r);
}

bool
vd_peer_co_peek(VdPeer *peer, size_t want, const void **bytes)
{
    g_autoptr(VioCancel) token = rest_token(peer, want);
    size_t available;

    return peer_check(
        peer, vio_stream_co_peek(peer->stream, want, bytes, &available, token));
}

bool
vd_peer_co_take(VdPeer *peer, void *buf, size_t len)
{
    g_autoptr(VioCancel) token = rest_token(peer, len);

    return peer_check(peer, vio_stream_co_read(peer->stream, buf, len, token));
}

bool
vd_peer_co_take_data(VdPeer *peer, const VioVec *dst)
{
    g_autoptr(VioCancel) token = rest_token(peer, dst->len);

    return peer_check(peer, vio_stream_co_readv(peer->stream, dst, token));
}

bool
vd_peer_co_skip(VdPeer *peer, uint64_t len)
{
    g_autoptr(VioCancel) token = rest_token(peer, len);

    return peer_check(peer, vio_stream_co_skip(peer->stream, len, token));
}

/* -- the end --------------------------------------------------------------- */

static void
peer_co_close(VdPeer *peer, void (*co_leave)(void *arg), void *arg)
{
    peer->closing = true;
    while (peer->users > 0)
        vio_co_queue_wait(&peer->idle);
    if (!peer->relay.broken)
        co_leave(arg);
    peer->relay.broken = true;
    vio_stream_co_close(peer->stream);
    peer->stream = NULL;
    vio_co_queue_wake_all(&peer->closed);
}

void
vd_peer_co_close(VdPeer *peer, void (*co_leave)(void *arg), void *arg)
{
    if (!peer->closing)
        peer_co_close(peer, co_leave, arg);
    while (peer->stream)
        vio_co_queue_wait(&peer->closed);
}
