/* SPDX-License-Identifier: BSD-3-Clause */
/* io/fs-remote.h - is somebody else behind a file: a server, or a program?
 *
 * Then a write that the page cache would take at once on a local disk may hang
 * for as long as the other one does.  statfs(2), linux/magic.h.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* @magic: f_type of statfs(2). */
bool vio_fs_magic_is_remote(uint32_t magic);

/* Of the file system that @fd is on; true if it cannot be told. */
bool vio_fs_is_remote(int fd);
