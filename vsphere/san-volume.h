/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/san-volume.h - what a server says of the volume that a disk is on. */
#pragma once

#include "vsphere/target.h"

typedef struct VsSanVolume {
    char *datastore;  /* its name */
    char *uuid;       /* of the file system, as ESXi writes it */
    GPtrArray *names; /* char *, block/scsi-id.h: of the LUNs that it is on */
    bool nameless;    /* one of them has none: a disk of a host alone */
} VsSanVolume;

/* Blocks.  NOT_SUPPORTED if the disk is on no VMFS. */
VsSanVolume *vs_san_volume_fetch(VsSession *session, const VsTarget *target,
                                 GError **error);
void vs_san_volume_free(VsSanVolume *volume);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VsSanVolume, vs_san_volume_free)
