/* SPDX-License-Identifier: BSD-3-Clause */
/* io/fd.h - descriptors as automatically closed variables (GLib 2.74 has no
 * g_autofd). */
#pragma once

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

#define VIO_AUTO_FD __attribute__((cleanup(vio_fd_cleanup))) int
