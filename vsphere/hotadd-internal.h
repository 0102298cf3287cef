/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/hotadd-internal.h - an attached disk, for vsphere/hotadd-*.c. */
#pragma once

#include "vsphere/hotadd-journal.h"
#include "vsphere/hotadd.h"
#include "vsphere/scsi-find.h"
#include "vsphere/worker.h"

struct VsHotadd {
    VsSession *session;
    char *root, *dir; /* of the kernel's trees; of the journal */
    uint64_t interval_ns, appear_ns, vanish_ns;
    VdWarnFunc warn;
    void *warn_opaque;

    VsRef *proxy;
    VsHotaddRecord *record;
    VsHotaddEntry *entry; /* NULL: not attached */
    uint64_t size;
    char *name;           /* of block/scsi-id.h; NULL = not known */
    VsScsiDevice *device; /* NULL = not found (yet) */
    GPtrArray *warnings;  /* char *: to be told on the loop */
};

/* Makes the journal's directory, finds our machine; blocks. */
VsHotadd *vs_hotadd_new(const VsHotaddParams *params, GError **error);
/* An entry that is left is anybody's.  Blocks if nobody else has the session.
 */
void vs_hotadd_free(VsHotadd *hotadd);
void vs_hotadd_co_free(VioLoop *loop, VsHotadd *hotadd);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VsHotadd, vs_hotadd_free)

/* Take over an entry of the journal. */
void vs_hotadd_adopt(VsHotadd *hotadd, VsHotaddFound *found);

/* Tell what has gathered.  On the loop. */
void vs_hotadd_warn(VsHotadd *hotadd);
void vs_hotadd_add_warning(VsHotadd *hotadd, const char *format, ...)
    G_GNUC_PRINTF(2, 3);

void vs_hotadd_at(const char *step);

/* Have the kernel and then the server let go of the disk, if it is attached,
 * wait until it is gone and forget the entry.  *@detached (may be NULL): it was
 * attached. */
bool vs_hotadd_co_take_off(VioLoop *loop, VsHotadd *hotadd, bool *detached,
                           GError **error);

/* The entries of our machine and this server (VsHotaddFound *). */
GPtrArray *vs_hotadd_list_ours(VsHotadd *hotadd, GError **error);
