/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/nfc/wire.h - NFC, the protocol of ESXi's port 902, in numbers:
 * two dialects, both little-endian.
 *
 * Classic messages have 264 bytes each and begin with their type; a session is
 * agreed on with them.  Then come frames ("AIO"): a header of 16 bytes, a
 * payload of the size that stands there, and, where the payload says so, an
 * extra that the size does not count.
 *
 * Concurrency: no state.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NFC_PORT 902u
#define NFC_NONCE "PlainText" /* ties authd and NFC together */

/* -- classic -------------------------------------------------------------- */

#define NFC_CLASSIC_BYTES 264u
#define NFC_VERSION 11u      /* ours */
#define NFC_LEAST_VERSION 3u /* of a server */
#define NFC_FEATURES 3u      /* may be interrupted, may change hosts */
#define NFC_MAX_TEXT 4096u   /* bytes of the text of an error */
#define NFC_CLIENT_NAME "vddk"
#define NFC_OPERATION "nbdmode"

typedef enum NfcClassic {
    NFC_SESSION_COMPLETE = 4,
    NFC_ERROR = 20,
    NFC_SESSION_PARAMS = 33,
    NFC_FILEOP_STATUS = 36,
    NFC_CLIENT_RANDOM = 43,
    NFC_PROTOCOL_VERSION = 51,
    NFC_AIO_OPEN = 52,
    NFC_CONNECTION_DATA = 54,
    NFC_FEATURE_SET = 55,
} NfcClassic;

/* The message of an error, of which @text_len bytes of text follow. */
typedef struct NfcClassicError {
    uint32_t type, code, text_len;
} NfcClassicError;

/* @a and @b are the first two fields, most have none. */
void nfc_put_classic(NfcClassic type, uint32_t a, uint32_t b,
                     uint8_t message[NFC_CLASSIC_BYTES]);
void nfc_put_nonce(uint8_t message[NFC_CLASSIC_BYTES]);
uint32_t nfc_classic_type(const uint8_t *message);
uint32_t nfc_classic_field(const uint8_t *message, unsigned n);
void nfc_get_classic_error(const uint8_t *message, NfcClassicError *e);

/* -- frames --------------------------------------------------------------- */

#define NFC_MAGIC 0xa100da7au
#define NFC_HEADER_BYTES 16u

typedef enum NfcType {
    NFC_AIO_ERROR = 1,
    NFC_OPEN_SESSION = 2,
    NFC_CLOSE_SESSION = 3,
    NFC_OPEN_FILE = 4,
    NFC_CLOSE_FILE = 5,
    NFC_IO = 7,
    NFC_SET_SOCK_OPTS = 9,
    NFC_GET_FILE_INFO = 10,
    NFC_DDB_GET = 11,
    NFC_QUERY_ALLOCATED = 13,
    NFC_SET_RES_POOL = 22,
} NfcType;

typedef struct NfcHeader {
    uint32_t type;
    uint32_t size; /* of the payload */
    uint32_t op;   /* whose answer it is */
} NfcHeader;

/* Of payloads, both ways. */
#define NFC_OPEN_SESSION_BYTES 16u
#define NFC_CLOSE_SESSION_BYTES 4u
#define NFC_OPEN_FILE_BYTES 60u
#define NFC_CLOSE_FILE_BYTES 8u
#define NFC_IO_BYTES 44u
#define NFC_DDB_GET_BYTES 16u
#define NFC_QUERY_BYTES 48u
/* The longest of these; an error may have more. */
#define NFC_MAX_PAYLOAD NFC_OPEN_FILE_BYTES
#define NFC_MAX_ERROR_PAYLOAD 65536u
#define NFC_ERROR_KEPT 64u /* bytes of it that are shown */

void nfc_put_header(const NfcHeader *header, uint8_t bytes[NFC_HEADER_BYTES]);
/* False: no magic. */
bool nfc_get_header(const uint8_t *bytes, NfcHeader *header);

/* What the reason of a server is in a write that it takes for forbidden. */
#define NFC_REASON_READ_ONLY 0x0bu
/* In an opening: somebody else has the file.  Both are numbers of VixError. */
#define NFC_REASON_LOCKED 0x0fu
/* Is @reason one of the fields of an error's payload?  Where it stands nobody
 * has told. */
bool nfc_error_has(const uint8_t *payload, size_t len, uint32_t reason);

/* -- sessions and files ---------------------------------------------------- */

#define NFC_SMALL_BUFFER (64u << 10)  /* any server takes it */
#define NFC_LARGEST_BUFFER (2u << 20) /* ESXi 8 refuses more */
#define NFC_DISK 2u                   /* type of a file */
#define NFC_FLAGS_READ_ONLY 0x1eu
#define NFC_FLAGS_READ_WRITE 0x1au
#define NFC_MAX_PATH 4096u

typedef struct NfcFile {
    uint64_t handle;
    uint64_t capacity; /* bytes */
    uint32_t flags, sector_size;
    uint32_t cylinders, heads, sectors;
} NfcFile;

void nfc_put_open_session(uint32_t buffer_size, uint32_t buffer_count,
                          uint8_t bytes[NFC_OPEN_SESSION_BYTES]);
void nfc_put_open_file(uint32_t path_len, bool writable,
                       uint8_t bytes[NFC_OPEN_FILE_BYTES]);
void nfc_get_open_file(const uint8_t *bytes, NfcFile *file);

/* -- data ------------------------------------------------------------------ */

typedef enum NfcDirection {
    NFC_WRITE = 0,
    NFC_READ = 1,
} NfcDirection;

typedef enum NfcCompression {
    NFC_PLAIN,
    NFC_ZLIB,
    NFC_FASTLZ,
    NFC_SKIPZ,
} NfcCompression;

typedef struct NfcIo {
    uint64_t handle;      /* 0 in answers */
    uint32_t direction;   /* NfcDirection */
    uint32_t compression; /* NfcCompression */
    uint64_t off;         /* bytes; of the whole request */
    uint32_t total;       /* bytes of the whole request */
    uint32_t part_off;    /* of this fragment in it */
    uint32_t part_len;    /* not compressed */
    uint32_t extra_len;   /* on the wire */
} NfcIo;

void nfc_put_io(const NfcIo *io, uint8_t bytes[NFC_IO_BYTES]);
void nfc_get_io(const uint8_t *bytes, NfcIo *io);

/* -- what is known about a file -------------------------------------------- */

#define NFC_MAX_VALUE 4096u /* bytes of a value of the disk database */

/* Of this and of a query, the first field is the file's handle. */
void nfc_put_ddb_get(uint32_t key_len, uint8_t bytes[NFC_DDB_GET_BYTES]);
void nfc_put_handle(uint64_t handle, uint8_t *bytes);
uint32_t nfc_get_value_len(const uint8_t *bytes);

typedef struct NfcQuery {
    uint64_t chunk; /* bytes of one */
    uint64_t start; /* bytes; a multiple of that */
    uint64_t count; /* chunks */
} NfcQuery;

void nfc_put_query(const NfcQuery *query, uint8_t bytes[NFC_QUERY_BYTES]);
uint64_t nfc_get_query_count(const uint8_t *bytes);
/* Bytes of a bitmap of so many chunks, padding included. */
uint64_t nfc_bitmap_bytes(uint64_t chunks);
