/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vhdx/region.h - which parts of a VHDX file are no payload. */
#pragma once

#include "formats/blocks/blocks.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define VHDX_REGION_TABLE_BYTES 65536u
#define VHDX_REGION_TABLE_AT(i) (UINT64_C(65536) * (3 + (i)))

typedef VdBlocksRange VhdxRange;

typedef struct VhdxRegions {
    VhdxRange table, metadata; /* table of blocks ("BAT") */
    GArray *taken;             /* of VhdxRange, ascending: these, regions that
                                  nobody knows, and the log */
    bool sound[2];
} VhdxRegions;

/* What is wrong with @raw as a whole, NULL = nothing. */
const char *vhdx_region_table_problem(const uint8_t *raw);
/* CORRUPT, NOT_SUPPORTED with @name and the place @at.  @log: its range, which
 * no region may touch. */
bool vhdx_region_table_decode(VhdxRegions *regions, const uint8_t *raw,
                              const VhdxRange *log, const char *name,
                              uint64_t at, GError **error);
void vhdx_region_table_encode(const VhdxRegions *regions, uint8_t *raw);
/* Let the region of the table of blocks be @table in @raw, checksum and all. */
void vhdx_region_table_set(uint8_t *raw, const VhdxRange *table);
/* What is taken as @from is @to from now on. */
void vhdx_regions_move(VhdxRegions *regions, const VhdxRange *from,
                       const VhdxRange *to);
void vhdx_regions_clear(VhdxRegions *regions);

/* Does [off, off + len) touch what is taken? */
bool vhdx_regions_touch(const VhdxRegions *regions, uint64_t off, uint64_t len);
