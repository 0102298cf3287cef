/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/repair.h - the parts of repairing a sparse extent.
 *
 *   repair.c             order of things; the header
 *   repair-directory.c   where the tables are
 *   repair-zeroes.c      tables of zeroes
 *   repair-tables.c      what is in them
 */
#pragma once

#include "block/finding.h"
#include "block/undo.h"
#include "formats/vmdk/sparse/scan.h"
#include "formats/vmdk/sparse/owners.h"
#include "formats/vmdk/sparse/sparse.h"

typedef struct VmdkRepair {
    VmdkExtent *e;
    VmdkTables *tables; /* of @e; its directories become what they should be */
    VdUndo *undo;
    VdCheckResult *result; /* gets notes of what was lost */
    const char *name;
    uint64_t file_sectors; /* before */
    uint64_t next;         /* byte of the file where new things go */
    bool needs_zero_flag;  /* there are zero marks to stay */
    uint64_t usual[2];     /* sector of the first table of each copy, if they
                              are laid out as usual; else 0 */
    bool desc_clipped;     /* the header named a longer descriptor */
    bool gd_moved;         /* the header named another primary directory */
    GHashTable *second;    /* GSIZE_TO_POINTER() of tables whose redundant copy
                              was the one that readers found */
    GHashTable *mistaken; /* of such tables: to GSIZE_TO_POINTER() of the sector
                             where readers looked for the primary copy */
    GHashTable *zeroes;   /* GSIZE_TO_POINTER() of tables that have just been
                             made, of grains of zeroes */
    GHashTable *fresh;    /* vmdk_repair_copy_key() of copies of tables that
                             have a place but no contents yet */
} VmdkRepair;

typedef enum VmdkCopy { VMDK_PRIMARY, VMDK_REDUNDANT } VmdkCopy;

static inline gpointer
vmdk_repair_copy_key(uint32_t index, VmdkCopy copy)
{
    return GSIZE_TO_POINTER((gsize) index * 2 + copy);
}

/* @bytes behind everything there is, whole grains; NO_SPACE above 2 TiB. */
bool vmdk_repair_reserve(VmdkRepair *r, uint64_t bytes, uint64_t *place,
                         GError **error);
/* Sectors of @want that differ from @disk (NULL = all), to @off of the file. */
bool vmdk_repair_co_write(VmdkRepair *r, uint64_t off, const uint8_t *want,
                          const uint8_t *disk, size_t len, GError **error);

/* Directory entry @index is *@gde: if that means zeroes and cannot stay, there
 * is now a table of zeroes at the end of the file, and *@gde its sector. */
bool vmdk_repair_co_zero_table(VmdkRepair *r, uint32_t index, uint32_t *gde,
                               GError **error);
/* Both directories, in the file and in r->tables. */
bool vmdk_repair_co_directories(VmdkRepair *r, GError **error);
/* Both copies of all tables; grains that two entries share are copied. */
bool vmdk_repair_co_tables(VmdkRepair *r, GError **error);
