/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/bitmap.h - dirty bitmaps that are kept in the image.
 *
 * They count as long as autoclear bit 0 says that every writer since has known
 * of them.
 */
#pragma once

#include "formats/qcow2/qcow2.h"

#define QCOW2_BITMAP_IN_USE 1u /* somebody had it open and did not store it */
#define QCOW2_BITMAP_AUTO 2u   /* changes are to be noted */
#define QCOW2_BITMAP_EXTRA_COMPATIBLE 4u /* extra data may be kept unread */
#define QCOW2_BITMAP_FLAGS_KNOWN 7u
#define QCOW2_BITMAP_ENTRY_BYTES 24 /* without extra data and name */
#define QCOW2_BITMAP_TYPE_DIRTY 1
#define QCOW2_BITMAP_ALL_ONES UINT64_C(1) /* a table entry */
#define QCOW2_MAX_BITMAPS 65535u
#define QCOW2_MAX_DIRECTORY_BYTES (UINT64_C(64) << 20)
#define QCOW2_MAX_BITMAP_BYTES                                                 \
    (UINT64_C(512) << 20) /* bits of one, as QEMU                              \
                           */
#define QCOW2_MIN_GRANULARITY_BITS 9
#define QCOW2_MAX_GRANULARITY_BITS 31

typedef struct Qcow2Bitmap {
    uint64_t table_off;
    uint32_t n_table; /* entries */
    uint32_t flags;
    unsigned granularity_bits; /* bytes of the disk for a bit, as a power of
                                  two */
    char *name;
    uint8_t *extra; /* that we do not know, to be kept */
    uint32_t extra_len;
} Qcow2Bitmap;

static inline bool
qcow2_bitmaps_count(const Qcow2State *s)
{
    return s->ext.has_bitmaps && (s->hdr.autoclear & QCOW2_AUTOCLEAR_BITMAPS);
}

/* -- the directory (bitmap.c) ---------------------------------------------- */

/* An empty one, of Qcow2Bitmap. */
GArray *qcow2_bitmaps_new(void);
/* The directory, of Qcow2Bitmap; CORRUPT, LIMIT.  Whether they count is not
 * asked. */
GArray *qcow2_bitmaps_co_read(Qcow2State *s, GError **error);
/* NULL = none of that name. */
Qcow2Bitmap *qcow2_bitmaps_find(const GArray *list, const char *name);
/* The directory at a new place that no header names; @bytes: of it.  LIMIT.
 * No bitmaps: no directory, and *off is 0. */
bool qcow2_bitmaps_co_store(Qcow2State *s, const GArray *list, uint64_t *off,
                            uint64_t *bytes, GError **error);
/* What an entry takes of the directory. */
uint64_t qcow2_bitmap_entry_bytes(uint64_t name_len, uint64_t extra_len);

/* -- one of them (bitmap-read.c) ------------------------------------------- */

/* Table entries of one for a disk of @size bytes. */
uint64_t qcow2_bitmap_table_needed(const Qcow2Header *hdr, uint64_t size,
                                   unsigned granularity_bits);
/* Its table in host order, g_free; CORRUPT. */
bool qcow2_bitmap_co_table(Qcow2State *s, const Qcow2Bitmap *bitmap,
                           uint64_t **table, GError **error);
/* CORRUPT if @word, entry @i, is none. */
bool qcow2_bitmap_check_word(const Qcow2State *s, const Qcow2Bitmap *bitmap,
                             uint64_t i, uint64_t word, GError **error);
/* CORRUPT if it is one of another size of the disk. */
bool qcow2_bitmap_check_size(const Qcow2State *s, const Qcow2Bitmap *bitmap,
                             GError **error);
