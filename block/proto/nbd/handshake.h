/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/nbd/handshake.h - from a fresh connection to an export.
 *
 *   option.c     one option and its replies
 *   handshake.c  the greeting, and which options in which order
 *   list.c       what exports there are
 */
#pragma once

#include "block/error.h"
#include "block/proto/nbd/target.h"
#include "block/proto/nbd/wire.h"
#include "io/stream.h"

/* Longest payload of an option reply that is kept: a name and a description. */
#define NBD_REPLY_KEPT (2 * NBD_MAX_STRING + 64)
/* Exports and contexts that one answer may list. */
#define NBD_MAX_LISTED 65536u
#define NBD_MAX_CONTEXTS 1024u

/* What server and client have agreed upon. */
typedef struct NbdExport {
    NbdHeaders headers;
    uint64_t size;
    unsigned flags;       /* transmission flags */
    bool has_sizes;       /* the server has told its block sizes */
    uint32_t min_block;   /* power of two */
    uint32_t pref_block;  /* power of two; 0 = not told */
    uint32_t max_payload; /* of one request; at most NBD_MAX_PAYLOAD */
    bool has_allocation;  /* base:allocation was selected, by this id */
    uint32_t allocation_id;
    bool has_context; /* target->context likewise */
    uint32_t context_id;
} NbdExport;

typedef struct NbdHandshake {
    VioStream *stream;
    const NbdTarget *target;
    VioCancel *cancel;
    unsigned greeting;               /* flags of the server */
    bool no_extended, no_structured; /* do not try these */
    uint32_t asked;                  /* the option that is being answered */
    bool final;     /* after a failure: trying again would not help */
    bool fresh_tls; /* nothing has come since TLS began */
    bool lost;      /* after a failure: the other end closed the connection */
    NbdExport export;
    uint8_t payload[NBD_REPLY_KEPT];
} NbdHandshake;

typedef struct NbdOptionReply {
    uint32_t type;
    uint32_t len;         /* as sent */
    uint32_t kept;        /* bytes of it that are there */
    const uint8_t *bytes; /* until the next call */
} NbdOptionReply;

/* -- option.c -------------------------------------------------------------- */

/* Fails with @error in words of the export; sets h->lost and h->final. */
bool nbd_shake_co_read(NbdHandshake *h, void *buf, size_t len, GError **error);
bool nbd_shake_co_send(NbdHandshake *h, const void *buf, size_t len,
                       GError **error);
/* The other end breaks the rules. */
G_GNUC_PRINTF(3, 4)
bool nbd_shake_violation(NbdHandshake *h, GError **error, const char *format,
                         ...);

bool nbd_option_co_send(NbdHandshake *h, uint32_t option, const void *data,
                        size_t len, GError **error);
/* The next reply to it. */
bool nbd_option_co_reply(NbdHandshake *h, NbdOptionReply *reply,
                         GError **error);
/* The server has agreed to TLS: go on in it. */
bool nbd_shake_co_start_tls(NbdHandshake *h, GError **error);
/* For options answered by one ACK or an error: *@accepted. */
bool nbd_option_co_simple(NbdHandshake *h, uint32_t option, bool *accepted,
                          GError **error);
/* Set @error from an error reply; always false, and h->final. */
bool nbd_option_refused(NbdHandshake *h, const NbdOptionReply *reply,
                        GError **error);
/* Leave politely; failures do not matter any more. */
void nbd_option_co_abort(NbdHandshake *h);

/* -- list.c ---------------------------------------------------------------- */

typedef struct NbdListed {
    char *name, *description; /* as sent: not to be printed unescaped */
} NbdListed;

void nbd_listed_free(NbdListed *listed);
/* Adds what the server lists (NbdListed).  *@refused: it failed because the
 * server does not want to tell; the handshake could go on. */
bool nbd_list_co_exports(NbdHandshake *h, GPtrArray *exports, bool *refused,
                         GError **error);

/* -- handshake.c ----------------------------------------------------------- */

/* The greeting and TLS; *@oldstyle: the export is all set already. */
bool nbd_shake_co_greet(NbdHandshake *h, bool *oldstyle, GError **error);
/* All of it: h->export is filled in. */
bool nbd_shake_co_go(NbdHandshake *h, GError **error);
