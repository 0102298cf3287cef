/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/vmfs/path.h - paths and symbolic links. */
#pragma once

#include "block/proto/vmfs/fd.h"

#define VMFS_MAX_PATH 4096
#define VMFS_MAX_LINKS 16

/* The descriptor of what @path leads to, symbolic links followed.  The path is
 * one of the volume, or of a host: /vmfs/volumes/NAME/...  *@name: what it is
 * called in its folder (g_free; NULL for the root). */
VmfsFd *vmfs_path_co_find(VmfsFs *fs, const char *path, char **name,
                          GError **error);

/* What a symbolic link says; g_free. */
char *vmfs_path_co_read_link(VmfsFs *fs, const VmfsFd *fd, GError **error);
