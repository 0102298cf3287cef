/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/pack.h - an extent whose grains are being moved about:
 * what compact.c and defragment.c share.  Grains are places here. */
#pragma once

#include "formats/vmdk/compact.h"
#include "formats/vmdk/sparse/move.h"

/* Bytes that are moved between two flushes.  So much space more than it has an
 * extent may need while it is being compacted. */
#define VMDK_PACK_BYTES (UINT64_C(64) << 20)

typedef struct VmdkPack {
    VmdkExtent *e;
    VmdkCompact *job;
    VmdkPlaces *used; /* by grains */
    VmdkPlaces *meta; /* by metadata that lie among the grains */
    uint64_t first;   /* the first place that a grain may have */
    GArray *moves;    /* of VmdkMove: to be done */
} VmdkPack;

/* Sectors of a place. */
static inline uint64_t
vmdk_pack_unit_sectors(const VmdkExtent *e)
{
    return e->sparse->place_unit / VMDK_SECTOR;
}

/* How many grains are moved between two flushes; at least one. */
uint64_t vmdk_pack_batch(const VmdkPack *p);
/* For tests: another size than VMDK_PACK_BYTES; 0 = that one. */
void vmdk_pack_set_bytes(uint64_t bytes);

/* Place that @n grains from the first place on end at, metadata in between
 * stepped over. */
uint64_t vmdk_pack_end(const VmdkPack *p, uint64_t n);

/* Let the grain at byte @off of the extent move; @to is no longer free. */
void vmdk_pack_add(VmdkPack *p, uint64_t off, uint64_t from, uint64_t to);
/* Do what was added, durably; then the old places are free.  After a failure or
 * when the user wants an end, the rest has not moved. */
bool vmdk_pack_co_run(VmdkPack *p, GError **error);

/* Everything is durable and all that was given up is free. */
bool vmdk_pack_co_settle(VmdkExtent *e, GError **error);

/* defragment.c */
bool vmdk_pack_co_defragment(VmdkPack *p, GError **error);
