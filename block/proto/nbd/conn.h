/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/nbd/conn.h - one connection in transmission.
 *
 *   conn.c    opening, sending, who reads, the end
 *   reply.c   one reply or chunk: what it may be, and where it goes
 */
#pragma once

#include "block/open.h"
#include "block/proto/nbd/cover.h"
#include "block/proto/nbd/handshake.h"

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

    /* What came of it.  Lost: nobody knows; then conn->error tells why. */
    bool done, lost;
    bool sent;      /* in part at least */
    uint32_t error; /* as on the wire; 0 = success */
    char *text;     /* of the server, escaped; NULL = none */
    bool outlived;  /* done, and then the connection broke */

    NbdCover cover;
    unsigned fruitless; /* chunks that have brought nothing new */
    VioCo *waiter;
} NbdJob;

void nbd_job_clear(NbdJob *job);

typedef struct NbdConn {
    unsigned refs;
    const VdEnv *env;
    const NbdTarget *target;
    VioStream *stream; /* NULL = closed */
    NbdExport export;
    uint64_t born; /* changes that had begun when it was there */
    struct {
        NbdJob *job; /* NULL = free */
        uint64_t generation;
    } slots[NBD_SLOTS];
    unsigned used, users;
    VioCoQueue free_slot;
    bool reading;     /* one of the waiting jobs reads for all */
    bool broken;      /* nothing more can be sent */
    bool is_violated; /* because the server broke the rules */
    bool may_live;    /* it did not hang up: it may be at work on what it has */
    GError *error;    /* why it is broken */
    bool closing;
    VioCoQueue idle, closed;
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
/* No more: all jobs are lost, for this reason (taken over). */
void nbd_conn_break(NbdConn *conn, GError *error);
/* The same, for -@errnum while @doing. */
void nbd_conn_break_errno(NbdConn *conn, int errnum, const char *doing);
/* Wait until no job is left, take leave if that is possible, close; or wait
 * until another one has done that.  Takes a reference. */
void nbd_conn_co_close(NbdConn *conn);

/* reply.c: read what comes next.  False: conn->error is set. */
bool nbd_reply_co_read(NbdConn *conn);

/* A connection without a handshake. */
VioStream *nbd_conn_co_dial(const VdEnv *env, const NbdTarget *target,
                            VioCancel *cancel, GError **error);
