/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/peer.h - one connection to a server that has many requests at a
 * time and answers them in its own order: what protocols share.
 *
 * A server that breaks the rules, or is lost, breaks the connection for good.
 * All who wait for answers have lost then; peer->error tells why.
 *
 * Concurrency: one loop.
 */
#pragma once

#include "block/open.h"
#include "block/proto/relay.h"
#include "io/stream.h"

typedef struct VdPeer {
    unsigned refs;
    const VdEnv *env;
    const char *name;     /* of what is there, for messages */
    uint64_t patience_s;  /* until an answer begins; 0 = no limit */
    VioStream *stream;    /* NULL = closed */
    unsigned used, users; /* requests in flight; and with those that wait */
    VioCoQueue room;      /* who waits for others to leave */
    VdRelay relay;        /* broken: nothing more can be sent */
    bool is_violated;     /* because the server broke the rules */
    bool may_live;        /* it did not hang up: it may be at work on what it
                             has */
    GError *error;        /* why it is broken */
    bool closing;
    VioCoQueue idle, closed;
} VdPeer;

/* @peer is zeroed, and part of something; takes @stream over. */
void vd_peer_init(VdPeer *peer, const VdEnv *env, const char *name,
                  VioStream *stream, uint64_t patience_s);
/* The last reference is gone and it is closed. */
void vd_peer_clear(VdPeer *peer);

/* -- requests -------------------------------------------------------------- */

/* Wait until less than @most are in flight, then count as one: to be ended with
 * vd_peer_end(), whatever comes of it.  False: it is broken. */
bool vd_peer_co_begin(VdPeer *peer, VdAwait *await, unsigned most);
/* @begun: what begin has said. */
void vd_peer_end(VdPeer *peer, VdAwait *await, bool begun);
/* In one piece; breaks the connection if it cannot be sent. */
void vd_peer_co_send(VdPeer *peer, const void *head, size_t head_len,
                     const VioVec *payload);

/* -- the end --------------------------------------------------------------- */

/* No more: all who wait have lost, for this reason (taken over). */
void vd_peer_break(VdPeer *peer, GError *error);
/* The same, for -@errnum while @doing. */
void vd_peer_break_errno(VdPeer *peer, int errnum, const char *doing);
/* The same, because the server breaks the rules; returns false. */
bool vd_peer_violation(VdPeer *peer, const char *format, ...)
    G_GNUC_PRINTF(2, 3);
/* Wait until no request is left, take leave with @co_leave (of @arg) if that is
 * possible, close; or wait until another one has done that. */
void vd_peer_co_close(VdPeer *peer, void (*co_leave)(void *arg), void *arg);

/* -- reading, for who reads for all ---------------------------------------- */

/* All return false if the connection has broken over it. */

/* It has, for -@errnum. */
bool vd_peer_lost(VdPeer *peer, int errnum);

/* The next answer begins: at least @want bytes, *@available in all. */
bool vd_peer_co_await(VdPeer *peer, size_t want, const void **bytes,
                      size_t *available);
/* One that has begun goes on, at a rate that is little for any server. */
bool vd_peer_co_peek(VdPeer *peer, size_t want, const void **bytes);
bool vd_peer_co_take(VdPeer *peer, void *buf, size_t len);
bool vd_peer_co_take_data(VdPeer *peer, const VioVec *dst);
bool vd_peer_co_skip(VdPeer *peer, uint64_t len);
