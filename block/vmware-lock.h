/* SPDX-License-Identifier: BSD-3-Clause */
/* block/vmware-lock.h - locks of VMware's hosted products: directories NAME.lck
 * beside disks.
 *
 * They are about names, not files: the lock of a disk stays while the file of
 * that name is replaced by another one.
 */
#pragma once

#include "block/open.h"

/* Somebody holds @path, for reading or writing: IN_USE.  Takes nothing; blocks
 * for look-ups in the file system. */
bool vd_vmware_lock_check(const char *path, GError **error);

/* One user of @path, a process or a part of one: two locks of one process are
 * two users. */
typedef struct VdVmwareLock VdVmwareLock;

/* Waits up to env->lock_wait_ms for others (0 = try once).  What another one is
 * about to take is waited for longer, until it has it or has not got on for
 * eight seconds, since until then nobody can say who came first.
 *
 * Shared: any number at a time; in a directory that may not be written to it is
 * granted without leaving anything there.  Exclusive: one alone.  Names that
 * lead to a descriptor of a process (/dev/fd) have no place for a lock:
 * granted.
 *
 * Errors: IN_USE; PERMISSION if an entry cannot be made; CANCELLED; those of
 * making files. */
VdVmwareLock *vd_vmware_co_lock(const VdEnv *env, const char *path,
                                bool exclusive, GError **error);
/* NULL: nothing is held. */
void vd_vmware_co_unlock(VioLoop *loop, VdVmwareLock *lock);

/* -- the same in blocking steps (vmware-take.c) -----------------------------
 */

typedef enum VdVmwareTurn {
    VD_VMWARE_FAILED,
    VD_VMWARE_GRANTED,
    VD_VMWARE_CHOOSING, /* look again: somebody may have come before us */
    VD_VMWARE_HELD,     /* look again: somebody has it */
} VdVmwareTurn;

/* Stand in the queue; release in any case but NULL. */
VdVmwareLock *vd_vmware_lock_enter(const char *path, bool exclusive,
                                   GError **error);
VdVmwareTurn vd_vmware_lock_look(VdVmwareLock *lock, GError **error);
/* Whom the last look saw: IN_USE. */
bool vd_vmware_lock_throw(const VdVmwareLock *lock, GError **error);
/* Leave the queue, or let go; NULL: nothing. */
void vd_vmware_lock_release(VdVmwareLock *lock);

/* For tests: asked before each step on file @name of the directory ("" = the
 * directory itself), which fails with what it returns unless that is 0. */
typedef int (*VdVmwareHook)(const char *name, void *opaque);
void vd_vmware_lock_set_hook(VdVmwareHook hook, void *opaque);
