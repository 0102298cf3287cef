/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/relayout.h - an extent's metadata in other places. */
#pragma once

#include "formats/vmdk/sparse/sparse.h"

/* Tables for @capacity_sectors (which e->len may be less than), contiguous in
 * front of the grains.  Durable.  Entries behind e->len are left out.  On
 * failure the extent is as it was, or has the new tables at its end, which is
 * right for every reader, too.
 *
 * No change of the disk is in flight, nothing is dirty. */
bool vmdk_sparse_co_relayout(VmdkExtent *e, uint64_t capacity_sectors,
                             GError **error);

/* From now on the tables of @hdr, which are durable, are those of the extent.
 * flush_lock is held. */
bool vmdk_sparse_co_switch_tables(VmdkExtent *e, const VmdkHeader *hdr,
                                  GError **error);

/* -- header.h in the file: switch.c -----------------------------------------
 */

/* The file's header says what @hdr says, durably: one sector, old or new.
 * flush_lock is held. */
bool vmdk_sparse_co_switch_header(VmdkExtent *e, const VmdkHeader *hdr,
                                  GError **error);
/* Reserve @bytes behind all that is in the file and make it so long. */
bool vmdk_sparse_co_reserve_end(VmdkExtent *e, uint64_t bytes, uint64_t *place,
                                GError **error);
/* Nothing behind it is in use: the file becomes @size bytes long, new grains go
 * to @next. */
bool vmdk_sparse_co_cut_end(VmdkExtent *e, uint64_t size, uint64_t next,
                            GError **error);

/* -- table-copy.c ------------------------------------------------------------
 */

/* The entries of the extent to the tables of @hdr, in both copies, where they
 * read as zeroes so far.  @moved (may be NULL): sector of a grain to the sector
 * where it is instead. */
bool vmdk_tables_co_copy(VmdkExtent *e, const VmdkHeader *hdr,
                         GHashTable *moved, GError **error);
