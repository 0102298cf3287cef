/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/hotadd-journal.h - which disks have been attached to this machine and
 * not been taken away again.
 *
 * A directory with one file for each.  Whoever has made one holds a lock on it
 * until it is removed; the kernel lets go of it when he dies.  So whoever gets
 * the lock may, and must, deal with what is left, and nobody else does at the
 * same time.
 *
 * All of it blocks, for a moment: for worker threads.
 */
#pragma once

#include "vsphere/hotadd-record.h"

/* The directory below @tmp_dir (NULL: /var/tmp, which outlives the machine's
 * next start as attached disks do), made if it is not there.  REFUSED if others
 * could have put something into it.  g_free. */
char *vs_hotadd_journal_dir(const char *tmp_dir, GError **error);

/* One at a time looks for what appears, since two could take each other's.
 * *@turn: a descriptor to be closed, or -1: somebody else does. */
bool vs_hotadd_journal_try_turn(const char *dir, int *turn, GError **error);

typedef struct VsHotaddEntry VsHotaddEntry;

/* Durable when this returns. */
VsHotaddEntry *vs_hotadd_entry_new(const char *dir,
                                   const VsHotaddRecord *record,
                                   GError **error);
/* Another record in its place; after a failure either one may stand there. */
bool vs_hotadd_entry_update(VsHotaddEntry *entry, const VsHotaddRecord *record,
                            GError **error);
/* Its disk is attached no longer.  Frees @entry in any case. */
bool vs_hotadd_entry_remove(VsHotaddEntry *entry, GError **error);
/* Its disk remains; somebody else may deal with that.  NULL: nothing. */
void vs_hotadd_entry_leave(VsHotaddEntry *entry);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VsHotaddEntry, vs_hotadd_entry_leave)

typedef struct VsHotaddFound {
    VsHotaddRecord *record;
    VsHotaddEntry *entry; /* nobody has it, so we do; NULL = somebody has */
} VsHotaddFound;

void vs_hotadd_found_free(VsHotaddFound *found); /* leaves its entry */

/* All (VsHotaddFound *).  What is no record of ours is left where it is, with a
 * text in @warnings (of char *). */
GPtrArray *vs_hotadd_journal_list(const char *dir, GPtrArray *warnings,
                                  GError **error);
