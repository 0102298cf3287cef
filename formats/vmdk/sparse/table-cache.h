/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/table-cache.h - grain tables in memory, bounded in bytes.
 *
 * All images of one loop share a cache, so that a chain of thirty links costs
 * no more memory than a single disk.  Tables without any entry cost nothing:
 * they are all the same constant.
 */
#pragma once

#include "io/loop.h"

#define VMDK_TABLE_CACHE_BYTES (32u << 20)

typedef struct VmdkTables VmdkTables;
typedef struct VmdkTable VmdkTable;
typedef struct VmdkTableCache VmdkTableCache;

struct VmdkTable {
    VmdkTables *owner; /* NULL: a table of another kind */
    VmdkTableCache *cache;
    VmdkTable ***slots;     /* where the owner's pointers to its tables are */
    VmdkTable *next, *prev; /* ring of the cache */
    uint32_t bytes;         /* of the entries */
    uint32_t index;         /* in the directory */
    bool referenced;        /* since the clock's hand passed */
    bool dirty;             /* differs from the file; stays in memory */
    bool damaged;           /* entries that no writer may trust: read only */
    unsigned pins;          /* > 0: stays in memory */
    uint32_t gte[];         /* little endian, as on disk */
};

/* One reference each; made with the first, freed with the last. */
VmdkTableCache *vmdk_table_cache_ref(VioLoop *loop);
void vmdk_table_cache_unref(VmdkTableCache *cache);

/* A table of @entries, its contents undefined, in the ring.  Others are let go
 * to stay below the limit: their owner's slot becomes NULL. */
VmdkTable *vmdk_table_cache_add(VmdkTableCache *cache, VmdkTables *owner,
                                uint32_t index, uint32_t entries);
/* The same for whoever has a slot per table: (*@slots)[@index] becomes NULL.
 * @bytes: of all entries. */
VmdkTable *vmdk_table_cache_add_at(VmdkTableCache *cache, VmdkTable ***slots,
                                   uint32_t index, uint32_t bytes);
void vmdk_table_cache_drop(VmdkTableCache *cache, VmdkTable *table);

/* Mark @table and keep count. */
void vmdk_table_mark(VmdkTable *table, bool dirty);
/* Of all images of the loop. */
size_t vmdk_table_cache_dirty_bytes(const VmdkTableCache *cache);

size_t vmdk_table_cache_bytes(const VmdkTableCache *cache);
/* For tests; 0 = the default. */
void vmdk_table_cache_set_limit(VmdkTableCache *cache, size_t bytes);
