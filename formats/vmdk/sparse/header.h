/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/header.h - the 512-byte header of a hosted sparse extent
 * (KDMV), and what it has in common with the one of a COWD extent.
 *
 * On-disk form and layout rules only; no I/O.  All fields are checked by
 * decode; callers may rely on what is said at each.  cowd-header.h fills the
 * same struct, so that grains and tables are the same to the rest.
 * Source: "Virtual Disk Format 5.0" (VMware), Hosted Sparse Extents.
 */
#pragma once

#include "block/error.h"

#define VMDK_SECTOR 512
#define VMDK_HEADER_BYTES 512
#define VMDK_HEADER_UNCLEAN_BYTE 72
#define VMDK_GD_AT_END UINT64_MAX
#define VMDK_GTES_PER_GT 512   /* what every real file has, and we write */
#define VMDK_GRAIN_SECTORS 128 /* what we write */
#define VMDK_DESC_SECTORS 20   /* embedded descriptor area we write */
#define VMDK_MAX_GD_ENTRIES (32u << 20)
#define VMDK_MAX_GRAIN_SECTORS (1u << 21)
#define VMDK_MAX_STREAM_GRAIN_SECTORS (1u << 13) /* compressed: 4 MiB */
#define VMDK_MAX_GTES_PER_GT 65536
#define VMDK_MAX_DESC_SECTORS 2048 /* 1 MiB of text */

enum {
    VMDK_FLAG_NEWLINE = 1 << 0,
    VMDK_FLAG_REDUNDANT = 1 << 1,
    VMDK_FLAG_ZEROED_GTE = 1 << 2,
    VMDK_FLAG_COMPRESSED = 1 << 16,
    VMDK_FLAG_MARKERS = 1 << 17,
};

typedef struct VmdkHeader {
    uint32_t version;          /* 1..3 */
    uint32_t flags;            /* no unknown bits in the high half */
    uint64_t capacity_sectors; /* may be 0: only a descriptor inside */
    uint64_t grain_sectors;    /* power of two, 1..VMDK_MAX_GRAIN_SECTORS */
    uint64_t desc_sector;      /* 0 = no embedded descriptor */
    uint64_t desc_sectors;     /* 1..VMDK_MAX_DESC_SECTORS if there is one */
    uint32_t gtes_per_gt;      /* power of two, 1..65536 */
    uint64_t rgd_sector;       /* 0 = none */
    uint64_t gd_sector;        /* VMDK_GD_AT_END possible in streams */
    uint64_t overhead_sectors;
    bool unclean;
    uint16_t compress_algorithm; /* 0 or 1 */
    bool cowd; /* grains and tables may lie at any sector; directory entry 1
                  means zeroes */
    uint32_t free_sector; /* COWD: says where new space begins; not checked */
} VmdkHeader;

/* @name goes into messages.  Errors: CORRUPT, NOT_SUPPORTED (version, flag,
 * algorithm), LIMIT; each with found and wanted. */
bool vmdk_header_decode(const uint8_t raw[VMDK_HEADER_BYTES], const char *name,
                        VmdkHeader *hdr, GError **error);
void vmdk_header_encode(const VmdkHeader *hdr, uint8_t raw[VMDK_HEADER_BYTES]);

/* Put version, flags, capacity and the places of directories and first grain
 * into a header that has been read: all else in @raw stays. */
void vmdk_header_patch(const VmdkHeader *hdr, uint8_t raw[VMDK_HEADER_BYTES]);
/* Where the descriptor is: @n sectors from @sector on. */
void vmdk_header_patch_descriptor(uint64_t sector, uint64_t n,
                                  uint8_t raw[VMDK_HEADER_BYTES]);

/* The magic of a file that is still being written (lower case), which decode
 * refuses: a crash then never leaves a plausible stream. */
void vmdk_header_mark_unfinished(uint8_t raw[VMDK_HEADER_BYTES]);
void vmdk_header_mark_finished(uint8_t raw[VMDK_HEADER_BYTES]);
bool vmdk_header_is_unfinished(const uint8_t raw[VMDK_HEADER_BYTES]);

/* Header, descriptor and directory lie inside a file of @file_bytes, apart
 * from one another; CORRUPT otherwise.  Not looked at: a directory that is
 * still GD_AT_END, and the redundant one, as readers do without it. */
bool vmdk_header_check_file(const VmdkHeader *hdr, uint64_t file_bytes,
                            const char *name, GError **error);

uint64_t vmdk_header_sectors(const VmdkHeader *hdr);     /* of the header */
uint64_t vmdk_header_n_gts(const VmdkHeader *hdr);       /* directory entries */
uint64_t vmdk_header_gt_coverage(const VmdkHeader *hdr); /* bytes per table */
uint64_t vmdk_header_grain_bytes(const VmdkHeader *hdr);
uint64_t vmdk_header_gt_sectors(const VmdkHeader *hdr); /* of one table */
uint64_t vmdk_header_gd_sectors(const VmdkHeader *hdr);

/* A header for a new extent, tables laid out contiguously behind their
 * directories (vmdk.md 5.5).  @embedded: room for a descriptor. */
void vmdk_header_layout_sparse(VmdkHeader *hdr, uint64_t capacity_sectors,
                               uint64_t grain_sectors, bool embedded);
/* The layout of @hdr for another capacity: behind the header, and the
 * descriptor if there is one, as in a new extent; what else it says stays, but
 * that there are two copies of the tables.  Descriptors stay where they are. */
void vmdk_header_relayout(VmdkHeader *hdr, uint64_t capacity_sectors);
/* Both directories, and behind each its tables, from sector @first on. */
void vmdk_header_place_tables(VmdkHeader *hdr, uint64_t first);
/* streamOptimized, version 3: directory in front (seekable targets), or at the
 * end (GD_AT_END, overhead 128 sectors). */
void vmdk_header_layout_stream(VmdkHeader *hdr, uint64_t capacity_sectors,
                               bool gd_at_end);
/* First sector of primary / redundant table @i of a contiguous layout. */
uint64_t vmdk_header_gt_sector(const VmdkHeader *hdr, uint64_t i);
uint64_t vmdk_header_rgt_sector(const VmdkHeader *hdr, uint64_t i);
