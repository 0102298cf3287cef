/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/stream/tables.h - grain tables of a stream being written.
 *
 * Grains come in ascending order, so one table is open at a time; a table that
 * is complete goes out and is let go.  Memory does not grow with the disk: one
 * table, and for a directory at the end 16 bytes for each table written.
 *
 * Private to writer.c and tables.c.
 */
#pragma once

#include "formats/vmdk/stream/record.h"
#include "formats/vmdk/stream/stream.h"

typedef struct VmdkStreamTable {
    uint64_t index; /* in the directory */
    uint64_t first; /* tables from this one to index are empty, not yet on
                       disk, and this table's to clear */
    uint8_t *data;  /* entries as on disk, padded to sectors */
} VmdkStreamTable;

typedef struct VmdkStreamTables {
    VdNode *file;
    const VmdkHeader *hdr;
    VmdkStreamTable open; /* data NULL = none */
    uint64_t taken;       /* tables below have been handed out */
    GArray *placed;       /* at the end: of VmdkStreamPlace, ascending */
} VmdkStreamTables;

void vmdk_stream_tables_init(VmdkStreamTables *tables, VdNode *file,
                             const VmdkHeader *hdr);
void vmdk_stream_tables_clear(VmdkStreamTables *tables);

/* True if an entry for guest byte @off needs another table than the open one:
 * take that one first. */
bool vmdk_stream_tables_is_full(const VmdkStreamTables *tables, uint64_t off);
/* Hand the open table over; .data is the caller's to free. */
VmdkStreamTable vmdk_stream_tables_take(VmdkStreamTables *tables);
void vmdk_stream_tables_set(VmdkStreamTables *tables, uint64_t off,
                            uint64_t sector);
size_t vmdk_stream_table_bytes(const VmdkStreamTables *tables);

/* Directory at the end: table @index stands at @sector. */
void vmdk_stream_tables_placed(VmdkStreamTables *tables, uint64_t index,
                               uint64_t sector);

/* Directory in front: write a table to its place, and see to it that those
 * before it, which nothing was written to, read as zeroes.  Which ones these
 * are was settled when it was taken: tables may be written in any order. */
bool vmdk_stream_tables_co_write(VmdkStreamTables *tables,
                                 const VmdkStreamTable *table, GError **error);
/* In front: the tables behind the last one written read as zeroes, too. */
bool vmdk_stream_tables_co_clear_rest(VmdkStreamTables *tables, GError **error);
/* The whole directory, to @sector. */
bool vmdk_stream_tables_co_write_gd(VmdkStreamTables *tables, uint64_t sector,
                                    GError **error);
