/* SPDX-License-Identifier: BSD-3-Clause */
/* api/nbd/server.h - the inside of an NBD server, for api/nbd/ only.
 *
 *   server.c       life, exports, counters
 *   listen.c       sockets, one coroutine each that accepts
 *   client.c       one client: handshake, requests, end
 *   handshake.c    options up to the choice of an export
 *   tls.c          STARTTLS
 *   info.c         what an export is: flags, sizes, contexts
 *   contexts.c     LIST_META_CONTEXT, SET_META_CONTEXT
 *   requests.c     the coroutine of a client that reads and checks requests
 *   execute.c      the coroutine of a request
 *   status.c       block status
 *   reply.c        answers in the three styles
 *   memory.c       who may keep how many bytes of payload
 *
 * All are coroutines of the context's loop.  Of a client one reads; each
 * request has one that does it and writes the answer.  What a client sends is
 * checked in requests.c; below that it is trusted.
 */
#pragma once

#include "api/disk.h"
#include "block/proto/nbd/wire.h"
#include "include/vdisk-nbd.h"
#include "io/stream.h"

/* What a context tells. */
typedef enum NbdContextKind {
    NBD_TELL_ALLOCATION,
    NBD_TELL_DEPTH,
    NBD_TELL_BITMAP,
    NBD_TELL_CHANGES,
} NbdContextKind;

typedef struct NbdContext {
    NbdContextKind kind;
    char *name;           /* with its namespace */
    char *bitmap;         /* BITMAP */
    uint64_t granularity; /* BITMAP: bytes for each bit */
    unsigned links;       /* CHANGES */
} NbdContext;

typedef struct NbdExport {
    char *name, *description;
    VdDisk *disk;
    bool read_only;
    bool sparse_reads;   /* looking for holes before a read is cheap */
    bool written;        /* something may have to be flushed */
    GPtrArray *contexts; /* of NbdContext; the id is the place + 1 */
} NbdExport;

/* Bytes of payload, see memory.c. */
typedef struct NbdMemory {
    uint64_t shared, shared_used; /* for all */
    uint64_t share;               /* that each client has for itself */
    uint64_t used, peak;
    GQueue waiters;
    bool watched;      /* by a coroutine, */
    uint64_t watch_ns; /* that looks so often who moves, */
    unsigned patience; /* and so many times before somebody is cut off */
} NbdMemory;

typedef struct NbdListener {
    VdNbdServer *server;
    int fd;
    const char *scheme; /* "", "+vsock" */
    char *authority;    /* "host:port"; NULL = it has none */
    char *socket;       /* of unix sockets: the whole path; NULL = none */
    char *path;         /* of a unix socket that is ours to remove */
} NbdListener;

struct VdNbdServer {
    VdContext *ctx;
    VioLoop *loop;
    VdNbdServerParams params; /* without its texts */
    VioTlsCreds *creds;       /* NULL = no TLS */
    GPtrArray *exports;       /* of NbdExport */
    GPtrArray *listeners;     /* of NbdListener */
    GQueue clients;           /* of NbdClient */
    unsigned chosen;          /* clients that have chosen an export */
    unsigned helpers;         /* coroutines besides those of the clients */
    VioCoQueue changed;       /* a client or helper is gone */
    VioCancel *cancel;        /* no more clients */
    int event_fd;             /* ends vd_nbd_server_run() */
    bool stopping, stopped;
    NbdMemory memory;
    VdNbdStats stats;
};

typedef struct NbdClient {
    VdNbdServer *server;
    VioStream *stream;
    VioCancel *cancel; /* deadline of the handshake; the server stops */
    VioCancel *quiet;  /* deadline for what comes after that */
    GList link;        /* in server->clients */

    /* What the handshake has settled. */
    bool fixed, no_zeroes, tls;
    NbdHeaders headers;
    const NbdExport *context_export; /* whose contexts are chosen */
    GArray *contexts;                /* of unsigned: places in its list */
    NbdExport *export;               /* chosen; NULL = not yet */

    /* Requests. */
    bool gone; /* nobody waits for the answers */
    unsigned in_flight;
    unsigned statuses; /* block status among them */
    VioCoQueue less;   /* one is done */

    /* Memory. */
    uint64_t held;        /* bytes of payload, of which */
    uint64_t held_shared; /* these are of the common part */
    unsigned transfers;   /* payloads that are being sent or received */
    uint64_t moved_bytes; /* of the connection, when it was last looked at, */
    unsigned still;       /* and the same at so many looks since */
} NbdClient;

typedef struct NbdJob {
    NbdClient *client;
    NbdRequest req;
    uint64_t len;      /* of the effect */
    uint8_t *buf;      /* WRITE: what is written; later of the answer */
    uint64_t reserved; /* bytes, as vd_nbd_memory_co_take() was asked */
    uint32_t *ids;     /* BLOCK_STATUS: chosen ones; NULL = all */
    unsigned n_ids;
} NbdJob;

