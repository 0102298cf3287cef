/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/size-name.h - names of leaves that have a size and nothing
 * else: "null:1G", "zero:", "memory://". */
#pragma once

#include "block/options.h"

/* What follows the scheme in @name, slashes skipped, becomes option "size";
 * nothing there leaves the size to the other options. */
bool vd_parse_size_name(const char *name, VdOptions *opts, GError **error);

/* Take "size"; @size keeps its preset if the option is absent. */
bool vd_take_disk_size(VdOptions *opts, const char *driver, uint64_t *size,
                       GError **error);
