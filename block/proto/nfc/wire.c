/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/nfc/wire.c - NFC in numbers: records to bytes and back.
 *
 * Concurrency: no state.
 */
#include "block/proto/nfc/wire.h"

#include "io/bytes.h"

#include <string.h>

/* -- classic -------------------------------------------------------------- */

void
nfc_put_classic(NfcClassic type, uint32_t a, uint32_t b,
                uint8_t message[NFC_CLASSIC_BYTES])
{
    memset(message, 0, NFC_CLASSIC_BYTES);
    vio_put_le32(message, type);
    vio_put_le32(message + 4, a);
    vio_put_le32(message + 8, b);
}

void
nfc_put_nonce(uint8_t message[NFC_CLASSIC_BYTES])
{
    nfc_put_classic(NFC_CLIENT_RANDOM, 0, 0, message);
    memcpy(message + 4, NFC_NONCE, strlen(NFC_NONCE));
}

uint32_t
nfc_classic_type(const uint8_t *message)
{
    return vio_get_le32(message);
}

uint32_t
nfc_classic_field(const uint8_t *message, unsigned n)
{
    return vio_get_le32(message + 4 + 4 * n);
}

void
nfc_get_classic_error(const uint8_t *message, NfcClassicError *e)
{
    *e = (NfcClassicError){
        .type = nfc_classic_field(message, 0),
        .code = nfc_classic_field(message, 1),
        .text_len = nfc_classic_field(message, 2),
    };
}

/* -- frames --------------------------------------------------------------- */

void
nfc_put_header(const NfcHeader *header, uint8_t bytes[NFC_HEADER_BYTES])
{
    vio_put_le32(bytes, NFC_MAGIC);
    vio_put_le32(bytes + 4, header->type);
    vio_put_le32(bytes + 8, header->size);
    vio_put_le32(bytes + 12, header->op);
}

bool
nfc_get_header(const uint8_t *bytes, NfcHeader *header)
{
    *header = (NfcHeader){
        .type = vio_get_le32(bytes + 4),
        .size = vio_get_le32(bytes + 8),
        .op = vio_get_le32(bytes + 12),
    };
    return vio_get_le32(bytes) == NFC_MAGIC;
}

bool
nfc_error_has(const uint8_t *payload, size_t len, uint32_t reason)
{
    for (size_t i = 0; i + 4 <= len; i += 4)
        if (vio_get_le32(payload + i) == reason)
            return true;
    return false;
}

/* -- sessions and files ---------------------------------------------------- */

void
nfc_put_open_session(uint32_t buffer_size, uint32_t buffer_count,
                     uint8_t bytes[NFC_OPEN_SESSION_BYTES])
{
    memset(bytes, 0, NFC_OPEN_SESSION_BYTES);
    vio_put_le32(bytes + 4, buffer_size);
    vio_put_le32(bytes + 8, buffer_count);
}

void
nfc_put_open_file(uint32_t path_len, bool writable,
                  uint8_t bytes[NFC_OPEN_FILE_BYTES])
{
    memset(bytes, 0, NFC_OPEN_FILE_BYTES);
    vio_put_le32(bytes, path_len);
    vio_put_le32(bytes + 16, NFC_DISK);
    vio_put_le32(bytes + 20,
                 writable ? NFC_FLAGS_READ_WRITE : NFC_FLAGS_READ_ONLY);
}

void
nfc_get_open_file(const uint8_t *bytes, NfcFile *file)
{
    *file = (NfcFile){
        .handle = vio_get_le64(bytes + 8),
        .flags = vio_get_le32(bytes + 20),
        .capacity = vio_get_le64(bytes + 28),
        .sector_size = vio_get_le32(bytes + 36),
        .cylinders = vio_get_le32(bytes + 40),
        .heads = vio_get_le32(bytes + 44),
        .sectors = vio_get_le32(bytes + 48),
    };
}

/* -- data ------------------------------------------------------------------ */

void
nfc_put_io(const NfcIo *io, uint8_t bytes[NFC_IO_BYTES])
{
    vio_put_le64(bytes, io->handle);
    vio_put_le32(bytes + 8, io->direction);
    vio_put_le32(bytes + 12, io->compression);
    vio_put_le64(bytes + 16, io->off);
    vio_put_le32(bytes + 24, io->total);
    vio_put_le32(bytes + 28, io->part_off);
    vio_put_le32(bytes + 32, io->part_len);
    vio_put_le32(bytes + 36, io->extra_len);
    vio_put_le32(bytes + 40, 0);
}

void
nfc_get_io(const uint8_t *bytes, NfcIo *io)
{
    *io = (NfcIo){
        .handle = vio_get_le64(bytes),
        .direction = vio_get_le32(bytes + 8),
        .compression = vio_get_le32(bytes + 12),
        .off = vio_get_le64(bytes + 16),
        .total = vio_get_le32(bytes + 24),
        .part_off = vio_get_le32(bytes + 28),
        .part_len = vio_get_le32(bytes + 32),
        .extra_len = vio_get_le32(bytes + 36),
    };
}

/* -- what is known about a file -------------------------------------------- */

void
nfc_put_ddb_get(uint32_t key_len, uint8_t bytes[NFC_DDB_GET_BYTES])
{
    memset(bytes, 0, NFC_DDB_GET_BYTES);
    vio_put_le32(bytes + 8, key_len);
}

void
nfc_put_handle(uint64_t handle, uint8_t *bytes)
{
    vio_put_le64(bytes, handle);
}

uint32_t
nfc_get_value_len(const uint8_t *bytes)
{
    return vio_get_le32(bytes + 12);
}

void
nfc_put_query(const NfcQuery *query, uint8_t bytes[NFC_QUERY_BYTES])
{
    memset(bytes, 0, NFC_QUERY_BYTES);
    vio_put_le64(bytes + 16, query->chunk);
    vio_put_le64(bytes + 24, query->start);
    vio_put_le64(bytes + 32, query->count);
}

uint64_t
nfc_get_query_count(const uint8_t *bytes)
{
    return vio_get_le64(bytes + 32);
}

uint64_t
nfc_bitmap_bytes(uint64_t chunks)
{
    return (chunks / 32 + (chunks % 32 != 0)) * 4;
}
