/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/snapshot-table.h - snapshots inside an image, as they are listed.
 */
#pragma once

#include "include/vdisk.h"

/* "Snapshot list:", column titles, a row each; @list: of VdSnapshot. */
void snapshot_table_append(GString *out, const GPtrArray *list);
/* Floating array of objects with qemu-img's keys in its order; @list may be
 * NULL. */
GVariant *snapshots_to_variant(const GPtrArray *list);
