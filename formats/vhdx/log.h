/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vhdx/log.h - the log of a VHDX file: a ring of sectors of 4 KiB.
 *
 * An entry is a header, descriptors, and one data sector for each descriptor
 * that has data.  Entries that follow one another make a sequence; those from
 * the tail that the last one names up to itself may not have reached their
 * places in the file yet.
 */
#pragma once

#include "formats/vhdx/header.h"
#include "formats/vhdx/patches.h"
#include "formats/vhdx/region.h"

#define VHDX_LOG_SECTOR 4096u
/* The largest log that is read; its descriptors take several times as much
 * memory. */
#define VHDX_MAX_LOG (64u << 20)
/* An entry that needs one sector for its header and descriptors. */
#define VHDX_LOG_DESCRIPTORS 126u

enum {
    VHDX_ENTRY_CRC_AT = 4,
    VHDX_ENTRY_LEN_AT = 8,
    VHDX_ENTRY_TAIL_AT = 12,
    VHDX_ENTRY_SEQUENCE_AT = 16,
    VHDX_ENTRY_COUNT_AT = 24,
    VHDX_ENTRY_LOG_AT = 32,
    VHDX_ENTRY_FLUSHED_AT = 48,
    VHDX_ENTRY_LAST_AT = 56,
    VHDX_ENTRY_DESCRIPTORS_AT = 64,

    VHDX_DESCRIPTOR_BYTES = 32,
    VHDX_DESC_TRAILING_AT = 4, /* data: last 4 bytes of the page */
    VHDX_DESC_LEADING_AT = 8,  /* data: first 8; zero: length */
    VHDX_DESC_OFF_AT = 16,
    VHDX_DESC_SEQUENCE_AT = 24,

    VHDX_DATA_HIGH_AT = 4, /* of the sequence number */
    VHDX_DATA_BYTES_AT = 8,
    VHDX_DATA_BYTES = 4084,
    VHDX_DATA_LOW_AT = 4092,
};

/* -- reading --------------------------------------------------------------- */

typedef struct VhdxLogEntry {
    uint32_t off, len, tail; /* bytes in the log */
    uint32_t n_descriptors;
    uint64_t sequence;
    uint64_t flushed_bytes; /* the file was so long, durably */
    uint64_t last_bytes;    /* and has so much in it */
} VhdxLogEntry;

typedef struct VhdxLog {
    uint8_t *bytes; /* all of it */
    uint32_t len;
    GArray *due; /* of VhdxLogEntry: from the tail to the last */
} VhdxLog;

/* Is the place of the log sound?  CORRUPT, NOT_SUPPORTED. */
bool vhdx_log_check_place(const VhdxHeader *hdr, const VdNode *file,
                          GError **error);
/* Read the log that @hdr names and find what is due.  CORRUPT if there is no
 * sequence. */
VhdxLog *vhdx_log_co_read(const VhdxHeader *hdr, VdNode *file, GError **error);
void vhdx_log_free(VhdxLog *log);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VhdxLog, vhdx_log_free)

/* log-entry.c: the entry at @off in @log, if there is a whole one. */
bool vhdx_log_entry_parse(const VhdxLog *log, const uint8_t *guid, uint32_t off,
                          uint64_t *budget, VhdxLogEntry *entry);
/* What descriptor @i of @entry says; data point into the log, where they are
 * put together on the way.  To be asked once. */
void vhdx_log_entry_take(VhdxLog *log, const VhdxLogEntry *entry,
                         GArray *patches);

/* -- replaying ------------------------------------------------------------- */

typedef struct VhdxReplay {
    VhdxPatches *patches; /* what the file lacks; NULL = nothing */
    uint64_t file_bytes;  /* as long as it must be */
} VhdxReplay;

/* Find out what the log of @headers has for the file.  Nothing is written. */
bool vhdx_log_co_collect(const VhdxHeaders *headers, VdNode *file,
                         VhdxReplay *replay, GError **error);
/* Write that to the file, durably, and let the log be empty. */
bool vhdx_log_co_apply(VhdxHeaders *headers, VdNode *file,
                       const VhdxReplay *replay, GError **error);

/* -- writing --------------------------------------------------------------- */

typedef struct VhdxLogWriter {
    bool is_open; /* the headers name the log */
    uint8_t guid[VD_UUID_BYTES];
    uint64_t sequence;   /* of the next entry */
    uint32_t tail, used; /* what is due begins there and has so many bytes */
    bool owed;           /* the last time not all of it reached its place */
    bool stuck;          /* it may hold a change that this opening does not
                            know of: for the next one to replay */
    uint64_t file_bytes; /* length of the file that is durable */
} VhdxLogWriter;
