/* SPDX-License-Identifier: BSD-3-Clause */
/* block/undo-format.c - head and records of an undo log to bytes and back.
 *
 * All integers are little-endian.
 *
 * Concurrency: pure functions.
 */
#include "block/undo-internal.h"

#include <string.h>

#define HEAD_VERSION 1

static const char head_magic[8] = {'V', 'D', 'I', 'S', 'K', 'U', 'N', 'D'};
static const char record_magic[4] = {'V', 'D', 'U', 'R'};

typedef struct {
    char magic[8];
    uint32_t crc; /* of everything behind it */
    uint32_t version;
    uint64_t nonce, file_size;
    char name[256];
    uint8_t pad[224];
} RawHead;

typedef struct {
    char magic[4];
    uint32_t crc; /* of everything behind it, the old contents included */
    uint64_t nonce, off;
    uint32_t sectors, pad0;
    uint32_t new_crc[VD_UNDO_RECORD_SECTORS];
    uint8_t pad[224];
} RawRecord;

G_STATIC_ASSERT(sizeof(RawHead) == VD_UNDO_SECTOR);
G_STATIC_ASSERT(sizeof(RawRecord) == VD_UNDO_SECTOR);

#define HEAD_SUMMED offsetof(RawHead, version)
#define RECORD_SUMMED offsetof(RawRecord, nonce)

/* CRC-32C, bit by bit: what goes through here is small. */
static uint32_t
crc_add(uint32_t crc, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        crc ^= bytes[i];
        for (unsigned bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0x82f63b78) : 0);
    }
    return crc;
}

uint32_t
vd_undo_crc(const void *bytes, size_t len)
{
    return ~crc_add(UINT32_MAX, bytes, len);
}

void
vd_undo_head_encode(const VdUndoHead *head, uint8_t raw[VD_UNDO_SECTOR])
{
    RawHead h = {
        .version = GUINT32_TO_LE(HEAD_VERSION),
        .nonce = GUINT64_TO_LE(head->nonce),
        .file_size = GUINT64_TO_LE(head->file_size),
    };

    memcpy(h.magic, head_magic, sizeof(head_magic));
    memcpy(h.name, head->name, sizeof(h.name));
    memcpy(raw, &h, sizeof(h));
    h.crc = GUINT32_TO_LE(
        vd_undo_crc(raw + HEAD_SUMMED, VD_UNDO_SECTOR - HEAD_SUMMED));
    memcpy(raw, &h, sizeof(h));
}

bool
vd_undo_head_decode(const uint8_t raw[VD_UNDO_SECTOR], VdUndoHead *head)
{
    RawHead h;

    memcpy(&h, raw, sizeof(h));
    if (memcmp(h.magic, head_magic, sizeof(head_magic)) ||
        GUINT32_FROM_LE(h.version) != HEAD_VERSION ||
        GUINT32_FROM_LE(h.crc) !=
            vd_undo_crc(raw + HEAD_SUMMED, VD_UNDO_SECTOR - HEAD_SUMMED) ||
        h.name[sizeof(h.name) - 1] != '\0')
        return false;
    head->nonce = GUINT64_FROM_LE(h.nonce);
    head->file_size = GUINT64_FROM_LE(h.file_size);
    memcpy(head->name, h.name, sizeof(h.name));
    return head->file_size <= (uint64_t) VD_MAX_SIZE;
}

static uint32_t
record_crc(const uint8_t *raw, const uint8_t *old, uint32_t sectors)
{
    uint32_t crc = crc_add(UINT32_MAX, raw + RECORD_SUMMED,
                           VD_UNDO_SECTOR - RECORD_SUMMED);

    return ~crc_add(crc, old, (size_t) sectors * VD_UNDO_SECTOR);
}

void
vd_undo_record_encode(const VdUndoRecord *record, const uint8_t *old,
                      uint8_t raw[VD_UNDO_SECTOR])
{
    RawRecord r = {
        .nonce = GUINT64_TO_LE(record->nonce),
        .off = GUINT64_TO_LE(record->off),
        .sectors = GUINT32_TO_LE(record->sectors),
    };

    memcpy(r.magic, record_magic, sizeof(record_magic));
    for (uint32_t i = 0; i < record->sectors; i++)
        r.new_crc[i] = GUINT32_TO_LE(record->new_crc[i]);
    memcpy(raw, &r, sizeof(r));
    r.crc = GUINT32_TO_LE(record_crc(raw, old, record->sectors));
    memcpy(raw, &r, sizeof(r));
}

bool
vd_undo_record_decode(const uint8_t raw[VD_UNDO_SECTOR], VdUndoRecord *record)
{
    RawRecord r;

    memcpy(&r, raw, sizeof(r));
    record->nonce = GUINT64_FROM_LE(r.nonce);
    record->off = GUINT64_FROM_LE(r.off);
    record->sectors = GUINT32_FROM_LE(r.sectors);
    record->crc = GUINT32_FROM_LE(r.crc);
    for (uint32_t i = 0; i < VD_UNDO_RECORD_SECTORS; i++)
        record->new_crc[i] = GUINT32_FROM_LE(r.new_crc[i]);
    return !memcmp(r.magic, record_magic, sizeof(record_magic)) &&
           record->sectors >= 1 && record->sectors <= VD_UNDO_RECORD_SECTORS &&
           record->off % VD_UNDO_SECTOR == 0 &&
           record->off <= (uint64_t) VD_MAX_SIZE;
}

bool
vd_undo_record_check(const uint8_t raw[VD_UNDO_SECTOR], const uint8_t *old,
                     const VdUndoRecord *record)
{
    return record->crc == record_crc(raw, old, record->sectors);
}
