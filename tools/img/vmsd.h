/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/vmsd.h - what VMware's products note about snapshots: NAME.vmsd,
 * lines of key = "value", beside a machine's disks. */
#pragma once

#include <glib.h>
#include <stdint.h>

typedef struct VmsdSnapshot {
    char *disk;         /* base name of the disk that keeps this state */
    char *name;         /* as people called it; NULL = they did not */
    int64_t created_us; /* since 1970; 0 = not told */
} VmsdSnapshot;

/* All that the files beside the image at @path tell; never NULL, whatever they
 * hold.  g_ptr_array_unref(). */
GPtrArray *vmsd_read_beside(const char *path);
/* The snapshot that the disk file @path keeps, or NULL. */
const VmsdSnapshot *vmsd_find(const GPtrArray *snapshots, const char *path);
