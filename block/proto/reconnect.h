/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/reconnect.h - a server that is lost: who connects again, when,
 * and for how long; what protocols share.
 *
 *   connected --lost--> waiting --------success--------> connected
 *                         | the delay is over               ^
 *                         v                                 |
 *                       failing: each request tries once ---+
 *   anywhere --it makes no sense--> quit, for good
 *
 * One request connects, the others wait for it.  Attempts come 1, 2, 4, 8, 16,
 * 16 ... seconds after one another.
 *
 * Concurrency: one loop.
 */
#pragma once

#include "block/proto/peer.h"
#include "io/sync.h"

/* What only the driver knows, of its client. */
typedef struct VdReconnectFuncs {
    bool (*is_connected)(const void *client);
    /* Connect, within @timeout_ns (0 = no limit).  False: *@final if trying
     * again would not help. */
    bool (*co_attempt)(void *client, uint64_t timeout_ns, bool *final,
                       GError **error);
} VdReconnectFuncs;

typedef struct VdReconnect {
    /* The driver fills these in. */
    const VdReconnectFuncs *funcs;
    void *client;
    const VdEnv *env;
    const char *name;    /* for messages; constant */
    uint64_t attempt_ns; /* that one may take; 0 = no limit */
    uint64_t delay_s;    /* that requests wait for a connection */
    uint64_t wait_until; /* so long they do now: vio_now_ns() */

    bool busy; /* somebody connects; or nobody shall, for now */
    VioCoQueue idle;
    uint64_t retry_at; /* not to be tried again before */
    uint64_t backoff_s;
    GError *failure; /* of the last attempt */
    bool quit;       /* there will be no other one */
    GError *doubt;   /* why nothing is changed any more; NULL = all is well */
} VdReconnect;

void vd_reconnect_clear(VdReconnect *r);

/* There is no connection any more. */
void vd_reconnect_lost(VdReconnect *r);
/* Nor will there be one, for this reason. */
void vd_reconnect_quit(VdReconnect *r, const GError *why);

/* A change that had been sent at least in part was lost with @peer.  A server
 * that was only slow may do it long after it was given up, over what came after
 * it: if so nothing comes after it, and it is not sent again.  With this code.
 */
void vd_reconnect_doubt(VdReconnect *r, const VdPeer *peer, VdErrorCode code);
/* May anything be changed, and be said to be durable? */
bool vd_reconnect_check_doubt(const VdReconnect *r, GError **error);

/* There is a connection: at once, or as soon as there is one again. */
bool vd_reconnect_co_get(VdReconnect *r, GError **error);
/* Nobody connects between these two.  Nobody is connecting. */
void vd_reconnect_hold(VdReconnect *r);
void vd_reconnect_release(VdReconnect *r);

/* Is a request worth another try that was lost @tries times before?  @once: in
 * any case once. */
bool vd_reconnect_may_try(const VdReconnect *r, unsigned tries, bool once);
