/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/virtualdisk.h - disks as files of datastores: what the server does
 * with them by itself.
 *
 * @datacenter: where "[ds] ..." is to be looked for; NULL on a host. */
#pragma once

#include "vsphere/session.h"
#include "vsphere/task.h"

typedef struct VsDiskFile {
    const VsRef *datacenter;
    const char *path; /* "[ds] dir/x.vmdk" */
} VsDiskFile;

typedef struct VsDiskFileSpec {
    const char *type;    /* "thin", "preallocated", "eagerZeroedThick" ... */
    const char *adapter; /* "lsiLogic", "busLogic", "ide" */
    uint64_t capacity;   /* bytes; a multiple of 1024 */
} VsDiskFileSpec;

bool vs_diskfile_create(VsSession *session, const VsDiskFile *file,
                        const VsDiskFileSpec *spec, const VsProgress *progress,
                        GError **error);
bool vs_diskfile_delete(VsSession *session, const VsDiskFile *file,
                        const VsProgress *progress, GError **error);
bool vs_diskfile_extend(VsSession *session, const VsDiskFile *file,
                        uint64_t capacity, const VsProgress *progress,
                        GError **error);
bool vs_diskfile_shrink(VsSession *session, const VsDiskFile *file,
                        const VsProgress *progress, GError **error);
bool vs_diskfile_defragment(VsSession *session, const VsDiskFile *file,
                            const VsProgress *progress, GError **error);
/* EXISTS if there is something at @to, unless @force. */
bool vs_diskfile_move(VsSession *session, const VsDiskFile *from,
                      const VsDiskFile *to, bool force,
                      const VsProgress *progress, GError **error);
bool vs_diskfile_copy(VsSession *session, const VsDiskFile *from,
                      const VsDiskFile *to, bool force,
                      const VsProgress *progress, GError **error);
