/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sesparse/tables.h - grain directory and grain tables of a
 * seSparse extent.
 *
 * The directory is in memory, four bytes per 16 MiB of disk; tables of 32 KiB
 * come and go with those of all other images (sparse/table-cache.h).  In memory
 * entries are sectors of the file (header.h), checked once when they are read.
 */
#pragma once

#include "block/rw.h"
#include "formats/vmdk/sesparse/header.h"
#include "formats/common/table-cache.h"

#include <string.h>

typedef struct VmdkSeTables {
    VdNode *file;
    VmdkSeHeader hdr;
    VdTableCache *cache;
    uint32_t *gd;   /* by place on the disk */
    VdTable **slot; /* the same; NULL = not in memory */
    uint32_t n;     /* of both */
    GQueue loads;   /* of TableLoad: in flight */
    /* A new extent that is being filled. */
    GPtrArray *dirty;             /* of VdTable */
    uint32_t next_table;          /* number of the next new one */
    uint32_t gd_dirty, gd_behind; /* entries to be written: a range */
} VmdkSeTables;

/* Read the directory.  CORRUPT only for what cannot be read at all: a bad entry
 * is told when it is needed. */
VmdkSeTables *vmdk_se_tables_co_open(VdNode *file, const VmdkSeHeader *hdr,
                                     GError **error);
void vmdk_se_tables_free(VmdkSeTables *tables);

/* Table @index, from the file if need be; good until the next yield.  The
 * directory must name one. */
VdTable *vmdk_se_tables_co_get(VmdkSeTables *tables, uint32_t index,
                               GError **error);

/* -- filling a new extent (table-write.c) -------------------------------------
 */

/* The same, made if there is none: to be changed until the next yield. */
VdTable *vmdk_se_tables_co_get_rw(VmdkSeTables *tables, uint32_t index,
                                  GError **error);
void vmdk_se_tables_set(VmdkSeTables *tables, VdTable *table, uint32_t i,
                        uint64_t entry);
/* Tables, then the directory: whoever fills an extent has marked it as
 * unfinished, so nothing needs to be durable in between. */
bool vmdk_se_tables_co_write(VmdkSeTables *tables, GError **error);

/* -- entries ------------------------------------------------------------------
 */

static inline VdTable *
vmdk_se_tables_peek(const VmdkSeTables *tables, uint32_t index)
{
    VdTable *table = tables->slot[index];

    if (table && !table->referenced)
        table->referenced = true;
    return table;
}

static inline uint64_t
vmdk_se_table_entry(const VdTable *table, uint32_t i)
{
    uint64_t entry;

    memcpy(&entry, (const uint8_t *) table->words + i * sizeof(entry),
           sizeof(entry));
    return entry;
}

static inline void
vmdk_se_table_put(VdTable *table, uint32_t i, uint64_t entry)
{
    memcpy((uint8_t *) table->words + i * sizeof(entry), &entry, sizeof(entry));
}

static inline uint32_t
vmdk_se_table_of(uint64_t off)
{
    return (uint32_t) (off >> VMDK_SE_COVER_SHIFT);
}

static inline uint32_t
vmdk_se_entry_of(uint64_t off)
{
    return (uint32_t) (off >> VMDK_SE_GRAIN_SHIFT) & (VMDK_SE_ENTRIES - 1);
}

/* Where the part of the disk ends that the table of @off is about. */
static inline uint64_t
vmdk_se_cover_end(uint64_t off)
{
    return (off | ((UINT64_C(1) << VMDK_SE_COVER_SHIFT) - 1)) + 1;
}
