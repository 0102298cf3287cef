/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/stream-image.h - streamOptimized files made by hand.
 *
 * Bytes are put together here without the writer under test, so that readers
 * meet what other products write, and any damage a test wants.
 */
#pragma once

#include "formats/vmdk/stream/record.h"
#include "formats/vmdk/stream/stream.h"
#include "tests/support/co-test.h"

#define STREAM_GRAIN 65536
#define STREAM_GTES 512

typedef struct StreamImage {
    GByteArray *bytes;
    VmdkHeader hdr;    /* as it will be written in front */
    uint32_t *entries; /* grain -> sector of its record */
    uint64_t n_grains;
    GArray *directory; /* at end: uint32_t sector of each table */
} StreamImage;

/* Header (to be completed by an end function), empty descriptor; @at_end: no
 * room for tables in front. */
StreamImage *stream_image_new(uint64_t capacity_sectors, bool at_end);
void stream_image_free(StreamImage *image);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(StreamImage, stream_image_free)

/* Contents of grain @grain in these tests: one half text-like. */
void stream_plain(uint64_t grain, uint8_t plain[STREAM_GRAIN]);

/* Append a record of @len bytes of plain contents; returns its byte. */
uint64_t stream_image_add(StreamImage *image, uint64_t grain);
uint64_t stream_image_add_bytes(StreamImage *image, uint64_t grain,
                                const void *plain, size_t len, bool raw);
/* Append a record around data that are compressed already. */
uint64_t stream_image_add_packed(StreamImage *image, uint64_t lba,
                                 const void *packed, size_t len);
void stream_image_add_sector(StreamImage *image, const void *sector);
void stream_image_add_marker(StreamImage *image, uint32_t type, uint64_t value);
void stream_image_add_zeroes(StreamImage *image, size_t len);

/* The table that @grain belongs to, behind its marker, as it is now. */
void stream_image_add_table(StreamImage *image, uint64_t index);
/* Directory and tables in front, end-of-stream marker, header. */
void stream_image_end_in_front(StreamImage *image);
/* Directory, footer, end-of-stream marker, header with GD_AT_END, or
 * (@patched) with the directory's place. */
void stream_image_end_behind(StreamImage *image, bool patched);

/* A node of a file with these bytes; close with test_co_close(). */
VdNode *stream_image_open(TestCo *t, const StreamImage *image);

/* A new file that may grow; *@top is to be closed. */
VdNode *stream_target_new(TestCo *t, const char *name, VdNode **top);
