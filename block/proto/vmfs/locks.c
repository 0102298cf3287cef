/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/vmfs/locks.c - is a host using it?
 *
 * A lock in a descriptor counts as long as the host that has taken it is alive:
 * its slot among the heartbeats is active and of the same generation.  Files of
 * a machine that runs are locked; those below a snapshot for reading only,
 * which is what makes them safe to read.  We take no locks: that would be to
 * write.
 *
 * Concurrency: no state.
 */
#include "block/proto/vmfs/locks.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "block/error.h"
#include "io/bytes.h"

#define HEARTBEAT_BYTES 512
#define STATE_ACTIVE 0xabcdef02u

void
vmfs_heartbeat_decode(const uint8_t raw[512], VmfsHeartbeat *heartbeat)
{
    *heartbeat = (VmfsHeartbeat){
        .active = vio_get_le32(raw) == STATE_ACTIVE,
        .generation = vio_get_le64(raw + 0x0c),
        .owner = vmfs_uuid_decode(raw + 0x1c),
    };
    memcpy(heartbeat->address, raw + 0x36, sizeof(heartbeat->address) - 1);
    for (char *p = heartbeat->address; *p; p++)
        if (!isalnum((unsigned char) *p) && !strchr(".:-", *p))
            *p = '\0';
}

static bool
is_slot(const VmfsFs *fs, uint64_t offset)
{
    const VmfsLayout *l = &fs->info.layout;
    uint64_t end =
        VMFS_HEARTBEATS_OFFSET +
        (l->v6 ? VMFS_HEARTBEATS_V6 : VMFS_HEARTBEATS_V5) * (uint64_t) l->unit;

    return offset >= VMFS_HEARTBEATS_OFFSET && offset < end &&
           offset % l->unit == 0;
}

static char *
name_host(const VmfsHeartbeat *beat)
{
    g_autofree char *uuid = vmfs_uuid_text(&beat->owner);

    return *beat->address ? g_strdup_printf("%s (%s)", beat->address, uuid)
                          : g_strdup(uuid);
}

bool
vmfs_locks_co_find_holder(const VmfsFs *fs, const VmfsFd *fd, char **holder,
                          GError **error)
{
    const VmfsLock *lock = &fd->lock;
    uint8_t raw[HEARTBEAT_BYTES];
    VmfsHeartbeat beat;

    *holder = NULL;
    if (lock->mode == VMFS_LOCK_FREE || lock->mode == VMFS_LOCK_READ_ONLY)
        return true;
    if (!is_slot(fs, lock->heartbeat_offset))
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "descriptor 0x%08" PRIx32
                        ": is locked by the heartbeat "
                        "at byte %" PRIu64 ", where there is none",
                        fd->address, lock->heartbeat_offset);
    if (!vmfs_volume_co_read(fs->volume, lock->heartbeat_offset, raw,
                             sizeof(raw), error))
        return false;
    vmfs_heartbeat_decode(raw, &beat);
    if (beat.active && beat.generation == lock->heartbeat_generation &&
        vmfs_uuid_equal(&beat.owner, &lock->owner))
        *holder = name_host(&beat);
    return true;
}
