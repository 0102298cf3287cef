/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/vmfs/uuid.c - ids of devices, volumes, file systems and hosts.
 *
 * Two times, a random number, and the address of a network card.
 *
 * Concurrency: no state; any thread.
 */
#include "block/proto/vmfs/uuid.h"

#include <string.h>

#include "io/bytes.h"

VmfsUuid
vmfs_uuid_decode(const void *stored)
{
    VmfsUuid uuid;

    memcpy(uuid.bytes, stored, sizeof(uuid.bytes));
    return uuid;
}

bool
vmfs_uuid_equal(const VmfsUuid *a, const VmfsUuid *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

char *
vmfs_uuid_text(const VmfsUuid *uuid)
{
    const uint8_t *b = uuid->bytes;

    return g_strdup_printf("%08x-%08x-%04x-%02x%02x%02x%02x%02x%02x",
                           vio_get_le32(b), vio_get_le32(b + 4),
                           vio_get_le16(b + 8), b[10], b[11], b[12], b[13],
                           b[14], b[15]);
}
