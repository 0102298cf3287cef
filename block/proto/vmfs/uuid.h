/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/vmfs/uuid.h - ids of devices, volumes, file systems and hosts. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define VMFS_UUID_BYTES 16

typedef struct VmfsUuid {
    uint8_t bytes[VMFS_UUID_BYTES]; /* as stored */
} VmfsUuid;

VmfsUuid vmfs_uuid_decode(const void *stored);
bool vmfs_uuid_equal(const VmfsUuid *a, const VmfsUuid *b);
/* As ESXi writes it: "4b0f2a3c-8d5e6f70-1a2b-0011223344ff".  Free with
 * g_free. */
char *vmfs_uuid_text(const VmfsUuid *uuid);
