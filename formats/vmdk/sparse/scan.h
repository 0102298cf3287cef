/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/scan.h - both copies of all grain tables, as they stand
 * in the file: past the cache, unsifted.  For checks and repairs. */
#pragma once

#include "formats/vmdk/sparse/tables.h"

typedef struct VmdkTableView {
    uint32_t index;
    uint32_t in_use; /* entries that belong to the disk; the rest are leftovers
                        of other tools */
    /* Little endian, gtes_per_gt of them; NULL = none, or not readable. */
    uint32_t *primary, *redundant;
} VmdkTableView;

typedef struct VmdkScan {
    /* May change what it is shown. */
    bool (*visit)(void *arg, const VmdkTableView *view, GError **error);
    /* A table that cannot be read; NULL = goes without saying. */
    void (*unreadable)(void *arg, uint32_t sector, const char *what,
                       const GError *why);
    void *arg;
} VmdkScan;

/* In order of the disk.  Tables that are a hole of the file in both copies are
 * left out: they are empty.  Those that have no place are visited, without
 * bytes. */
bool vmdk_tables_co_scan(VmdkTables *tables, const VmdkScan *scan,
                         GError **error);

/* @len bytes at @off, zeroes behind the end.  Tried twice: what a repair cannot
 * read is given up, so a failure that passes must not count. */
bool vmdk_scan_co_read(VdNode *file, uint64_t off, void *buf, size_t len,
                       GError **error);

/* A table has, or could have, a place in the file. */
static inline bool
vmdk_table_is_placed(uint32_t gde)
{
    return gde > VMDK_GTE_ZERO && gde != VMDK_GTE_BAD;
}
