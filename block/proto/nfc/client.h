/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/nfc/client.h - an opened disk: its connection and what is known
 * about it.
 *
 *   reconnect.c connecting, losing, trying again
 *   request.c   reads, writes, flush
 *   status.c    where the disk has holes
 *   meta.c      what its descriptor says
 *   alive.c     a sector now and then
 *   nfc.c       the driver
 */
#pragma once

#include "block/proto/nfc/conn.h"
#include "block/proto/reconnect.h"
#include "block/proto/status-cache.h"

/* Of the disk database; and of the answer to OPEN_FILE. */
#define NFC_KEYS 8u

typedef struct NfcClient {
    VdNode *node;
    NfcTarget *target;
    NfcFile file;           /* as it was when it was opened */
    NfcConn *conn;          /* NULL = lost */
    char *values[NFC_KEYS]; /* NULL = it has none */

    /* What has turned out, for the next connection. */
    uint32_t buffer_size;
    bool low_security;

    VdReconnect reconnect;

    uint64_t acked, flushed; /* count changes */
    bool losses; /* a server that had acknowledged changes may have lost them */

    VioRangeLock *changes;         /* overlapping ones wait for each other */
    uint64_t dirty_off, dirty_end; /* all changes lie in there */
    bool no_status;
    VdStatusCache status;

    VioCancel *rest; /* keeping alive ends with it */
    bool keeping_alive;
    VioCoQueue rested;
} NfcClient;

/* -- reconnect.c ----------------------------------------------------------- */

bool nfc_client_co_connect_first(NfcClient *client, GError **error);
/* Do @job, on another connection if one is lost and that makes sense.  False:
 * nobody knows what came of it; else the server may have refused it. */
bool nfc_client_co_run(NfcClient *client, NfcJob *job, GError **error);
/* A change was acknowledged; is it with a server that is gone? */
void nfc_client_count_change(NfcClient *client, const NfcJob *job);

/* -- request.c ------------------------------------------------------------- */

bool nfc_co_preadv(VdNode *node, uint64_t off, const VioVec *dst,
                   GError **error);
bool nfc_co_pwritev(VdNode *node, uint64_t off, const VioVec *src,
                    VdReqFlags flags, GError **error);
bool nfc_co_flush(VdNode *node, GError **error);

/* -- status.c -------------------------------------------------------------- */

bool nfc_co_map(VdNode *node, uint64_t off, uint64_t len, unsigned want,
                VdRun *run, GError **error);
/* Bytes are going to be, or have been, changed. */
void nfc_status_changed(NfcClient *client, uint64_t off, uint64_t len);

/* -- meta.c ---------------------------------------------------------------- */

bool nfc_meta_co_load(NfcClient *client, GError **error);
void nfc_meta_clear(NfcClient *client);
const char *nfc_get_meta(VdNode *node, const char *key);
char **nfc_list_meta(VdNode *node);

/* -- alive.c --------------------------------------------------------------- */

void nfc_alive_start(NfcClient *client);
void nfc_alive_co_stop(NfcClient *client);
