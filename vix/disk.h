/* SPDX-License-Identifier: BSD-3-Clause */
/* vix/disk.h - an open disk behind its handle.
 *
 * Each has a context of its own, so that disks do not wait for each other.
 */
#pragma once

#include "include/vdisk.h"
#include "vix/async.h"
#include "vix/live.h"
#include "vix/remote.h"

struct VixDiskLibHandleStruct {
    VixGate gate; /* first: vix/live.h */
    char *path;
    uint32 flags; /* of VixDiskLib_Open() */
    VixDiskLibSectorType capacity;
    const char *transport; /* "nbdssl" ...; NULL = a local file */
    bool has_child; /* made with VixDiskLib_CreateChild(): no more writes, with
                       which it would not fit */
    VdContext *ctx;
    VdDisk *disk;
    VixAsync async;
};

static inline bool
vix_disk_is_writable(const VixDisk *disk)
{
    return !(disk->flags & VIXDISKLIB_FLAG_OPEN_READ_ONLY);
}

/* As the configuration wants contexts; NULL and *@err, in the name of
 * @function. */
VdContext *vix_context_new(const char *function, VixError *err);

/* INVALID_ARG if there is none. */
VixError vix_check_path(const char *function, const char *path);
/* What vd_disk_open() takes, of @path: never anything but a file's name. */
char *vix_disk_file_name(const char *path);
/* Which locks besides libvdisk's own. */
VdOpenFlags vix_disk_lock_flags(void);
/* As @flags of VixDiskLib_Open() say. */
VdOpenFlags vix_disk_open_flags(uint32 flags);
/* Opens @path as @flags of VixDiskLib_Open() say; NULL and *@err, in the name
 * of
 * @function. */
VdDisk *vix_disk_open(VdContext *ctx, const char *function, const char *path,
                      uint32 flags, VixError *err);

/* The same of a server's. */
VdDisk *vix_disk_open_remote(VdContext *ctx, const char *function,
                             VixRemote *remote, const char *path, uint32 flags,
                             VixError *err);
/* NOT_SUPPORTED_ON_REMOTE_OBJECT unless it is a local one. */
VixError vix_disk_check_local(const char *function, const VixDisk *disk);

/* Closes what is behind the handle; its pump has been stopped then. */
VixError vix_disk_empty(VixDisk *disk);
/* The same, and frees the handle. */
VixError vix_disk_free(VixDisk *disk);

/* OUTOFRANGE, FILE_READ_ONLY or INVALID_ARG unless the request makes sense. */
VixError vix_disk_check_request(const char *function, const VixDisk *disk,
                                VixDiskLibSectorType start,
                                VixDiskLibSectorType count, bool has_buffer,
                                bool writes);

static inline uint64_t
vix_bytes(VixDiskLibSectorType sectors)
{
    return sectors * VIXDISKLIB_SECTOR_SIZE;
}

static inline VdReqFlags
vix_zero_flags(uint32 flags)
{
    return flags & VIXDISKLIBEXT_ZERO_MAY_UNMAP ? VD_REQ_MAY_UNMAP : 0;
}
