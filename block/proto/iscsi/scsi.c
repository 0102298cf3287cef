/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/iscsi/scsi.c - commands of SCSI disks and what they bring.
 *
 * Concurrency: no state.
 */
#include "block/proto/iscsi/scsi.h"

#include <string.h>

#include "block/node.h"
#include "io/bytes.h"

enum {
    OP_TEST_UNIT_READY = 0x00,
    OP_INQUIRY = 0x12,
    OP_MODE_SENSE_6 = 0x1a,
    OP_READ_CAPACITY_10 = 0x25,
    OP_READ_10 = 0x28,
    OP_WRITE_10 = 0x2a,
    OP_SYNCHRONIZE_CACHE_10 = 0x35,
    OP_UNMAP = 0x42,
    OP_READ_16 = 0x88,
    OP_WRITE_16 = 0x8a,
    OP_WRITE_SAME_16 = 0x93,
    OP_SERVICE_ACTION_IN_16 = 0x9e,
};

enum { ACTION_READ_CAPACITY_16 = 0x10, ACTION_GET_LBA_STATUS = 0x12 };

#define MIN_BLOCK_SIZE 512u
#define MAX_BLOCK_SIZE 65536u
#define PAGE_CACHING 0x08
#define PAGE_HEADER 4u

/* -- commands -------------------------------------------------------------- */

static unsigned
put_command(uint8_t *cdb, uint8_t opcode, unsigned len)
{
    memset(cdb, 0, SCSI_CDB_MAX);
    cdb[0] = opcode;
    return len;
}

unsigned
scsi_put_test_ready(uint8_t *cdb)
{
    return put_command(cdb, OP_TEST_UNIT_READY, 6);
}

unsigned
scsi_put_inquiry(uint8_t *cdb, int page)
{
    unsigned len = put_command(cdb, OP_INQUIRY, 6);

    if (page != SCSI_INQUIRY_STANDARD) {
        cdb[1] = 1; /* vital product data */
        cdb[2] = (uint8_t) page;
    }
    vio_put_be16(cdb + 3, SCSI_INQUIRY_ROOM);
    return len;
}

unsigned
scsi_put_capacity(uint8_t *cdb, bool large)
{
    unsigned len;

    if (!large)
        return put_command(cdb, OP_READ_CAPACITY_10, 10);
    len = put_command(cdb, OP_SERVICE_ACTION_IN_16, 16);
    cdb[1] = ACTION_READ_CAPACITY_16;
    vio_put_be32(cdb + 10, SCSI_CAPACITY_ROOM);
    return len;
}

unsigned
scsi_put_mode_sense(uint8_t *cdb)
{
    unsigned len = put_command(cdb, OP_MODE_SENSE_6, 6);

    cdb[1] = 0x08; /* without descriptors of blocks */
    cdb[2] = PAGE_CACHING;
    cdb[4] = SCSI_MODE_ROOM;
    return len;
}

/* The short form where it can say it: old disks have no other. */
static unsigned
put_transfer(uint8_t *cdb, uint8_t short_op, uint8_t long_op, uint64_t block,
             uint32_t blocks)
{
    unsigned len;

    if (block + blocks <= UINT32_MAX && blocks <= UINT16_MAX) {
        len = put_command(cdb, short_op, 10);
        vio_put_be32(cdb + 2, (uint32_t) block);
        vio_put_be16(cdb + 7, (uint16_t) blocks);
        return len;
    }
    len = put_command(cdb, long_op, 16);
    vio_put_be64(cdb + 2, block);
    vio_put_be32(cdb + 10, blocks);
    return len;
}

unsigned
scsi_put_read(uint8_t *cdb, uint64_t block, uint32_t blocks)
{
    return put_transfer(cdb, OP_READ_10, OP_READ_16, block, blocks);
}

unsigned
scsi_put_write(uint8_t *cdb, uint64_t block, uint32_t blocks, bool fua)
{
    unsigned len = put_transfer(cdb, OP_WRITE_10, OP_WRITE_16, block, blocks);

    if (fua)
        cdb[1] |= 0x08;
    return len;
}

unsigned
scsi_put_write_same(uint8_t *cdb, uint64_t block, uint32_t blocks, bool unmap)
{
    unsigned len = put_command(cdb, OP_WRITE_SAME_16, 16);

    if (unmap)
        cdb[1] |= 0x08;
    vio_put_be64(cdb + 2, block);
    vio_put_be32(cdb + 10, blocks);
    return len;
}

unsigned
scsi_put_unmap(uint8_t *cdb)
{
    unsigned len = put_command(cdb, OP_UNMAP, 10);

    vio_put_be16(cdb + 7, SCSI_UNMAP_BYTES);
    return len;
}

void
scsi_put_unmap_range(uint8_t params[SCSI_UNMAP_BYTES], uint64_t block,
                     uint32_t blocks)
{
    memset(params, 0, SCSI_UNMAP_BYTES);
    vio_put_be16(params, SCSI_UNMAP_BYTES - 2); /* bytes that follow ... */
    vio_put_be16(params + 2, 16);               /* ... of them ranges */
    vio_put_be64(params + 8, block);
    vio_put_be32(params + 16, blocks);
}

unsigned
scsi_put_flush(uint8_t *cdb)
{
    return put_command(cdb, OP_SYNCHRONIZE_CACHE_10, 10);
}

