/* SPDX-License-Identifier: BSD-3-Clause */
/* vix/create-options.h - what programs say of a new disk, in libvdisk's words.
 */
#pragma once

#include <glib.h>

#include "include/vixDiskLib.h"

/* libvdisk's name of a disk type; NULL = there is none. */
const char *vix_subformat(VixDiskLibDiskType type);

/* Options for vd_create() and vd_clone(), g_free(): what @params leaves open
 * (UNKNOWN, 0) is left to them.  INVALID_ARG for numbers that mean nothing. */
VixError vix_create_options(const char *function,
                            const VixDiskLibCreateParams *params,
                            char **options);

/* The capacity in bytes.  ARGUMENT_TOO_BIG. */
VixError vix_create_size(const char *function,
                         const VixDiskLibCreateParams *params, uint64_t *size);
