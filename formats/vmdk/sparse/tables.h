/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/tables.h - grain directory and grain tables of one
 * extent.
 *
 * The directory is in memory as a whole (4 bytes per 32 MiB of disk), tables
 * come and go (table-cache.h).  A table that is in memory is looked up without
 * yielding; one that is not is loaded by the first who asks, together with its
 * neighbours on disk, while others wait for that load only.
 *
 * Changes stay in memory until vmdk_tables_co_write(), which is given a
 * barrier to call between the data and the tables (design.md 3.7).
 */
#pragma once

#include "block/rw.h"
#include "formats/vmdk/sparse/header.h"
#include "formats/common/table-cache.h"

/* Values of entries, beside sectors. */
#define VMDK_GTE_ABSENT 0u
#define VMDK_GTE_ZERO 1u
#define VMDK_GTE_BAD UINT32_MAX /* in memory only: names no place */

/* Dirty tables of a loop above this many bytes are written out by who makes
 * them so. */
#define VMDK_DIRTY_BYTES (8u << 20)

typedef struct VmdkTableStats {
    uint64_t loads;      /* reads of tables */
    uint64_t redundant;  /* entries taken from the redundant copy */
    uint64_t bad;        /* entries that neither copy gives */
    uint64_t suspicious; /* entries that point into metadata */
} VmdkTableStats;

typedef struct VmdkTables VmdkTables;

struct VmdkTables {
    VdNode *file;
    VmdkHeader hdr;
    VdTableCache *cache;
    VdTable **slot; /* by index; NULL = not in memory */
    VdTable *empty; /* the constant table without entries */
    uint32_t *gd;   /* host order; 0 none, VMDK_GTE_BAD unusable */
    uint32_t *rgd;  /* NULL = no redundant copy */
    uint32_t n_gts, gtes_per_gt;
    uint32_t gt_sectors;
    bool zero_gte;    /* entry 1 means zeroes */
    bool zero_gde;    /* directory entry 1 means a table of zeroes; without
                         zero_gte no writable one above a parent */
    bool stream;      /* entries name records: any sector */
    bool gd_damaged;  /* directories need repair: no writing */
    GError *gd_error; /* why a directory could not be read at all */
    bool gd_dirty;
    bool writing; /* dirty tables are on their way to the file */
    bool warned;
    GPtrArray *dirty; /* of VdTable */
    GArray *meta;     /* sorted ranges: metadata among the data */
    GQueue loads;     /* of TableLoad: in flight */
    uint32_t ahead, ahead_next;
    /* Tables [hole_first, hole_first + hole_n) are known to be a hole of the
     * file: empty, though their slots do not say so.  @hole_changes: what was
     * asked before it changed is no longer true. */
    uint32_t hole_first, hole_n, hole_changes;
    VmdkTableStats stats;
};

/* Read and check the directories of @hdr.  Keeps going with what is usable;
 * fails if nothing is. */
VmdkTables *vmdk_tables_co_open(VdNode *file, const VmdkHeader *hdr,
                                GError **error);
void vmdk_tables_free(VmdkTables *tables);

/* The table in memory, or NULL. */
static inline VdTable *
vmdk_tables_peek(VmdkTables *tables, uint32_t index)
{
    VdTable *table = tables->slot[index];

    if (!table)
        return index - tables->hole_first < tables->hole_n ? tables->empty
                                                           : NULL;
    if (!table->referenced)
        table->referenced = true;
    return table;
}

static inline uint32_t
vmdk_table_entry(const VdTable *table, uint32_t i)
{
    return GUINT32_FROM_LE(table->words[i]);
}

/* The same, loaded if needed.  Good until the next yield. */
VdTable *vmdk_tables_co_get(VmdkTables *tables, uint32_t index, GError **error);

/* A table that may be changed (vmdk_tables_set) until the next yield.
 * CORRUPT if it has entries that cannot be trusted. */
VdTable *vmdk_tables_co_get_rw(VmdkTables *tables, uint32_t index,
                               GError **error);
