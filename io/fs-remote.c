/* SPDX-License-Identifier: BSD-3-Clause */
#include "io/fs-remote.h"

#include <glib.h>
#include <linux/magic.h>
#include <sys/vfs.h>

/* Not in every kernel's header; each from its own sources. */
#define GFS2_MAGIC UINT32_C(0x01161970)
#define GPFS_MAGIC UINT32_C(0x47504653)
#define LUSTRE_MAGIC UINT32_C(0x0bd00bd0)
#define VBOXSF_MAGIC UINT32_C(0x786f4256)

bool
vio_fs_magic_is_remote(uint32_t magic)
{
    static const uint32_t remote[] = {
        AFS_FS_MAGIC,     AFS_SUPER_MAGIC,  CEPH_SUPER_MAGIC,  CIFS_SUPER_MAGIC,
        CODA_SUPER_MAGIC, FUSE_SUPER_MAGIC, GFS2_MAGIC,        GPFS_MAGIC,
        LUSTRE_MAGIC,     NFS_SUPER_MAGIC,  OCFS2_SUPER_MAGIC, SMB2_SUPER_MAGIC,
        SMB_SUPER_MAGIC,  V9FS_MAGIC,       VBOXSF_MAGIC,
    };

    for (size_t i = 0; i < G_N_ELEMENTS(remote); i++)
        if (remote[i] == magic)
            return true;
    return false;
}

bool
vio_fs_is_remote(int fd)
{
    struct statfs fs;

    return fstatfs(fd, &fs) < 0 || vio_fs_magic_is_remote((uint32_t) fs.f_type);
}
