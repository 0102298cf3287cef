/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vhdx/log-entry.c - one entry of the log.
 *
 * Layout: other-formats dossier, C.4.
 *
 * Concurrency: never yields.
 */
#include "io/bytes.h"
#include "formats/common/crc32c.h"
#include "formats/vhdx/log.h"

/* The ring at @off, which is a whole number of sectors. */
static uint8_t *
sector_at(const VhdxLog *log, const VhdxLogEntry *entry, uint64_t within)
{
    return log->bytes + (entry->off + within) % log->len;
}

static const uint8_t *
descriptor_at(const VhdxLog *log, const VhdxLogEntry *entry, uint64_t i)
{
    return sector_at(log, entry,
                     VHDX_ENTRY_DESCRIPTORS_AT + i * VHDX_DESCRIPTOR_BYTES);
}

/* Where the data sectors begin. */
static uint64_t
front_bytes(const VhdxLogEntry *entry)
{
    uint64_t bytes = VHDX_ENTRY_DESCRIPTORS_AT +
                     (uint64_t) entry->n_descriptors * VHDX_DESCRIPTOR_BYTES;

    return (bytes + VHDX_LOG_SECTOR - 1) / VHDX_LOG_SECTOR * VHDX_LOG_SECTOR;
}

/* -- is it one? ------------------------------------------------------------ */

static bool
take_header(const VhdxLog *log, const uint8_t *guid, VhdxLogEntry *entry)
{
    const uint8_t *p = log->bytes + entry->off;

    if (memcmp(p, "loge", 4) != 0 ||
        memcmp(p + VHDX_ENTRY_LOG_AT, guid, VD_UUID_BYTES) != 0)
        return false;
    entry->len = vio_get_le32(p + VHDX_ENTRY_LEN_AT);
    entry->tail = vio_get_le32(p + VHDX_ENTRY_TAIL_AT);
    entry->sequence = vio_get_le64(p + VHDX_ENTRY_SEQUENCE_AT);
    entry->n_descriptors = vio_get_le32(p + VHDX_ENTRY_COUNT_AT);
    entry->flushed_bytes = vio_get_le64(p + VHDX_ENTRY_FLUSHED_AT);
    entry->last_bytes = vio_get_le64(p + VHDX_ENTRY_LAST_AT);
    return entry->sequence && entry->len && entry->len <= log->len &&
           entry->len % VHDX_LOG_SECTOR == 0 && entry->tail < log->len &&
           entry->tail % VHDX_LOG_SECTOR == 0 &&
           front_bytes(entry) <= entry->len;
}

static bool
is_range(uint64_t off, uint64_t len)
{
    return off % VHDX_LOG_SECTOR == 0 && len && len % VHDX_LOG_SECTOR == 0 &&
           len <= (uint64_t) VD_MAX_SIZE && off <= (uint64_t) VD_MAX_SIZE - len;
}

static bool
is_data_sector(const uint8_t *sector, uint64_t sequence)
{
    return memcmp(sector, "data", 4) == 0 &&
           vio_get_le32(sector + VHDX_DATA_HIGH_AT) == sequence >> 32 &&
           vio_get_le32(sector + VHDX_DATA_LOW_AT) == (uint32_t) sequence;
}

/* *data: where the next data sector is. */
static bool
check_descriptor(const VhdxLog *log, const VhdxLogEntry *entry, uint64_t i,
                 uint64_t *data)
{
    const uint8_t *p = descriptor_at(log, entry, i);
    uint64_t off = vio_get_le64(p + VHDX_DESC_OFF_AT);

    if (vio_get_le64(p + VHDX_DESC_SEQUENCE_AT) != entry->sequence)
        return false;
    if (memcmp(p, "zero", 4) == 0)
        return is_range(off, vio_get_le64(p + VHDX_DESC_LEADING_AT));
    if (memcmp(p, "desc", 4) != 0 || !is_range(off, VHDX_LOG_SECTOR) ||
        *data >= entry->len ||
        !is_data_sector(sector_at(log, entry, *data), entry->sequence))
        return false;
    *data += VHDX_LOG_SECTOR;
    return true;
}

static uint32_t
crc_of(const VhdxLog *log, const VhdxLogEntry *entry)
{
    uint32_t first = MIN(entry->len, log->len - entry->off);
    uint32_t crc =
        vd_crc32c_around(log->bytes + entry->off, first, VHDX_ENTRY_CRC_AT);

    return vd_crc32c(crc, log->bytes, entry->len - first);
}

/* Sums over bytes that several entries claim are made so long as @budget
 * lasts. */
static bool
check_sum(const VhdxLog *log, const VhdxLogEntry *entry, uint64_t *budget)
{
    const uint8_t *p = log->bytes + entry->off;

    if (*budget < entry->len)
        return false;
    *budget -= entry->len;
    return vio_get_le32(p + VHDX_ENTRY_CRC_AT) == crc_of(log, entry);
}

bool
vhdx_log_entry_parse(const VhdxLog *log, const uint8_t *guid, uint32_t off,
                     uint64_t *budget, VhdxLogEntry *entry)
{
    uint64_t data;

    *entry = (VhdxLogEntry){.off = off};
    if (!take_header(log, guid, entry))
        return false;
    data = front_bytes(entry);
    for (uint64_t i = 0; i < entry->n_descriptors; i++)
        if (!check_descriptor(log, entry, i, &data))
            return false;
    return check_sum(log, entry, budget);
}

/* -- what it says ---------------------------------------------------------- */

/* The first 8 and the last 4 bytes of a page have gone to its descriptor. */
static const uint8_t *
restore_page(uint8_t *sector, const uint8_t *descriptor)
{
    memcpy(sector, descriptor + VHDX_DESC_LEADING_AT, VHDX_DATA_BYTES_AT);
    memcpy(sector + VHDX_DATA_LOW_AT, descriptor + VHDX_DESC_TRAILING_AT,
           VHDX_LOG_SECTOR - VHDX_DATA_LOW_AT);
    return sector;
}

void
vhdx_log_entry_take(VhdxLog *log, const VhdxLogEntry *entry, GArray *patches)
{
    uint64_t data = front_bytes(entry);

    for (uint64_t i = 0; i < entry->n_descriptors; i++) {
        const uint8_t *p = descriptor_at(log, entry, i);
        VhdxPatch patch = {.off = vio_get_le64(p + VHDX_DESC_OFF_AT),
                           .len = VHDX_LOG_SECTOR};

        if (*p == 'z') {
            patch.len = vio_get_le64(p + VHDX_DESC_LEADING_AT);
        } else {
            patch.bytes = restore_page(sector_at(log, entry, data), p);
            data += VHDX_LOG_SECTOR;
        }
        g_array_append_val(patches, patch);
    }
}
