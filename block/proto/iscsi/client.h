/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/iscsi/client.h - an opened unit: its sessions and what is known
 * about it.
 *
 *   uri.c        names
 *   target.c     options
 *   scsi.c       commands and answers, as bytes
 *   exchange.c   one command in one session, as often as it takes
 *   look.c       what is behind a session
 *   reconnect.c  logging in, losing, trying again
 *   sessions.c   which session a request takes; more of them under load
 *   request.c    reads, writes, zeroes, unmap, flush
 *   status.c     where the unit has holes
 *   iscsi.c      the driver
 *
 * Sessions have numbers, which are part of their names on the wire.  A request
 * stays with its number: when its session is lost, the next one of that number
 * takes its place, and the target has then ended whatever was under way in the
 * old one (RFC 7143, 6.3.5), so that it can be sent again.
 */
#pragma once

#include "block/open.h"
#include "block/proto/iscsi/scsi.h"
#include "block/proto/reconnect.h"
#include "block/proto/status-cache.h"
#include "io/iscsi.h"

#define ISCSI_MAX_SESSIONS 16u

typedef struct IscsiTarget {
    VioNetAddress portal;
    char *target; /* its name */
    unsigned lun;
    char *user, *password_file, *password;
    char *initiator;
    unsigned header_digest; /* VioIscsiDigest */
    uint64_t connections;
    uint64_t reconnect_delay, open_timeout; /* seconds */
    uint64_t login_timeout, request_timeout;
    bool locking;
    char *name; /* for messages: no secrets in there */
} IscsiTarget;

/* One session in use; closed by who lets go of it last. */
typedef struct IscsiConn {
    VioIscsi *session;
    unsigned refs;
} IscsiConn;

typedef struct IscsiSlot {
    struct IscsiClient *client;
    unsigned number;
    IscsiConn *conn;   /* NULL = none */
    VioIscsi *opening; /* logged in, and not known to be the right one yet */
    unsigned users;    /* requests in it, or waiting for it */
    VdReconnect reconnect;
} IscsiSlot;

typedef struct IscsiClient {
    VdNode *node;
    IscsiTarget *target;
    uint32_t session_id;
    uint64_t mark; /* of what has not come; nobody else knows it */
    int claim;     /* of who writes to it; -1 = none */
    ScsiUnit unit; /* as it was when it was opened, but for write_cache */
    bool known;    /* it has been */

    IscsiSlot slots[ISCSI_MAX_SESSIONS];
    unsigned n_slots; /* that requests may take */
    bool growing, no_growth;
    VioCancel *grow_cancel;
    VioCoQueue grown;

    uint64_t acked, flushed; /* count changes */
    bool losses; /* the unit may have lost changes that it had acknowledged */

    VioRangeLock *changes; /* overlapping ones wait for each other */
    bool no_same, no_same_unmap, no_unmap, no_flush;
    bool no_status;
    VdStatusCache status;
} IscsiClient;

/* -- target.c, uri.c ------------------------------------------------------- */

bool iscsi_parse_name(const char *name, VdOptions *opts, GError **error);
IscsiTarget *iscsi_target_new(VdOptions *opts, GError **error);
void iscsi_target_free(IscsiTarget *target);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(IscsiTarget, iscsi_target_free)
/* Reads the file that holds the password, on a worker. */
bool iscsi_target_co_load(IscsiTarget *target, VioLoop *loop, GError **error);

/* -- exchange.c ------------------------------------------------------------ */

/* @command as often as the unit wants to hear it, for a bounded time.  False:
 * the session is lost, and so is what came of the command.  Else look at its
 * status.  *@forgetful is set if the unit says that it was reset. */
bool iscsi_co_ask(const VdEnv *env, const IscsiTarget *target,
                  VioIscsi *session, VioIscsiCommand *command, bool *forgetful,
                  GError **error);
/* What an answer that is not good means: always false.  @what was asked for. */
bool iscsi_throw_status(const IscsiTarget *target,
                        const VioIscsiCommand *command, const char *what,
                        GError **error);
/* The unit does not know such a command. */
bool iscsi_is_unknown(const VioIscsiCommand *command);

/* -- look.c ---------------------------------------------------------------- */

bool iscsi_co_look(const VdEnv *env, const IscsiTarget *target,
                   VioIscsi *session, ScsiUnit *unit, GError **error);
/* Would it be the same disk? */
bool iscsi_unit_is_same(const ScsiUnit *old, const ScsiUnit *fresh,
                        bool writable);

/* -- reconnect.c ----------------------------------------------------------- */

void iscsi_slot_init(IscsiClient *client, unsigned number);
/* There is a session, and the unit is known: at once, or as soon as there is
 * one again.  Holds a reference on it; NULL with @error set. */
IscsiConn *iscsi_slot_co_get(IscsiSlot *slot, GError **error);
/* One attempt, for more of them. */
bool iscsi_slot_co_connect(IscsiSlot *slot, VioCancel *cancel,
                           uint64_t timeout_ns, GError **error);
/* There has been one attempt too many. */
void iscsi_slot_give_up(IscsiSlot *slot);
/* @conn is broken: it is not used any more. */
void iscsi_slot_co_drop(IscsiSlot *slot, IscsiConn *conn);
void iscsi_conn_co_unref(IscsiConn *conn);
/* Changes that nobody has flushed may be gone. */
void iscsi_client_lose(IscsiClient *client);

/* -- sessions.c ------------------------------------------------------------ */

/* Do @command, again if a session is lost.  False: nobody knows what came of
 * it; else look at its status. */
bool iscsi_client_co_run(IscsiClient *client, VioIscsiCommand *command,
                         GError **error);
void iscsi_client_co_end_growth(IscsiClient *client);

/* -- request.c ------------------------------------------------------------- */

bool iscsi_co_preadv(VdNode *node, uint64_t off, const VioVec *dst,
                     GError **error);
bool iscsi_co_pwritev(VdNode *node, uint64_t off, const VioVec *src,
                      VdReqFlags flags, GError **error);
bool iscsi_co_write_zeroes(VdNode *node, uint64_t off, uint64_t len,
                           VdReqFlags flags, GError **error);
bool iscsi_co_discard(VdNode *node, uint64_t off, uint64_t len, GError **error);
bool iscsi_co_flush(VdNode *node, GError **error);

/* -- status.c -------------------------------------------------------------- */

bool iscsi_co_map(VdNode *node, uint64_t off, uint64_t len, unsigned want,
                  VdRun *run, GError **error);
