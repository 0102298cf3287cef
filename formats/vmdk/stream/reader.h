/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/stream/reader.h - the inside of a VmdkStreamReader.
 *
 * Private to reader.c (requests), cache.c (inflated grains), load.c (from the
 * file to a grain), batch.c (to many) and ahead.c (before anyone asks).
 */
#pragma once

#include "formats/vmdk/stream/inflate.h"
#include "formats/vmdk/stream/record.h"
#include "formats/vmdk/stream/stream.h"

#define VMDK_STREAM_CACHE_GRAINS 64
#define VMDK_STREAM_CACHE_BYTES (UINT64_C(4) << 20) /* 64 usual grains */
#define VMDK_STREAM_CACHE_MIN 4                     /* for big grains */
#define VMDK_STREAM_AHEAD 4                         /* grains */

/* One inflated grain.  Found by its record's place.  Loaded by one coroutine,
 * while others that want it wait; stays for as long as somebody uses it. */
typedef struct VmdkStreamGrain {
    uint64_t record; /* byte in the file; key */
    uint64_t next;   /* byte behind the record; 0 = not known */
    uint64_t lba;    /* as the record says; set once loaded */
    uint8_t *data;   /* one grain */
    unsigned refs;
    bool loading;
    GError *error;      /* loading failed: no longer in the table */
    VioCoQueue waiters; /* for loading to end */
    GList link;         /* in the reader's lru, most recent first */
} VmdkStreamGrain;

struct VmdkStreamReader {
    VdNode *file;
    VmdkHeader hdr;
    size_t grain_bytes;
    size_t guess; /* bytes that the next record will take, from the last ones */
    VmdkInflater inflater;

    GHashTable *grains; /* place of the record -> VmdkStreamGrain */
    GQueue lru;
    unsigned max_grains;

    uint64_t last_record; /* of the last request */
    uint64_t last_next;   /* and the byte behind it */
    unsigned run;         /* requests in a row, each behind the other */
    bool ahead_busy;
    uint64_t ahead_from,
        ahead_to;             /* bytes being read ahead, contents unknown */
    uint64_t ahead_end;       /* nothing to be had from here on */
    VioCoQueue ahead_waiters; /* for ahead_to to become 0, or not busy */
};

/* -- cache.c ----------------------------------------------------------
 */

VmdkStreamGrain *vmdk_stream_cache_find(const VmdkStreamReader *reader,
                                        uint64_t record);
/* New, loading, with one reference; there must be none of @record. */
VmdkStreamGrain *vmdk_stream_cache_add(VmdkStreamReader *reader,
                                       uint64_t record);
void vmdk_stream_cache_touch(VmdkStreamReader *reader, VmdkStreamGrain *grain);
/* Loading has ended, with @error (taken over) or without; wakes who waits. */
void vmdk_stream_cache_loaded(VmdkStreamReader *reader, VmdkStreamGrain *grain,
                              GError *error);
void vmdk_stream_cache_unref(VmdkStreamReader *reader, VmdkStreamGrain *grain);
void vmdk_stream_cache_clear(VmdkStreamReader *reader);

/* -- load.c -----------------------------------------------------------
 */

/* Memory for file bytes: from the loop's pool where that is possible without
 * waiting (whoever reads may hold a buffer of the pool already). */
typedef struct VmdkStreamBuffer {
    uint8_t *data;
    size_t len;
    bool pooled;
} VmdkStreamBuffer;

void vmdk_stream_buffer_get(const VmdkStreamReader *reader, size_t len,
                            VmdkStreamBuffer *buf);
void vmdk_stream_buffer_put(const VmdkStreamReader *reader,
                            VmdkStreamBuffer *buf);

/* What stands at @record is a grain's record that may be as long as it says it
 * is, and ends inside the file. */
bool vmdk_stream_check_record(const VmdkStreamReader *reader, uint64_t record,
                              const VmdkRecord *rec, GError **error);
/* Read the whole record at byte @record of the file to @buf, which has room for
 * any; *@rec says what it is, and that it lies inside the file is checked. */
bool vmdk_stream_co_load_record(VmdkStreamReader *reader, uint64_t record,
                                const VmdkStreamBuffer *buf, VmdkRecord *rec,
                                GError **error);
/* Room that any record needs. */
size_t vmdk_stream_record_room(const VmdkStreamReader *reader);
/* Read the record at byte @record of the file and inflate it to @dst.  @lba is
 * what the record says, @next the byte behind it. */
bool vmdk_stream_co_load(VmdkStreamReader *reader, uint64_t record,
                         uint8_t *dst, uint64_t *lba, uint64_t *next,
                         GError **error);
/* Learn from a record of @span bytes how much to read for the next. */
void vmdk_stream_learn(VmdkStreamReader *reader, uint64_t span);

/* -- reader.c ---------------------------------------------------------
 */

/* A record knows which grain it holds (@lba); a table may be wrong. */
bool vmdk_stream_check_grain(const VmdkStreamReader *reader, uint64_t record,
                             uint64_t lba, uint64_t grain, GError **error);

/* -- ahead.c ----------------------------------------------------------
 */

/* A request for @grain has been served: read on behind it if requests have
 * come in sequence. */
void vmdk_stream_ahead_note(VmdkStreamReader *reader,
                            const VmdkStreamGrain *grain);
/* Wait while it is not known whether @record is among what is read ahead. */
void vmdk_stream_ahead_co_settle(VmdkStreamReader *reader, uint64_t record);
