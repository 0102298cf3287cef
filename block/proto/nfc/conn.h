/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/nfc/conn.h - one connection that talks in frames.
 *
 *   conn.c    sending, the end; who reads: block/proto/relay.h
 *   aio.c     one frame that comes: what it may be, and where it goes
 *   pack.c    the frames of a write; compression, on workers
 */
#pragma once

#include "block/proto/cover.h"
#include "block/proto/nfc/open.h"
#include "block/proto/peer.h"

/* Requests in flight. */
#define NFC_SLOTS 128u

/* One request; on the stack of whoever waits for it. */
typedef struct NfcJob {
    NfcType type;

    /* NFC_IO */
    NfcDirection direction;
    uint64_t off;
    const VioVec *data; /* READ: where to, WRITE: where from */

    /* all others */
    uint8_t request[NFC_MAX_PAYLOAD];
    size_t request_len;
    const char *extra; /* goes behind it; or NULL */
    uint8_t reply[NFC_MAX_PAYLOAD];
    size_t reply_len;     /* that it must have */
    uint64_t asked;       /* QUERY: chunks */
    uint8_t *reply_extra; /* a NUL behind it that does not count */
    size_t reply_extra_len;

    /* What came of it.  Lost: nobody knows; then peer.error tells why. */
    VdAwait await;
    bool sent;      /* in part at least */
    bool refused;   /* the server says no */
    bool read_only; /* because it is for reading only */
    bool locked;    /* because somebody else has the file */
    char *reason;   /* what it says; for messages */
    bool outlived;  /* done, and then the connection broke */

    uint32_t op;
    VdCover cover;
    GArray *pieces; /* of NfcPiece, still compressed; NULL = none */
    uint64_t kept;  /* bytes of memory for these */
} NfcJob;

/* A fragment of a read as it came. */
typedef struct NfcPiece {
    NfcCompression how;
    uint32_t off, len; /* in the request, not compressed */
    uint8_t *bytes;
    uint32_t n;
} NfcPiece;

/* What the job was given is left alone. */
void nfc_job_clear(NfcJob *job);

struct NfcConn {
    VdPeer peer; /* first */
    const NfcTarget *target;
    char *name; /* the peer's */
    uint32_t buffer_size;
    uint32_t next_op;
    GHashTable *jobs; /* by their op */
    NfcFile file;
    bool has_session, has_file;
    uint64_t farewell_s; /* for which closing waits for an answer */
    bool left_well; /* the server has done all that it was sent, and closed */
};

/* What an opening has come to so far; takes its stream over. */
NfcConn *nfc_conn_new(NfcOpening *opening);
NfcConn *nfc_conn_ref(NfcConn *conn);
/* The last one must have been given to nfc_conn_co_close(). */
void nfc_conn_unref(NfcConn *conn);
/* Send @job and wait until it is done or lost.  A read that is done has all of
 * its bytes where they belong. */
void nfc_conn_co_run(NfcConn *conn, NfcJob *job);
/* Wait until no job is left, take leave if that is possible, close; or wait
 * until another one has done that.  Takes a reference. */
void nfc_conn_co_close(NfcConn *conn);

/* -- aio.c ----------------------------------------------------------------- */

/* Read what comes next.  False: peer.error is set. */
bool nfc_frame_co_read(NfcConn *conn);

/* -- pack.c ---------------------------------------------------------------- */

/* All frames of a write, in one piece. */
typedef struct NfcPack {
    unsigned n;
    uint8_t *heads;    /* header and record of each */
    GPtrArray *extras; /* what is compressed; NULL = nothing is */
    struct iovec *iov;
    VioVec vec; /* to be sent */
} NfcPack;

void nfc_pack_co_make(NfcPack *pack, const NfcConn *conn, const NfcJob *job);
/* The number of the request stands in each of them. */
void nfc_pack_set_op(NfcPack *pack, uint32_t op);
void nfc_pack_clear(NfcPack *pack);
/* Decompress the pieces that have come; false: it is damaged. */
bool nfc_co_unpack(VioLoop *loop, NfcJob *job, GError **error);