void vmdk_tables_set(VdTable *table, uint32_t i, uint32_t value);

/* A table in the cache, its entries undefined, which is in no slot yet. */
VdTable *vmdk_tables_new(VmdkTables *tables, uint32_t index);

/* The directory names no table for @index: one has to be placed first. */
bool vmdk_tables_is_missing(const VmdkTables *tables, uint32_t index);
/* Its place: @sector for the table, the redundant one right behind it.  On
 * disk with the next write-back. */
void vmdk_tables_place(VmdkTables *tables, uint32_t index, uint32_t sector);

/* The directory names no table for @index, which is not dirty, any more; on
 * disk with the next write-back.  Nobody else uses the disk, and who drops
 * tables calls vmdk_tables_note_meta() in the end. */
void vmdk_tables_drop(VmdkTables *tables, uint32_t index);

/* No piece of metadata lies on another; else whoever writes one damages the
 * other: CORRUPT. */
bool vmdk_tables_check_apart(const VmdkTables *tables, GError **error);

/* Called when everything before must be durable before anything after. */
typedef bool (*VmdkBarrier)(void *arg, GError **error);

/* Barrier, primary tables, redundant tables; for new tables the
 * redundant directory and the directory, each behind a barrier.  Nothing dirty:
 * nothing is done.  What a failure left unwritten stays dirty.  One caller at a
 * time. */
bool vmdk_tables_co_write(VmdkTables *tables, VmdkBarrier barrier, void *arg,
                          GError **error);

/* table-hole.c */
/* How many tables from @index on are a hole of the file (in both copies, if
 * @both), so that all their entries are 0; nothing is read.  0 = not known. */
uint32_t vmdk_tables_co_count_hole(VmdkTables *tables, uint32_t index,
                                   bool both);
/* Note the hole that @index lies in; false if it lies in none. */
bool vmdk_tables_co_note_hole(VmdkTables *tables, uint32_t index);
/* Tables are going to be where a hole was. */
void vmdk_tables_forget_hole(VmdkTables *tables);

/* -- inside (tables*.c) ------------------------------------------------------
 */

typedef enum VmdkEntryState {
    VMDK_ENTRY_GOOD,
    VMDK_ENTRY_MISALIGNED, /* readable all the same */
    VMDK_ENTRY_SUSPICIOUS, /* readable, but never to be written to */
    VMDK_ENTRY_BAD,
} VmdkEntryState;

/* What entry @e of a grain table is worth in a file of so many sectors. */
VmdkEntryState vmdk_tables_judge(const VmdkTables *tables, uint32_t e,
                                 uint64_t file_sectors);
/* Entries of table @index that belong to the disk; those behind its end are
 * other tools' leftovers. */
uint32_t vmdk_tables_entries_in_use(const VmdkTables *tables, uint32_t index);
/* Sort @raw (table @index) out: entries that name no place become BAD unless
 * the redundant table @other (may be NULL) has a good one.  True if anything
 * was wrong; sets *@damaged if writers must keep off. */
bool vmdk_tables_sift(VmdkTables *tables, uint32_t index, uint32_t *raw,
                      const uint32_t *other, bool *damaged);
/* table-places.c: note metadata that lie among the grains. */
void vmdk_tables_note_meta(VmdkTables *tables);
void vmdk_tables_note_table(VmdkTables *tables, uint32_t index); /* a new one */
/* The sector behind the last piece of metadata. */
uint64_t vmdk_tables_meta_end(const VmdkTables *tables);
/* Stretch number @i between the front metadata and pieces that lie among the
 * grains: *n sectors (maybe 0) from *first on.  False: there is no such. */
bool vmdk_tables_gap(const VmdkTables *tables, unsigned i, uint64_t *first,
                     uint64_t *n);
/* Does a grain in sectors [first, last] touch such? */
bool vmdk_tables_hits_meta(const VmdkTables *tables, uint64_t first,
                           uint64_t last);