/* -- server.c ---------------------------------------------------------------
 */

NbdExport *vd_nbd_server_find(const VdNbdServer *server, const char *name,
                              size_t len);
/* Takes over both descriptors; false: the server has no room, it is closed. */
bool vd_nbd_server_admit(VdNbdServer *server, int in_fd, int out_fd);
/* One is gone; @chosen: it was counted in server->chosen. */
void vd_nbd_server_client_left(VdNbdServer *server, bool chosen);

/* -- listen.c ---------------------------------------------------------------
 */

void vd_nbd_listener_free(NbdListener *listener);

/* -- client.c ---------------------------------------------------------------
 */

/* What a wait for the client is to heed: while the server stops, what has been
 * sent already is still read, so that it can be answered. */
VioCancel *vd_nbd_client_reading(NbdClient *client);
/* Starts its coroutine; the server's list has it until its end. */
void vd_nbd_client_start(VdNbdServer *server, int in_fd, int out_fd);

/* -- handshake.c ------------------------------------------------------------
 */

/* Up to the choice of an export: true, and it is in client->export.  False: the
 * connection is to be closed. */
bool vd_nbd_handshake_co_run(NbdClient *client);
/* One reply of an option. */
bool vd_nbd_option_co_reply(NbdClient *client, uint32_t option, uint32_t type,
                            const void *payload, size_t len);
/* An error with a text of ours. */
bool vd_nbd_option_co_fail(NbdClient *client, uint32_t option, uint32_t type,
                           const char *text);

/* -- tls.c --------------------------------------------------------------------
 */

bool vd_nbd_tls_load(VdNbdServer *server, const VdNbdServerParams *params,
                     GError **error);
void vd_nbd_tls_unload(VdNbdServer *server);
/* The option; false ends the connection. */
bool vd_nbd_tls_co_start(NbdClient *client);

/* -- info.c ------------------------------------------------------------------
 */

uint16_t vd_nbd_export_flags(const NbdClient *client, const NbdExport *export);
/* INFO and GO: false ends the connection.  *@chosen: GO was successful. */
bool vd_nbd_info_co_reply(NbdClient *client, uint32_t option,
                          const uint8_t *data, size_t len, NbdExport **chosen);
/* The longest payload of a request or an answer. */
uint64_t vd_nbd_max_payload(const VdNbdServer *server);

/* -- contexts.c --------------------------------------------------------------
 */

/* Those that an export has; false: a bitmap is not to be had. */
bool vd_nbd_contexts_add(NbdExport *export, const VdNbdExport *what,
                         GError **error);
void vd_nbd_context_free(NbdContext *context);
bool vd_nbd_contexts_co_reply(NbdClient *client, uint32_t option,
                              const uint8_t *data, size_t len);

/* -- requests.c, execute.c, status.c -----------------------------------------
 */

/* Until the client ends it or the server stops: true; or the client is lost or
 * breaks the rules. */
bool vd_nbd_requests_co_run(NbdClient *client);
void vd_nbd_job_start(NbdJob *job);
void vd_nbd_job_free(NbdJob *job);
bool vd_nbd_status_co_run(const NbdJob *job);

/* -- reply.c ------------------------------------------------------------------
 */

/* Whether all went out; if not, the connection is lost and its reader will
 * notice, so nobody has to look at it. */
bool vd_nbd_reply_co_ok(const NbdJob *job);
bool vd_nbd_reply_co_error(const NbdJob *job, uint32_t error, const char *text);
/* A storage error; @doing: "read". */
bool vd_nbd_reply_co_gerror(const NbdJob *job, const char *doing,
                            GError *error);
/* A chunk: @body of up to NBD_CHUNK_BODY bytes, then @payload (may be NULL). */
#define NBD_CHUNK_BODY 16u
bool vd_nbd_reply_co_chunk(const NbdJob *job, uint16_t type, bool done,
                           const void *body, size_t body_len,
                           const VioVec *payload);
/* What has been read, simple. */
bool vd_nbd_reply_co_data(const NbdJob *job, const VioVec *payload);

/* -- memory.c -----------------------------------------------------------------
 */

void vd_nbd_memory_init(VdNbdServer *server);
/* @len bytes of payload for @client, once there is room.  False: the client has
 * been cut off meanwhile, or the server stops. */
bool vd_nbd_memory_co_take(NbdClient *client, uint64_t len);
void vd_nbd_memory_give(NbdClient *client, uint64_t len);
/* Nobody waits any longer. */
void vd_nbd_memory_stop(VdNbdServer *server);
/* A payload that the other side has to take or send begins and ends. */
void vd_nbd_transfer_begin(NbdClient *client);
void vd_nbd_transfer_end(NbdClient *client);
