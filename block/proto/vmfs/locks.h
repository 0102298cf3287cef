/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/vmfs/locks.h - is a host using it? */
#pragma once

#include "block/proto/vmfs/fd.h"

typedef struct VmfsHeartbeat {
    bool active;
    uint64_t generation;
    VmfsUuid owner;
    char address[17]; /* of the host, as it says */
} VmfsHeartbeat;

void vmfs_heartbeat_decode(const uint8_t raw[512], VmfsHeartbeat *heartbeat);

/* *@holder: the host that may change the file, or holds it for itself (g_free);
 * NULL = nobody does, or those who do read only. */
bool vmfs_locks_co_find_holder(const VmfsFs *fs, const VmfsFd *fd,
                               char **holder, GError **error);
