/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/places.h - a set of places of an extent's file.
 *
 * A place is as long as a grain, in a COWD extent a sector, and is told by its
 * number: place n begins at byte n * length.  A bitmap in pages, so that what
 * is empty, or full, costs next to nothing: at most 4 MiB for the 2 TiB that a
 * file of 64 KiB grains may have, 512 MiB if places are sectors.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef struct VmdkPlaces VmdkPlaces;

VmdkPlaces *vmdk_places_new(void);
void vmdk_places_free(VmdkPlaces *places);

uint64_t vmdk_places_count(const VmdkPlaces *places);
bool vmdk_places_has(const VmdkPlaces *places, uint64_t place);
/* False if one of them was there already; all are there afterwards. */
bool vmdk_places_add(VmdkPlaces *places, uint64_t first, uint64_t n);
void vmdk_places_remove(VmdkPlaces *places, uint64_t first, uint64_t n);

/* The first run at or behind @from: its length, at most @max; 0 = none. */
uint64_t vmdk_places_next(const VmdkPlaces *places, uint64_t from, uint64_t max,
                          uint64_t *first);
/* The last run that begins below @below, as far as it lies below. */
uint64_t vmdk_places_previous(const VmdkPlaces *places, uint64_t below,
                              uint64_t *first);
/* How many places from @from on are in the set, at most @max. */
uint64_t vmdk_places_run(const VmdkPlaces *places, uint64_t from, uint64_t max);
/* How many places from @from on are not in the set, at most @max. */
uint64_t vmdk_places_gap(const VmdkPlaces *places, uint64_t from, uint64_t max);

/* Takes a run of up to @want places out, low ones first: one that is long
 * enough if there is one nearby, else the longest there.  0 = the set is
 * empty. */
uint64_t vmdk_places_take(VmdkPlaces *places, uint64_t want, uint64_t *first);
