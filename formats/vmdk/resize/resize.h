/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/resize/resize.h - disks that become longer or shorter.
 *
 * What decides the size is the descriptor, so changing it is the one moment at
 * which a disk gets its new size:
 *
 *   grow:    extents longer, new extents - durable - descriptor
 *   shrink:  descriptor - durable - extents shorter, files removed
 *
 * Extents that are longer than the descriptor says do no harm: a failure or a
 * crash at any other moment costs space at worst.
 */
#pragma once

#include "formats/vmdk/state.h"

#include "block/transaction.h"

bool vmdk_co_resize(VdNode *node, const VdResize *how, GError **error);

/* -- inside ---------------------------------------------------------------- */

/* @size: whole sectors, more (less) than now.  s->job_lock is held. */
bool vmdk_resize_co_grow(VmdkState *s, uint64_t size, const VdResize *how,
                         GError **error);
bool vmdk_resize_co_shrink(VmdkState *s, uint64_t size, const VdResize *how,
                           GError **error);

/* text.c */

/* A copy of the descriptor that tells of the geometry of @size bytes, and has
 * another content id. */
VmdkDescriptor *vmdk_resize_text(const VmdkState *s, uint64_t size,
                                 bool keep_geometry, GError **error);
/* The line of extent @i becomes @len bytes. */
bool vmdk_resize_text_set_len(VmdkDescriptor *desc, unsigned i, uint64_t len,
                              GError **error);
/* Put @next, which is taken over, in the place of s->desc, on disk first.
 * After a failure the old one is back, in memory in any case; *on_disk tells
 * that the new one may have stayed on disk. */
bool vmdk_resize_co_switch(VmdkState *s, VmdkDescriptor *next, bool *on_disk,
                           GError **error);

/* pieces.c: further extents of a split disk */

typedef struct VmdkPieces {
    VmdkState *s;
    VdEnv env;         /* with the transaction */
    VdTransaction *tx; /* own; NULL = the one that the disk is made in */
    GArray *extents;   /* of VmdkExtent, open */
} VmdkPieces;

/* Bytes of a full extent; 0 = the disk is not split. */
uint64_t vmdk_pieces_size(const VmdkState *s);

void vmdk_pieces_init(VmdkPieces *pieces, VmdkState *s);
/* One of @len bytes behind all others: its file, its line in @desc. */
bool vmdk_pieces_co_add(VmdkPieces *pieces, VmdkDescriptor *desc, uint64_t len,
                        VdPrealloc prealloc, GError **error);
/* All files durable. */
bool vmdk_pieces_co_sync(VmdkPieces *pieces, GError **error);
/* They are part of the disk: on disk by its descriptor, and now in memory. */
void vmdk_pieces_co_accept(VmdkPieces *pieces);
/* Close them; and remove their files, unless @keep_files. */
void vmdk_pieces_co_drop(VmdkPieces *pieces, bool keep_files);
