/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/file-use.h - does a virtual machine have a file for its disks? */
#pragma once

#include "vsphere/session.h"

typedef enum VsFileUse {
    VS_FILE_UNUSED,
    VS_FILE_ON_TOP, /* it writes there, or would if it were on */
    VS_FILE_BELOW,  /* another file, or a snapshot, builds on it */
} VsFileUse;

/* How @vm uses @path, now and in its snapshots. */
bool vs_file_use_find(VsSession *session, const VsRef *vm, const char *path,
                      VsFileUse *use, GError **error);

/* IN_USE if @path is used in any way, or, with @on_top, if something builds on
 * it. */
bool vs_file_use_check(VsSession *session, const VsRef *vm, const char *path,
                       bool on_top, GError **error);