unsigned
scsi_put_status(uint8_t *cdb, uint64_t block)
{
    unsigned len = put_command(cdb, OP_SERVICE_ACTION_IN_16, 16);

    cdb[1] = ACTION_GET_LBA_STATUS;
    vio_put_be64(cdb + 2, block);
    vio_put_be32(cdb + 10, SCSI_STATUS_ROOM);
    return len;
}

/* -- answers --------------------------------------------------------------- */

const char *
scsi_take_inquiry(const uint8_t *bytes, size_t len, bool *is_missing)
{
    *is_missing = false;
    if (len < 5)
        return "the answer about the kind of unit is too short";
    *is_missing = bytes[0] >> 5 != 0; /* nothing, or nothing of this kind */
    if (*is_missing)
        return "there is no such unit";
    return (bytes[0] & 0x1f) == 0 ? NULL : "the unit is no disk";
}

static bool
is_block_size(uint32_t size)
{
    return size >= MIN_BLOCK_SIZE && size <= MAX_BLOCK_SIZE &&
           (size & (size - 1)) == 0;
}

const char *
scsi_take_capacity(ScsiUnit *unit, const uint8_t *bytes, size_t len, bool large)
{
    uint64_t last;
    uint32_t block_size;

    if (len < (large ? 12u : 8u))
        return "the answer about its capacity is too short";
    last = large ? vio_get_be64(bytes) : vio_get_be32(bytes);
    block_size = vio_get_be32(bytes + (large ? 8 : 4));
    if (!is_block_size(block_size))
        return "its blocks have a size that no disk has";
    if (last >= VD_MAX_SIZE / block_size || (!large && last == UINT32_MAX))
        return "it is larger than a disk may be";
    unit->blocks = last + 1;
    unit->block_size = block_size;
    unit->thin = large && len > 14 && bytes[14] & 0x80;
    unit->zeroes = unit->thin && bytes[14] & 0x40;
    return NULL;
}

/* The page comes behind descriptors that were not asked for, perhaps. */
void
scsi_take_mode(ScsiUnit *unit, const uint8_t *bytes, size_t len)
{
    size_t at;

    if (len < PAGE_HEADER)
        return;
    unit->write_protected = bytes[2] & 0x80;
    unit->fua = bytes[2] & 0x10;
    len = MIN(len, (size_t) bytes[0] + 1);
    at = PAGE_HEADER + bytes[3];
    if (at + 3 <= len && (bytes[at] & 0x3f) == PAGE_CACHING)
        unit->write_cache = bytes[at + 2] & 0x04;
}

/* Bytes of a page with its header, as far as they are there; 0: it is another
 * one. */
static size_t
page_length(const uint8_t *bytes, size_t len, int page)
{
    if (len < PAGE_HEADER || bytes[1] != page)
        return 0;
    return MIN(len, PAGE_HEADER + (size_t) vio_get_be16(bytes + 2));
}

void
scsi_take_names(ScsiUnit *unit, const uint8_t *bytes, size_t len)
{
    len = page_length(bytes, len, SCSI_PAGE_NAMES);
    unit->names_len = MIN(len, sizeof(unit->names));
    memcpy(unit->names, bytes, unit->names_len);
}

void
scsi_take_limits(ScsiUnit *unit, const uint8_t *bytes, size_t len)
{
    len = page_length(bytes, len, SCSI_PAGE_LIMITS);
    if (len < 16)
        return;
    unit->max_transfer = vio_get_be32(bytes + 8);
    unit->opt_transfer = vio_get_be32(bytes + 12);
    if (len >= 28)
        unit->max_unmap = vio_get_be32(bytes + 20);
    if (len >= 44)
        unit->max_same = vio_get_be64(bytes + 36);
}

void
scsi_take_provisioning(ScsiUnit *unit, const uint8_t *bytes, size_t len)
{
    len = page_length(bytes, len, SCSI_PAGE_PROVISIONING);
    if (len < 6)
        return;
    unit->can_unmap = bytes[5] & 0x80;
    unit->can_unmap_same = bytes[5] & 0x40;
}

/* The first one may begin in front of @block. */
void
scsi_take_status(const uint8_t *bytes, size_t len, uint64_t block,
                 const ScsiUnit *unit, GArray *stretches)
{
    size_t end = 0;

    if (len >= 8)
        end = MIN(len, 4 + (size_t) vio_get_be32(bytes));
    for (size_t at = 8; at + 16 <= end; at += 16) {
        uint64_t first = vio_get_be64(bytes + at);
        uint64_t n = vio_get_be32(bytes + at + 8);
        ScsiStretch stretch = {.block = block};

        if (first > block || n == 0 || first >= unit->blocks ||
            n <= block - first)
            return;
        stretch.blocks = MIN(n, unit->blocks - first) - (block - first);
        stretch.mapped = (bytes[at + 12] & 0xf) != 1;
        g_array_append_val(stretches, stretch);
        block += stretch.blocks;
        if (block >= unit->blocks)
            return;
    }
}

const char *
scsi_key_text(unsigned key)
{
    static const char *const texts[] = {
        "no error",        "recovered",       "not ready",
        "medium error",    "hardware error",  "illegal request",
        "unit attention",  "write-protected", "blank",
        "vendor specific", "copy aborted",    "aborted",
        "obsolete",        "volume overflow", "miscompare",
        "completed",
    };

    return texts[key & 0xf];
}
