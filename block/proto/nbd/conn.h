/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/nbd/conn.h - one connection in transmission.
 *
 *   conn.c    opening, sending, who reads, the end
 *   reply.c   one reply or chunk: what it may be, and where it goes
 */
#pragma once

#include "block/open.h"
#include "block/proto/cover.h"
#include "block/proto/nbd/handshake.h"
#include "block/proto/peer.h"

/* Requests in flight. */
#define NBD_SLOTS 64u
/* Of block status, in bytes, without extended headers.  More makes nbdkit
 * before 1.44 stumble, which has none of these. */
#define NBD_LONGEST_ASK (UINT64_C(1) << 31)

typedef struct NbdExtent {
    uint64_t len;
    uint64_t status;
} NbdExtent;

/* One request; on the stack of whoever waits for it. */
typedef struct NbdJob {
    NbdCommand command;
    unsigned flags;
    uint64_t off, len;
    const VioVec *data; /* READ: where to, WRITE: where from */
    uint64_t number;    /* of a change, in the order of their beginning */
    GArray *extents;    /* BLOCK_STATUS: of NbdExtent, to be filled */
    bool own_context;   /* BLOCK_STATUS: of target->context, not allocation */

    /* What came of it.  Lost: nobody knows; then peer.error tells why. */
    VdAwait await;
    bool sent;      /* in part at least */
    uint32_t error; /* as on the wire; 0 = success */
    char *text;     /* of the server, escaped; NULL = none */
    bool outlived;  /* done, and then the connection broke */

    VdCover cover;
    unsigned fruitless; /* chunks that have brought nothing new */
} NbdJob;

void nbd_job_clear(NbdJob *job);

typedef struct NbdConn {
    VdPeer peer; /* first */
    const NbdTarget *target;
    NbdExport export;
    uint64_t born; /* changes that had begun when it was there */
    struct {
        NbdJob *job; /* NULL = free */
        uint64_t generation;
    } slots[NBD_SLOTS];
} NbdConn;

NbdConn *nbd_conn_ref(NbdConn *conn);
/* The last one must have been given to nbd_conn_co_close(). */
void nbd_conn_unref(NbdConn *conn);

/* Connect and agree, all within @timeout_ns (0 = no limit).  *@final: trying
 * again would not help. */
NbdConn *nbd_conn_co_open(const VdEnv *env, const NbdTarget *target,
                          VioCancel *cancel, uint64_t timeout_ns, bool *final,
                          GError **error);
/* What a handshake has come to; takes its stream over. */
NbdConn *nbd_conn_new(const VdEnv *env, NbdHandshake *handshake);
/* Send @job and wait until it is done or lost. */
void nbd_conn_co_run(NbdConn *conn, NbdJob *job);
/* Wait until no job is left, take leave if that is possible, close; or wait
 * until another one has done that.  Takes a reference. */
void nbd_conn_co_close(NbdConn *conn);

/* reply.c: read what comes next.  False: peer.error is set. */
bool nbd_reply_co_read(NbdConn *conn);
