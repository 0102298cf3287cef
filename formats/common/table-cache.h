/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/common/table-cache.h - tables of an image in memory, bounded in
 * bytes.
 *
 * All images of one loop share a cache, so that a chain of thirty links costs
 * no more memory than a single disk.  Tables without any entry cost nothing:
 * they are all the same constant.
 */
#pragma once

#include "io/loop.h"

#define VD_TABLE_CACHE_BYTES (32u << 20)

typedef struct VdTable VdTable;
typedef struct VdTableCache VdTableCache;

struct VdTable {
    VdTableCache *cache;
    void *owner;          /* for who added it; NULL at first */
    VdTable ***slots;     /* where the owner's pointers to its tables are */
    VdTable *next, *prev; /* ring of the cache */
    uint32_t bytes;       /* of the entries */
    uint32_t index;       /* in the directory */
    bool referenced;      /* since the clock's hand passed */
    bool dirty;           /* differs from the file; stays in memory */
    bool damaged;         /* entries that no writer may trust: read only */
    unsigned pins;        /* > 0: stays in memory */
    uint32_t words[];     /* as on disk */
};

/* One reference each; made with the first, freed with the last. */
VdTableCache *vd_table_cache_ref(VioLoop *loop);
void vd_table_cache_unref(VdTableCache *cache);

/* A table of @bytes, its contents undefined, in the ring.  Others are let go
 * to stay below the limit: their place (*slots)[index] becomes NULL. */
VdTable *vd_table_cache_add(VdTableCache *cache, VdTable ***slots,
                            uint32_t index, uint32_t bytes);
void vd_table_cache_drop(VdTableCache *cache, VdTable *table);

/* Mark @table and keep count. */
void vd_table_mark(VdTable *table, bool dirty);
/* Of all images of the loop. */
size_t vd_table_cache_dirty_bytes(const VdTableCache *cache);

size_t vd_table_cache_bytes(const VdTableCache *cache);
/* For tests; 0 = the default. */
void vd_table_cache_set_limit(VdTableCache *cache, size_t bytes);
