/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/nbd/wire.h - the numbers of NBD, for both ends.
 *
 * All integers on the wire are big-endian and unsigned.  Source: the protocol
 * document of the NBD project.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NBD_PORT 10809

#define NBD_MAGIC UINT64_C(0x4e42444d41474943)        /* "NBDMAGIC" */
#define NBD_OPTION_MAGIC UINT64_C(0x49484156454f5054) /* "IHAVEOPT" */
#define NBD_OLDSTYLE_MAGIC UINT64_C(0x0000420281861253)
#define NBD_OPTION_REPLY_MAGIC UINT64_C(0x0003e889045565a9)
#define NBD_REQUEST_MAGIC UINT32_C(0x25609513)
#define NBD_SIMPLE_REPLY_MAGIC UINT32_C(0x67446698)
#define NBD_CHUNK_MAGIC UINT32_C(0x668e33ef)
#define NBD_EXT_REQUEST_MAGIC UINT32_C(0x21e41c71)
#define NBD_EXT_CHUNK_MAGIC UINT32_C(0x6e8a278c)

/* Bytes of the fixed parts. */
#define NBD_GREETING_SIZE 18u       /* newstyle */
#define NBD_OLDSTYLE_SIZE 152u      /* oldstyle, all of it */
#define NBD_OPTION_SIZE 16u         /* without its data */
#define NBD_OPTION_REPLY_SIZE 20u   /* without its payload */
#define NBD_EXPORT_NAME_SIZE 10u    /* answer to EXPORT_NAME */
#define NBD_EXPORT_NAME_ZEROES 124u /* behind it, if not agreed otherwise */
#define NBD_REQUEST_SIZE 28u
#define NBD_EXT_REQUEST_SIZE 32u
#define NBD_SIMPLE_REPLY_SIZE 16u
#define NBD_CHUNK_SIZE 20u
#define NBD_EXT_CHUNK_SIZE 32u

/* Longest string (names, descriptions, contexts, error texts). */
#define NBD_MAX_STRING 4096u
/* Payload that everybody takes, if nothing else was agreed. */
#define NBD_MAX_PAYLOAD (UINT32_C(32) << 20)
/* Extents in one chunk of block status. */
#define NBD_MAX_EXTENTS (UINT32_C(1) << 20)
/* Largest minimum block size. */
#define NBD_MAX_MIN_BLOCK UINT32_C(65536)

/* Flags of the greeting and of the client's answer; the bits are the same. */
enum {
    NBD_FIXED_NEWSTYLE = 1 << 0,
    NBD_NO_ZEROES = 1 << 1,
};

typedef enum NbdOption {
    NBD_OPT_EXPORT_NAME = 1,
    NBD_OPT_ABORT = 2,
    NBD_OPT_LIST = 3,
    NBD_OPT_STARTTLS = 5,
    NBD_OPT_INFO = 6,
    NBD_OPT_GO = 7,
    NBD_OPT_STRUCTURED_REPLY = 8,
    NBD_OPT_LIST_META_CONTEXT = 9,
    NBD_OPT_SET_META_CONTEXT = 10,
    NBD_OPT_EXTENDED_HEADERS = 11,
} NbdOption;

/* Types of option replies; errors have the top bit. */
#define NBD_REP_IS_ERROR (UINT32_C(1) << 31)
#define NBD_REP_ACK UINT32_C(1)
#define NBD_REP_SERVER UINT32_C(2)
#define NBD_REP_INFO UINT32_C(3)
#define NBD_REP_META_CONTEXT UINT32_C(4)
#define NBD_REP_ERR_UNSUP (NBD_REP_IS_ERROR | 1)
#define NBD_REP_ERR_POLICY (NBD_REP_IS_ERROR | 2)
#define NBD_REP_ERR_INVALID (NBD_REP_IS_ERROR | 3)
#define NBD_REP_ERR_PLATFORM (NBD_REP_IS_ERROR | 4)
#define NBD_REP_ERR_TLS_REQD (NBD_REP_IS_ERROR | 5)
#define NBD_REP_ERR_UNKNOWN (NBD_REP_IS_ERROR | 6)
#define NBD_REP_ERR_SHUTDOWN (NBD_REP_IS_ERROR | 7)
#define NBD_REP_ERR_BLOCK_SIZE_REQD (NBD_REP_IS_ERROR | 8)
#define NBD_REP_ERR_TOO_BIG (NBD_REP_IS_ERROR | 9)
#define NBD_REP_ERR_EXT_HEADER_REQD (NBD_REP_IS_ERROR | 10)

typedef enum NbdInfo {
    NBD_INFO_EXPORT = 0,
    NBD_INFO_NAME = 1,
    NBD_INFO_DESCRIPTION = 2,
    NBD_INFO_BLOCK_SIZE = 3,
} NbdInfo;

