/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/sys-file.h - small files of the kernel's trees.
 *
 * All of them lie below a root, which is another one in tests; there, anything
 * may be in their place.  These block, some for seconds: for worker threads.
 */
#pragma once

#include "block/error.h"

/* $VDISK_HOTADD_ROOT, for tests; NULL: the system's own. */
const char *vs_sys_root(void);

/* @root: NULL or "" is the system's own. */
char *vs_sys_path(const char *root, ...) G_GNUC_NULL_TERMINATED;

/* All bytes of a regular file of at most @max bytes, and a NUL behind them.  A
 * NULL @len asks for a text of one line: without blanks around it. */
char *vs_sys_read(const char *path, size_t max, size_t *len, GError **error);

/* Into a file that is there. */
bool vs_sys_write(const char *path, const char *text, GError **error);

/* Names in a directory (char *), in order, but for those with a dot in front.
 * Empty if it is not there; LIMIT if there are more than @max. */
GPtrArray *vs_sys_names(const char *path, unsigned max, GError **error);
