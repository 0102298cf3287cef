/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/owners.h - whose is each place of an extent's file?
 *
 * A place is as large as a grain, in a COWD extent, whose grains lie anywhere,
 * a sector. */
#pragma once

#include "formats/vmdk/sparse/places.h"
#include "formats/vmdk/sparse/tables.h"

typedef struct VmdkOwners {
    VmdkPlaces *taken;
    uint64_t n_slots; /* places; the last one may be short */
    uint64_t unit;    /* sectors of a place */
    uint64_t grain_sectors;
} VmdkOwners;

/* Of the file of @tables as it is now: all metadata are taken, and everything
 * in front of @first_sector.  NO_MEMORY above a limit. */
bool vmdk_owners_init(VmdkOwners *owners, const VmdkTables *tables,
                      uint64_t first_sector, GError **error);
void vmdk_owners_clear(VmdkOwners *owners);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VmdkOwners, vmdk_owners_clear)

static inline uint64_t
vmdk_owners_unit_bytes(const VmdkOwners *owners)
{
    return owners->unit * VMDK_SECTOR;
}

/* Is any place taken that the grain at @sector lies on? */
bool vmdk_owners_has(const VmdkOwners *owners, uint64_t sector);
/* Take the places of the grain at @sector; false if one was taken.  What lies
 * behind the file is nobody's. */
bool vmdk_owners_take(VmdkOwners *owners, uint64_t sector);
/* All places that these sectors touch; false if one was taken. */
bool vmdk_owners_take_sectors(VmdkOwners *owners, uint64_t sector, uint64_t n);

/* Behind the last place that somebody has taken. */
uint64_t vmdk_owners_end(const VmdkOwners *owners);
/* From *@slot on: the next places that nobody has taken and that are no hole of
 * the file (which wastes nothing); 0 = no more. */
uint64_t vmdk_owners_co_next_leak(const VmdkOwners *owners, VdNode *file,
                                  uint64_t *slot);
