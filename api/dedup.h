/* SPDX-License-Identifier: BSD-3-Clause */
/* api/dedup.h - for api/rebase.c. */
#pragma once

#include "api/disk.h"
#include "api/meter.h"

/* Units of @node that are what @parent (NULL = zeroes) shows there are let go
 * of; durable when it returns.  @node names @parent already, though it may have
 * another one open.  @meter: advances by the size of @node.  *@dropped: bytes
 * of the disk that @node no longer determines. */
bool vd_dedup_co_run(VdContext *ctx, VdNode *node, VdNode *parent,
                     VdMeter *meter, uint64_t *dropped, GError **error);
