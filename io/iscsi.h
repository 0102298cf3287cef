/* SPDX-License-Identifier: BSD-3-Clause */
/* io/iscsi.h - sessions with iSCSI targets, and SCSI commands in them.
 *
 * The protocol is libiscsi's, which is in a module of its own (vdisk-iscsi)
 * that is loaded on first use.  The waiting is ours: it sees one socket, never
 * blocks, and neither looks names up nor connects again by itself.
 *
 * A session is one connection.  It breaks for good when that is lost, when the
 * target breaks the rules, and when the token of its life fires.
 *
 * Calls return 0 or -errno, and with each failure *@why, to be freed: the
 * reason in words, without secrets.
 *
 *   -EHOSTUNREACH   no such name, no way there
 *   -ECONNREFUSED   nobody listens
 *   -EACCES         the target does not let us in
 *   -ENOENT         the portal has no such target
 *   -EPROTO         other trouble while logging in, or with what came
 *   -ECONNRESET     the connection was lost
 *   -ETIMEDOUT      nothing came for too long; or the token's deadline
 *   -ECANCELED      by the token
 *   -EOPNOTSUPP     there is no module: vio_iscsi_missing()
 *
 * Concurrency: coroutines of the session's loop, any number at a time.
 */
#pragma once

#include "io/cancel.h"
#include "io/loop.h"
#include "io/net.h"
#include "io/vec.h"

#include <sys/types.h>

#define VIO_ISCSI_PORT "3260"
#define VIO_ISCSI_MAX_NAME 223u   /* bytes of the name of a target */
#define VIO_ISCSI_MAX_SECRET 255u /* bytes of a user or a password */
#define VIO_ISCSI_MAX_LUN 16383u

typedef struct VioIscsi VioIscsi;

/* Sums over headers: what is offered to the target, in this order. */
typedef enum VioIscsiDigest {
    VIO_ISCSI_DIGEST_NONE,
    VIO_ISCSI_DIGEST_NONE_CRC32C,
    VIO_ISCSI_DIGEST_CRC32C_NONE,
    VIO_ISCSI_DIGEST_CRC32C,
} VioIscsiDigest;

/* All that is not set is off or none. */
typedef struct VioIscsiParams {
    const VioNetAddress *portal; /* TCP */
    const char *target;
    const char *initiator;       /* our own name */
    const char *user, *password; /* CHAP: both or neither */
    unsigned header_digest;      /* VioIscsiDigest */
    /* The name of the session, together with ours: a new session of the same
     * name takes the place of the old one, and what that had under way is over
     * before the target lets the new one in. */
    uint32_t session_id; /* 24 bits */
    uint16_t session_number;
    uint64_t patience_ns; /* without a byte while commands wait; 0 = no limit */
} VioIscsiParams;

/* NULL if there is a module, else why not. */
const char *vio_iscsi_missing(void);

/* Connect, to the first address that answers, and log in; goes where the target
 * says that it has moved.  @life is for the whole life of the session, @until
 * for this call; both may be NULL. */
int vio_iscsi_co_open(VioLoop *loop, const VioIscsiParams *params,
                      VioCancel *life, VioCancel *until, VioIscsi **out,
                      char **why);

/* From the next wait on; see VioIscsiParams. */
void vio_iscsi_set_patience(VioIscsi *iscsi, uint64_t patience_ns);
/* Breaks it: commands under way are lost. */
void vio_iscsi_cancel(VioIscsi *iscsi);

/* Nothing is under way.  Says goodbye if that is possible.  NULL is nothing. */
void vio_iscsi_co_close(VioIscsi *iscsi);

/* No more commands are answered.  0 = it is not. */
int vio_iscsi_broken(const VioIscsi *iscsi);

/* -- commands -------------------------------------------------------------- */

#define VIO_SCSI_GOOD 0x00
#define VIO_SCSI_CHECK_CONDITION 0x02
#define VIO_SCSI_BUSY 0x08
#define VIO_SCSI_RESERVATION_CONFLICT 0x18
#define VIO_SCSI_TASK_SET_FULL 0x28

typedef struct VioIscsiCommand {
    unsigned lun;
    uint8_t cdb[16];
    unsigned cdb_len;
    const VioVec *in;  /* where data of the target go; or NULL */
    const VioVec *out; /* data for it; or NULL */

    uint8_t status; /* of SCSI, the answer */
    uint8_t key;    /* CHECK_CONDITION: sense key, and below it ... */
    uint16_t asc;   /* ... the additional code and its qualifier */
    size_t got;     /* of @in, as the target says */

    struct iovec *iov; /* the rest is for io/: the pieces of @in or @out */
    int niov;
    VioCo *waiter;
    bool done;
    int ret;
} VioIscsiCommand;

/* 0 if it was answered, by whatever status.  Else nobody knows what has come of
 * it; the memory behind @in and @out is not touched any more. */
int vio_iscsi_co_run(VioIscsi *iscsi, VioIscsiCommand *command, char **why);
