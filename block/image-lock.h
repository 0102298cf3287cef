/* SPDX-License-Identifier: BSD-3-Clause */
/* block/image-lock.h - in-use locks on image files, compatible with QEMU's
 * (byte-range OFD read locks; bytes and sets: docs/ARCHITECTURE.md). */
#pragma once

#include "block/error.h"

typedef enum VdLockMode {
    VD_LOCK_SHARE,  /* 100: read, anything goes */
    VD_LOCK_READ,   /* 100 201 203: read, no writers */
    VD_LOCK_WRITE,  /* 100 101 103 201 203 */
    VD_LOCK_CREATE, /* 101 103 201 203, and nobody may even read */
} VdLockMode;

/* Take-then-test: @fd then holds exactly the bytes of @mode.  On conflict it
 * holds none, and the error is IN_USE with QEMU's words and @name.  A file
 * system without such locks: true, with *@unsupported set (may be NULL). */
bool vd_image_lock(int fd, VdLockMode mode, const char *name, bool *unsupported,
                   GError **error);
void vd_image_unlock(int fd);

typedef enum VdLockUsers {
    VD_LOCK_USED_NOT,
    VD_LOCK_USED_READ,
    VD_LOCK_USED_WRITE,
    VD_LOCK_USED_UNKNOWN, /* the file system has no locks */
} VdLockUsers;

/* Who else has the file open?  Takes nothing. */
VdLockUsers vd_image_lock_ask(int fd);
