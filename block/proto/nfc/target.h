/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/nfc/target.h - which disk, and how to reach it. */
#pragma once

#include "block/options.h"
#include "block/proto/nfc/codec.h"
#include "block/tickets.h"

typedef struct NfcTarget {
    char *path; /* "[datastore] folder/disk.vmdk" */

    /* Admission: from a source, or from a file with the options below. */
    VdTicketSource *source; /* NULL = none */
    char *session_file;
    char *host, *service, *thumbprint; /* where a ticket says nothing */
    uint64_t port;

    bool tls;               /* the data, too: "nbdssl", else "nbd" */
    char *tls_certificates; /* directory, for a host without a thumbprint; NULL
                               = whom the system trusts */

    uint64_t buffer_size; /* 0 = as large as the server takes */
    uint64_t buffer_count;
    NfcCompression compression;

    uint64_t handshake_timeout; /* seconds; 0 = no limit */
    uint64_t request_timeout;   /* until some answer comes; 0 = no limit */
    uint64_t reconnect_delay;   /* that requests wait for a connection */
    uint64_t keep_alive;        /* of silence before a sector is read; 0 = never
                                 */
    char *name;                 /* for messages */
} NfcTarget;

/* Take the options; NULL with @error set. */
NfcTarget *nfc_target_new(VdOptions *opts, GError **error);
void nfc_target_free(NfcTarget *target);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NfcTarget, nfc_target_free)

/* ticket.c: a fresh ticket; what it does not say comes from the options. */
bool nfc_ticket_co_get(const NfcTarget *target, VioLoop *loop,
                       VioCancel *cancel, VdTicket *ticket, GError **error);
