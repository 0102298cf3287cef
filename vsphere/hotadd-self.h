/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/hotadd-self.h - which virtual machine are we? */
#pragma once

#include "block/error.h"

/* UUIDs under which a server may know the machine that this program runs in,
 * the likeliest first; NULL-terminated, g_strfreev.  Firmware of different
 * versions and its readers disagree about the order of bytes.  @root: see
 * vsphere/sys-file.h.  Blocks.
 *
 * Errors: NOT_SUPPORTED if this is no virtual machine of VMware's; PERMISSION
 * if it is and does not tell us more. */
char **vs_hotadd_own_uuids(const char *root, GError **error);
