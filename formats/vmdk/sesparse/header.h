/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sesparse/header.h - the two headers of a seSparse extent and its
 * table entries.
 *
 * There is no official document; the facts are those that readers of ESXi's
 * files agree on.  On-disk form and layout rules only; no I/O.
 */
#pragma once

#include "block/error.h"

#define VMDK_SE_HEADER_BYTES 512
#define VMDK_SE_GRAIN_SECTORS 8
#define VMDK_SE_GRAIN_SHIFT 12
#define VMDK_SE_GRAIN_BYTES (1u << VMDK_SE_GRAIN_SHIFT)
#define VMDK_SE_TABLE_SECTORS 64
#define VMDK_SE_TABLE_BYTES (32u << 10) /* on disk */
#define VMDK_SE_ENTRIES 4096            /* of a table, 8 bytes each */
#define VMDK_SE_COVER_SHIFT 24          /* log2 of bytes of disk per table */
/* 64 TiB, more than any product makes: 4 Mi directory entries. */
#define VMDK_SE_MAX_SECTORS (UINT64_C(1) << 37)

typedef enum VmdkSePart {
    VMDK_SE_VOLATILE,
    VMDK_SE_JOURNAL_HEADER,
    VMDK_SE_JOURNAL,
    VMDK_SE_DIRECTORY,
    VMDK_SE_TABLES,
    VMDK_SE_BITMAP,
    VMDK_SE_BACKMAP,
    VMDK_SE_GRAINS,
    VMDK_SE_N_PARTS,
} VmdkSePart;

/* All in sectors, at most 2^54: bytes fit into 63 bits. */
typedef struct VmdkSeRegion {
    uint64_t start, n;
} VmdkSeRegion;

/* The constant header, sector 0. */
typedef struct VmdkSeHeader {
    uint64_t capacity_sectors; /* 1..VMDK_SE_MAX_SECTORS */
    VmdkSeRegion part[VMDK_SE_N_PARTS];
} VmdkSeHeader;

/* What changes while the extent is in use. */
typedef struct VmdkSeVolatile {
    uint64_t free_table;       /* number of the first unused table */
    uint64_t next_transaction; /* of the journal */
    uint64_t replay;           /* not 0: the journal has to be replayed */
} VmdkSeVolatile;

bool vmdk_se_header_is_magic(const uint8_t *head, size_t len);

/* @name goes into messages.  CORRUPT; NOT_SUPPORTED for another version, for
 * flags and for whatever stands in reserved places; LIMIT. */
bool vmdk_se_header_decode(const uint8_t raw[VMDK_SE_HEADER_BYTES],
                           const char *name, VmdkSeHeader *hdr, GError **error);
void vmdk_se_header_encode(const VmdkSeHeader *hdr,
                           uint8_t raw[VMDK_SE_HEADER_BYTES]);
/* What a reader needs lies inside a file of @file_bytes, and no piece of it on
 * another; CORRUPT otherwise.  The grains may reach behind the end: the file
 * is as long as what is stored. */
bool vmdk_se_header_check_file(const VmdkSeHeader *hdr, uint64_t file_bytes,
                               const char *name, GError **error);

bool vmdk_se_volatile_decode(const uint8_t raw[VMDK_SE_HEADER_BYTES],
                             const char *name, VmdkSeVolatile *vol,
                             GError **error);
void vmdk_se_volatile_encode(const VmdkSeVolatile *vol,
                             uint8_t raw[VMDK_SE_HEADER_BYTES]);

/* Entries of the directory: one per 16 MiB of the disk. */
uint32_t vmdk_se_header_n_tables(const VmdkSeHeader *hdr);

/* As ESXi lays a new one out: each region begins at a whole MiB. */
void vmdk_se_header_layout(VmdkSeHeader *hdr, uint64_t capacity_sectors);

/* -- entries ------------------------------------------------------------------
 */

/* Of the directory, in memory: the number of a table plus 1, or these. */
#define VMDK_SE_TABLE_NONE 0u
#define VMDK_SE_TABLE_BAD UINT32_MAX

/* Of a table, in memory: the sector of a grain in the file, or these. */
#define VMDK_SE_ABSENT UINT64_C(0)
#define VMDK_SE_ZERO UINT64_C(1)
#define VMDK_SE_BAD UINT64_MAX

/* A table or grain outside its region, or behind @file_sectors, is bad. */
uint32_t vmdk_se_directory_decode(const VmdkSeHeader *hdr, uint64_t raw,
                                  uint64_t file_sectors);
uint64_t vmdk_se_directory_encode(uint32_t table_plus_1);
uint64_t vmdk_se_entry_decode(const VmdkSeHeader *hdr, uint64_t raw,
                              uint64_t file_sectors);
uint64_t vmdk_se_entry_encode(const VmdkSeHeader *hdr, uint64_t entry);
