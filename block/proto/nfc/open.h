/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/nfc/open.h - from nothing to an opened disk.
 *
 *   ticket.c    admission
 *   authd.c     the line protocol of port 902, and TLS
 *   classic.c   agreeing on a session
 *   open.c      all of it; buffers, the file, what is known about it
 */
#pragma once

#include "block/open.h"
#include "block/proto/nfc/target.h"
#include "io/stream.h"

typedef struct NfcConn NfcConn;

typedef struct NfcOpening {
    const VdEnv *env;
    const NfcTarget *target;
    VioCancel *cancel; /* has the deadline */
    bool writable;

    /* How: what turns out not to go is changed, and it is tried again. */
    uint32_t buffer_size;
    bool low_security;

    /* One attempt. */
    VdTicket ticket;
    char *name; /* of disk and host, for messages */
    VioStream *stream;
    char *digest;    /* of what is behind authd, as that says; NULL = unknown */
    bool tls_failed; /* they could not agree */
    bool too_large;  /* the server did not want such buffers */
    bool final;      /* what is wrong will not change */
} NfcOpening;

/* Connect and open; what the server refuses for its size or its security is
 * asked for in a smaller or older way.  Changes how.  Then *@final: trying
 * again would not help. */
NfcConn *nfc_co_open(NfcOpening *opening, GError **error);
/* Lets go of what an attempt has left. */
void nfc_opening_clear(NfcOpening *opening);

/* The steps; the first one makes the stream. */
bool nfc_authd_co_enter(NfcOpening *opening, GError **error);
/* Of that, what is said before and inside TLS. */
bool nfc_authd_co_greet(NfcOpening *opening, bool *sha256, GError **error);
bool nfc_authd_co_login(NfcOpening *opening, bool sha256, GError **error);
bool nfc_classic_co_agree(NfcOpening *opening, GError **error);

/* -@errnum came of @doing; returns false. */
bool nfc_opening_lost(NfcOpening *opening, int errnum, const char *doing,
                      GError **error);
/* The server breaks the rules; returns false. */
bool nfc_opening_violation(NfcOpening *opening, GError **error,
                           const char *format, ...) G_GNUC_PRINTF(3, 4);
