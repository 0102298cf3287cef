/* SPDX-License-Identifier: BSD-3-Clause */
/* vix/remote-file.h - what servers do with files of disks. */
#pragma once

#include "vix/remote.h"

VixError vix_remote_grow(const char *function, VixRemote *remote,
                         const char *path, VixDiskLibSectorType capacity,
                         VixDiskLibProgressFunc progress, void *data);
VixError vix_remote_unlink(const char *function, VixRemote *remote,
                           const char *path);
