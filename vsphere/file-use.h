/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/file-use.h - does a virtual machine have a file for its disks? */
#pragma once

#include "vsphere/session.h"

/* IN_USE if @path is used in any way, or, with @on_top, if something builds on
 * it. */
bool vs_file_use_check(VsSession *session, const VsRef *vm, const char *path,
                       bool on_top, GError **error);
