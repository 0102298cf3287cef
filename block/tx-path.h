/* SPDX-License-Identifier: BSD-3-Clause */
/* block/tx-path.h - the file system side of a transaction, for the core.
 *
 * One TxFile is one name that the transaction makes.  All of these block: they
 * run on a worker.
 */
#pragma once

#include "block/vmware-lock.h"

typedef enum TxState {
    TX_NOTHING,     /* not made yet, or undone */
    TX_NEW,         /* target did not exist; it is the new file */
    TX_SUCCESSOR,   /* target is the old file, temp the new one */
    TX_EXCHANGED,   /* target is the new file, temp the old one */
    TX_RENAMED,     /* target is the new file, the old one is gone */
    TX_IN_PLACE,    /* a device: target is written itself */
    TX_OVERWRITTEN, /* so is target, and what it was is gone */
} TxState;

/* What becomes of a file that exists. */
typedef enum TxOld {
    TX_OLD_REFUSE,
    TX_OLD_REPLACE,   /* if that is possible */
    TX_OLD_OVERWRITE, /* where it is not */
} TxOld;

typedef struct TxFile {
    char *requested;           /* as the caller named it */
    char *target;              /* what that stands for: links resolved */
    char *temp;                /* beside target */
    int new_fd;                /* the new file, to sync it; -1 */
    int old_fd;                /* the old file, locked; -1 */
    bool is_special;           /* there is something, and no regular file */
    VdVmwareLock *vmware_lock; /* taken before making; or NULL */
    TxState state;
} TxFile;

TxFile *vd_tx_file_new(const char *requested);
void vd_tx_file_free(TxFile *file);

/* Find out the target. */
bool vd_tx_file_resolve(TxFile *file, GError **error);
/* Test and lock what is there, make what is to be written. */
bool vd_tx_file_make(TxFile *file, TxOld old, GError **error);
/* Where the new bytes are. */
const char *vd_tx_file_path(const TxFile *file);

bool vd_tx_file_sync(const TxFile *file, GError **error);
bool vd_tx_file_sync_directory(const TxFile *file, GError **error);
/* Put the new file in the place of the old one. */
bool vd_tx_file_replace(TxFile *file, GError **error);
/* Undo replace, where the old file still exists. */
void vd_tx_file_put_back(TxFile *file);
/* Remove the old file that was replaced, let the locks go. */
void vd_tx_file_settle(TxFile *file);
/* Remove, or empty, what make has made, let the locks go. */
void vd_tx_file_remove(TxFile *file);
