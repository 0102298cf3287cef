/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/san-devices.h - devices of this machine that a volume may be on. */
#pragma once

#include "vsphere/san-volume.h"

/* All may be NULL. */
typedef struct VsSanWish {
    const char *listed; /* names to open, with ';' between them, instead of this
                           machine's SCSI devices */
    const char *deny;  /* of these, nodes with ',' between them, or "all" ... */
    const char *allow; /* ... but not these */
} VsSanWish;

/* Names to open (char *): those of @wish, or SCSI devices; and none that is
 * known to be called otherwise than the volume's LUNs are.  A device that tells
 * no name may be one.  Blocks; NOT_FOUND. */
GPtrArray *vs_san_devices(const VsSanVolume *volume, const VsSanWish *wish,
                          GError **error);