/* Transmission flags of an export. */
enum {
    NBD_FLAG_HAS_FLAGS = 1 << 0,
    NBD_FLAG_READ_ONLY = 1 << 1,
    NBD_FLAG_SEND_FLUSH = 1 << 2,
    NBD_FLAG_SEND_FUA = 1 << 3,
    NBD_FLAG_ROTATIONAL = 1 << 4,
    NBD_FLAG_SEND_TRIM = 1 << 5,
    NBD_FLAG_SEND_WRITE_ZEROES = 1 << 6,
    NBD_FLAG_SEND_DF = 1 << 7,
    NBD_FLAG_CAN_MULTI_CONN = 1 << 8,
    NBD_FLAG_SEND_RESIZE = 1 << 9,
    NBD_FLAG_SEND_CACHE = 1 << 10,
    NBD_FLAG_SEND_FAST_ZERO = 1 << 11,
    NBD_FLAG_BLOCK_STATUS_PAYLOAD = 1 << 12,
};

typedef enum NbdCommand {
    NBD_CMD_READ = 0,
    NBD_CMD_WRITE = 1,
    NBD_CMD_DISC = 2,
    NBD_CMD_FLUSH = 3,
    NBD_CMD_TRIM = 4,
    NBD_CMD_CACHE = 5,
    NBD_CMD_WRITE_ZEROES = 6,
    NBD_CMD_BLOCK_STATUS = 7,
    NBD_CMD_RESIZE = 8,
} NbdCommand;

enum {
    NBD_CMD_FLAG_FUA = 1 << 0,
    NBD_CMD_FLAG_NO_HOLE = 1 << 1,
    NBD_CMD_FLAG_DF = 1 << 2,
    NBD_CMD_FLAG_REQ_ONE = 1 << 3,
    NBD_CMD_FLAG_FAST_ZERO = 1 << 4,
    NBD_CMD_FLAG_PAYLOAD_LEN = 1 << 5,
};

#define NBD_REPLY_FLAG_DONE 1u

/* Types of chunks; errors have the top bit. */
#define NBD_CHUNK_IS_ERROR 0x8000u
enum {
    NBD_CHUNK_NONE = 0,
    NBD_CHUNK_OFFSET_DATA = 1,
    NBD_CHUNK_OFFSET_HOLE = 2,
    NBD_CHUNK_BLOCK_STATUS = 5,
    NBD_CHUNK_BLOCK_STATUS_EXT = 6,
    NBD_CHUNK_ERROR = NBD_CHUNK_IS_ERROR | 1,
    NBD_CHUNK_ERROR_OFFSET = NBD_CHUNK_IS_ERROR | 2,
};

/* Error numbers on the wire are those of Linux on most machines, but not by
 * definition. */
enum {
    NBD_EPERM = 1,
    NBD_EIO = 5,
    NBD_ENOMEM = 12,
    NBD_EINVAL = 22,
    NBD_ENOSPC = 28,
    NBD_EOVERFLOW = 75,
    NBD_ENOTSUP = 95,
    NBD_ESHUTDOWN = 108,
};

/* Bits of base:allocation. */
enum {
    NBD_STATE_HOLE = 1 << 0,
    NBD_STATE_ZERO = 1 << 1,
};

#define NBD_CONTEXT_ALLOCATION "base:allocation"
#define NBD_CONTEXT_DEPTH "qemu:allocation-depth"
#define NBD_CONTEXT_BITMAP "qemu:dirty-bitmap:"

/* How requests and replies look after the handshake. */
typedef enum NbdHeaders {
    NBD_HEADERS_SIMPLE,
    NBD_HEADERS_STRUCTURED,
    NBD_HEADERS_EXTENDED,
} NbdHeaders;

typedef struct NbdRequest {
    uint16_t flags;
    uint16_t command;
    uint64_t cookie;
    uint64_t offset;
    uint64_t len; /* of the payload if PAYLOAD_LEN, else of the effect */
} NbdRequest;

typedef struct NbdReply {
    bool simple;
    uint16_t flags; /* chunks */
    uint16_t type;  /* chunks */
    uint32_t error; /* simple replies */
    uint64_t cookie;
    uint64_t offset; /* extended chunks */
    uint64_t len;    /* of the payload of a chunk */
} NbdReply;

/* Bytes of a request's header. */
size_t nbd_request_size(NbdHeaders headers);
/* @out has room for nbd_request_size() bytes; returns how many. */
size_t nbd_put_request(NbdHeaders headers, const NbdRequest *req, void *out);
/* False: a magic that is not that of @headers. */
bool nbd_get_request(NbdHeaders headers, const void *in, NbdRequest *req);

/* Bytes of the header whose first four are at @in; 0: a magic that does not
 * fit to @headers. */
size_t nbd_reply_size(NbdHeaders headers, const void *in);
size_t nbd_put_reply(NbdHeaders headers, const NbdReply *reply, void *out);
/* @in holds all nbd_reply_size() bytes. */
void nbd_get_reply(const void *in, NbdReply *reply);

/* "read", "write zeroes" ... for messages; NULL = there is no such. */
const char *nbd_command_name(unsigned command);
const char *nbd_option_name(uint32_t option);
/* "unknown export" ... of an error reply to an option. */
const char *nbd_option_error_name(uint32_t type);
/* errno of an error on the wire; what is not listed is EINVAL. */
int nbd_error_to_errno(uint32_t error);
