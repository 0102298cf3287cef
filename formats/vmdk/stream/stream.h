/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/stream/stream.h - streamOptimized extents: records and markers.
 *
 * Reading: the grain tables name records; a record is found, checked and
 * inflated here, through a small cache of inflated grains.  Writing: encode
 * (any order, worker threads) and append (in order, design.md 3.2).
 */
#pragma once

#include "block/rw.h"
#include "formats/vmdk/sparse/header.h"

/* -- opening --------------------------------------------------------------- */

/* If hdr->gd_sector is GD_AT_END find the footer (last 1536 bytes, else up to
 * 1 MiB backwards) and put its directory into @hdr.  A stream without a footer
 * is CORRUPT ("Invalid footer", with what was found). */
bool vmdk_stream_co_locate(VdNode *file, VmdkHeader *hdr, GError **error);

/* -- reading --------------------------------------------------------------- */

typedef struct VmdkStreamReader VmdkStreamReader;

VmdkStreamReader *vmdk_stream_reader_new(VdNode *file, const VmdkHeader *hdr);
/* NULL is nothing to do.  No request may be in flight; yields until what is
 * being read ahead has come. */
void vmdk_stream_reader_co_free(VmdkStreamReader *reader);

/* Bytes [skip, skip + dst->len) of grain number @grain, whose record starts at
 * byte @record of the file.  CORRUPT if something else stands there. */
bool vmdk_stream_co_read(VmdkStreamReader *reader, uint64_t record,
                         uint64_t grain, size_t skip, const VioVec *dst,
                         GError **error);

/* What one grain has of a longer request. */
typedef struct VmdkStreamPart {
    uint64_t record, grain; /* as above */
    size_t skip;
    VioVec dst;
} VmdkStreamPart;

/* How many grains are best read at once. */
size_t vmdk_stream_batch_grains(uint64_t grain_bytes);
/* The same for many of them: those whose records stand behind one another with
 * one request. */
bool vmdk_stream_co_read_parts(VmdkStreamReader *reader,
                               const VmdkStreamPart *parts, size_t n,
                               GError **error);

/* The record of grain number @grain at byte @record, its compressed bytes as
 * they are, zero-padded, in at most *@len bytes; 0 = it has to be recoded (raw
 * deflate, or longer than what we write).  Looked at are the place in the disk,
 * the length and the zlib header; the data are not inflated. */
bool vmdk_stream_co_read_record(VmdkStreamReader *reader, uint64_t record,
                                uint64_t grain, void *dst, size_t *len,
                                GError **error);

/* -- writing --------------------------------------------------------------- */

/* Room that encode needs for one record. */
size_t vmdk_stream_record_bound(void);

/* One grain (@len <= grain bytes; the rest counts as zero) at guest byte @off
 * to a padded record.  Any thread. */
bool vmdk_stream_encode(uint64_t off, const void *src, size_t len, int level,
                        void *dst, size_t *dst_len, GError **error);

/* The other way round: the 64 KiB that a record of @len bytes, as encode or
 * co_read_record gave it, stands for.  Any thread. */
bool vmdk_stream_decode(const void *record, size_t len, void *dst,
                        GError **error);

/* What such records are. */
extern const VdRecordFormat vmdk_stream_records;

typedef struct VmdkStreamWriter VmdkStreamWriter;

/* @file is an empty target whose descriptor has been written; records go behind
 * hdr->overhead_sectors.  With the directory in front, the header is the
 * writer's: it is marked unfinished before the first record and made good after
 * all else is durable.  With GD_AT_END nothing is written twice: the caller
 * has written the header, and without its footer the file is refused. */
VmdkStreamWriter *vmdk_stream_writer_new(VdNode *file, const VmdkHeader *hdr);
void vmdk_stream_writer_free(VmdkStreamWriter *writer);
/* As VdDriver.co_append; n_records = 0 writes tables (and, for GD_AT_END,
 * markers and footer), the end-of-stream marker and the final header, once all
 * appends under way are done.  Records must ascend: INVALID_ARGUMENT.  Beyond
 * what 32-bit sector numbers reach (2 TiB of file): LIMIT.  After a failure
 * every further call fails, the end too. */
bool vmdk_stream_co_append(VmdkStreamWriter *writer, const VdAppend *append,
                           GError **error);

/* -- checking -------------------------------------------------------------- */

/* Walk all records and markers: order, LBA against the tables, sizes, Adler,
 * end-of-stream, trailing bytes.  Adds findings to @result. */
bool vmdk_stream_co_check(VdNode *file, const VmdkHeader *hdr,
                          VdCheckResult *result, GError **error);
/* The same, and by the rules of the profile "esxi-import" (lint.h). */
bool vmdk_stream_co_lint(VdNode *file, const VmdkHeader *hdr,
                         VdCheckResult *result, GError **error);
