/* SPDX-License-Identifier: BSD-3-Clause */
/* io/fd.h - descriptors as automatically closed variables (GLib 2.74 has no
 * g_autofd). */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

static inline void
vio_fd_cleanup(int *fd)
{
    if (*fd >= 0)
        (void) close(*fd); /* nothing was written through it */
}

static inline int
vio_fd_steal(int *fd)
{
    int taken = *fd;

    *fd = -1;
    return taken;
}

/* All of it; false with errno set. */
static inline bool
vio_write_all(int fd, const char *bytes, size_t len)
{
    while (len) {
        ssize_t n = write(fd, bytes, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes += n;
        len -= (size_t) n;
    }
    return true;
}

#define VIO_AUTO_FD __attribute__((cleanup(vio_fd_cleanup))) int

/* Makes the names in @dir durable, with success where the file system has no
 * such thing.  0 or -errno. */
static inline int
vio_sync_directory(const char *dir)
{
    VIO_AUTO_FD fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0 && (fsync(fd) == 0 || errno == EINVAL || errno == EROFS))
        return 0;
    return -errno;
}
