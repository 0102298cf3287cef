/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/nbd/client.h - an opened export: its connections and what is
 * known about it.
 *
 *   pool.c      which connection a request takes; more of them under load
 *   reconnect.c connecting, losing, trying again
 *   request.c   reads, writes, zeroes, trim, flush
 *   status.c    where the export has holes
 *   bitmap.c    what of it is dirty
 *   nbd.c       the driver
 */
#pragma once

#include "block/proto/nbd/conn.h"
#include "block/proto/reconnect.h"
#include "block/proto/status-cache.h"

typedef struct NbdClient {
    VdNode *node;
    NbdTarget *target;
    NbdExport export; /* as it was when it was opened */
    NbdConn *conns[NBD_MAX_CONNECTIONS];
    unsigned n_conns; /* the first of them are there, the oldest in front */

    bool growing, no_growth;
    VioCancel *grow_cancel;
    VioCoQueue grown;

    VdReconnect reconnect;

    uint64_t acked, flushed; /* count changes */
    uint64_t begun;          /* the last number of a change */
    uint64_t covered;        /* up to this number none is to be flushed */
    GQueue in_flight;        /* NbdJob: changes, by their numbers */
    bool losses; /* a server that had acknowledged changes may have lost them */
    bool no_flush_told;

    VioRangeLock *changes; /* overlapping ones wait for each other */
    uint64_t longest_zeroes, longest_trim, longest_status; /* 0: not known */
    bool no_status;
    VdStatusCache status;
} NbdClient;

/* -- pool.c ---------------------------------------------------------------- */

/* Do @job, on another connection if one is lost and that makes sense.  False:
 * nobody knows what came of it; else look at job->error. */
bool nbd_client_co_run(NbdClient *client, NbdJob *job, GError **error);
void nbd_client_co_end_growth(NbdClient *client);

/* -- reconnect.c ----------------------------------------------------------- */

/* The first connection; waits for the server as long as the options say. */
bool nbd_client_co_connect_first(NbdClient *client, GError **error);
/* There is a connection: at once, or as soon as there is one again. */
bool nbd_client_co_need_connection(NbdClient *client, GError **error);
/* From now on it is used. */
void nbd_client_add(NbdClient *client, NbdConn *conn);
/* A connection is gone: are changes with it that nobody has flushed? */
void nbd_client_check_loss(NbdClient *client);
/* @conn, which is broken, is not used any more; waits until it is closed, so
 * that what is sent again does not meet what was sent before, as far as that is
 * in our hands.  Takes a reference. */
void nbd_client_co_drop(NbdClient *client, NbdConn *conn);
/* Would another connection show the same disk? */
bool nbd_export_is_same(const NbdExport *old, const NbdExport *fresh,
                        bool writable);

/* -- request.c ------------------------------------------------------------- */

bool nbd_co_preadv(VdNode *node, uint64_t off, const VioVec *dst,
                   GError **error);
bool nbd_co_pwritev(VdNode *node, uint64_t off, const VioVec *src,
                    VdReqFlags flags, GError **error);
bool nbd_co_write_zeroes(VdNode *node, uint64_t off, uint64_t len,
                         VdReqFlags flags, GError **error);
bool nbd_co_discard(VdNode *node, uint64_t off, uint64_t len, GError **error);
bool nbd_co_flush(VdNode *node, GError **error);

/* -- bitmap.c -------------------------------------------------------------- */

GPtrArray *nbd_co_list_bitmaps(VdNode *node, GError **error);
bool nbd_co_read_bitmap(VdNode *node, const char *name, uint64_t off,
                        uint64_t len, GArray *ranges, GError **error);

/* -- list.c ---------------------------------------------------------------- */

GPtrArray *nbd_co_list_exports(const VdEnv *env, VdOptions *opts,
                               GError **error);

/* -- status.c -------------------------------------------------------------- */

bool nbd_co_map(VdNode *node, uint64_t off, uint64_t len, unsigned want,
                VdRun *run, GError **error);
/* Bytes are going to be, or have been, changed. */
void nbd_status_changed(NbdClient *client, uint64_t off, uint64_t len);
