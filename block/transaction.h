/* SPDX-License-Identifier: BSD-3-Clause */
/* block/transaction.h - files that come into being together.
 *
 * A file that did not exist is created under its name and unlinked by abort.
 * A file that existed stays as it is: its successor is written under a
 * temporary name beside it and renamed over it by commit, data files before
 * the one that names them (reverse order of vd_tx_co_file calls: name the
 * descriptor first).  The old file is tested for users, and locked against
 * new ones, before anything is made.  Block devices and other non-regular
 * files are written in place.
 *
 * Names of streams (VD_CAP_STREAM: a descriptor, a file on a web server) are
 * written as it comes.  Names of what has a fixed size (VD_CAP_FIXED_SIZE) are
 * written in place, undone by nothing; commit flushes them.
 *
 * While env->tx is set, opening a name that the transaction made opens its new
 * file.
 */
#pragma once

#include "block/file-hints.h"
#include "block/open.h"

VdTransaction *vd_tx_new(VioLoop *loop, bool sync, bool no_clobber);

/* A file that exists and that nothing can take the place of (it is mounted;
 * files may not be made beside it) is overwritten itself from now on.  It is
 * empty after an abort. */
void vd_tx_overwrite(VdTransaction *tx);

/* For files that become part of an image before the commit: flushes of theirs
 * reach the disk.  Else they do not: nobody sees a file that is being made. */
void vd_tx_allow_flushes(VdTransaction *tx);

/* From now on VMware's lock is held on each file, too, until the end. */
void vd_tx_lock_vmware(VdTransaction *tx);
bool vd_tx_holds_vmware_lock(const VdTransaction *tx, const char *path);

/* What the host is told about the files made from now on. */
void vd_tx_set_hints(VdTransaction *tx, const VdFileHints *hints);

/* Create @path (plain path or file:path) and open it for writing through the
 * file driver; close it with vd_node_co_close().  Calling it again for a path
 * of this transaction is a bug. */
VdNode *vd_tx_co_file(VdTransaction *tx, const VdEnv *env, const char *path,
                      uint64_t size, VdPrealloc prealloc, GError **error);

/* What becomes of it at the end: whole, or (false) broken off; may yield. */
typedef bool (*VdTxEndFunc)(void *what, bool commit, GError **error);

/* What a leaf keeps from one opening of @key to the next; freed with @tx.
 * @co_end (or NULL) is called by commit, and by abort unless it has succeeded;
 * that of what was kept last comes first. */
void vd_tx_keep(VdTransaction *tx, const char *key, void *what,
                VdTxEndFunc co_end, GDestroyNotify free_what);
void *vd_tx_kept(const VdTransaction *tx, const char *key);

/* May what is there already not be replaced? */
bool vd_tx_is_careful(const VdTransaction *tx);

/* Will commit make its files durable? */
bool vd_tx_is_synced(const VdTransaction *tx);

/* The path that holds the new bytes of @path: itself unless it is replaced. */
const char *vd_tx_translate(const VdTransaction *tx, const char *path);

/* All files and their directories durable, whatever sync says; commit and abort
 * are both still possible. */
bool vd_tx_co_sync(VdTransaction *tx, GError **error);

/* Files (and directories if sync) durable, then the renames. */
bool vd_tx_co_commit(VdTransaction *tx, GError **error);
void vd_tx_co_abort(VdTransaction *tx);
void vd_tx_free(VdTransaction *tx); /* aborted or committed before */
