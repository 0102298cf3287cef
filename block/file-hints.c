/* SPDX-License-Identifier: BSD-3-Clause */
/* block/file-hints.c - what the host's file system is told about new files.
 *
 * Concurrency: no state; any thread.
 */
#include "block/file-hints.h"

#include <errno.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

static int
set_extent_size(int fd, uint64_t bytes)
{
    struct fsxattr attr;

    if (ioctl(fd, FS_IOC_FSGETXATTR, &attr) < 0)
        return errno;
    attr.fsx_xflags |= FS_XFLAG_EXTSIZE;
    attr.fsx_extsize = (uint32_t) bytes;
    return ioctl(fd, FS_IOC_FSSETXATTR, &attr) < 0 ? errno : 0;
}

static int
set_no_cow(int fd)
{
    int flags;

    if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
        return errno;
    flags |= FS_NOCOW_FL;
    return ioctl(fd, FS_IOC_SETFLAGS, &flags) < 0 ? errno : 0;
}

/* A file system without copy-on-write has nothing to turn off. */
static bool
has_no_flags(int errnum)
{
    return errnum == ENOTTY || errnum == EOPNOTSUPP || errnum == ENOSYS;
}

VdFileHintsResult
vd_file_hints_apply(int fd, const VdFileHints *hints)
{
    VdFileHintsResult result = {0};

    if (hints->extent_size)
        result.extent_size = set_extent_size(fd, hints->extent_size);
    if (hints->no_cow)
        result.no_cow = set_no_cow(fd);
    if (has_no_flags(result.no_cow))
        result.no_cow = 0;
    return result;
}
