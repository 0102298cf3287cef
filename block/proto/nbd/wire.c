/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/nbd/wire.c - headers and names of NBD, for both ends. */
#include "block/proto/nbd/wire.h"

#include <errno.h>
#include <glib.h>

#include "io/bytes.h"

/* -- requests -------------------------------------------------------------- */

size_t
nbd_request_size(NbdHeaders headers)
{
    return headers == NBD_HEADERS_EXTENDED ? NBD_EXT_REQUEST_SIZE
                                           : NBD_REQUEST_SIZE;
}

size_t
nbd_put_request(NbdHeaders headers, const NbdRequest *req, void *out)
{
    bool extended = headers == NBD_HEADERS_EXTENDED;
    uint8_t *p = out;

    g_assert(extended || req->len <= UINT32_MAX);
    vio_put_be32(p, extended ? NBD_EXT_REQUEST_MAGIC : NBD_REQUEST_MAGIC);
    vio_put_be16(p + 4, req->flags);
    vio_put_be16(p + 6, req->command);
    vio_put_be64(p + 8, req->cookie);
    vio_put_be64(p + 16, req->offset);
    if (extended)
        vio_put_be64(p + 24, req->len);
    else
        vio_put_be32(p + 24, (uint32_t) req->len);
    return nbd_request_size(headers);
}

bool
nbd_get_request(NbdHeaders headers, const void *in, NbdRequest *req)
{
    bool extended = headers == NBD_HEADERS_EXTENDED;
    const uint8_t *p = in;

    if (vio_get_be32(p) !=
        (extended ? NBD_EXT_REQUEST_MAGIC : NBD_REQUEST_MAGIC))
        return false;
    *req = (NbdRequest){
        .flags = vio_get_be16(p + 4),
        .command = vio_get_be16(p + 6),
        .cookie = vio_get_be64(p + 8),
        .offset = vio_get_be64(p + 16),
        .len = extended ? vio_get_be64(p + 24) : vio_get_be32(p + 24),
    };
    return true;
}

/* -- replies --------------------------------------------------------------- */

size_t
nbd_reply_size(NbdHeaders headers, const void *in)
{
    switch (vio_get_be32(in)) {
    case NBD_SIMPLE_REPLY_MAGIC:
        return headers == NBD_HEADERS_EXTENDED ? 0 : NBD_SIMPLE_REPLY_SIZE;
    case NBD_CHUNK_MAGIC:
        return headers == NBD_HEADERS_STRUCTURED ? NBD_CHUNK_SIZE : 0;
    case NBD_EXT_CHUNK_MAGIC:
        return headers == NBD_HEADERS_EXTENDED ? NBD_EXT_CHUNK_SIZE : 0;
    default:
        return 0;
    }
}

static size_t
put_simple(const NbdReply *reply, uint8_t *p)
{
    vio_put_be32(p, NBD_SIMPLE_REPLY_MAGIC);
    vio_put_be32(p + 4, reply->error);
    vio_put_be64(p + 8, reply->cookie);
    return NBD_SIMPLE_REPLY_SIZE;
}

size_t
nbd_put_reply(NbdHeaders headers, const NbdReply *reply, void *out)
{
    bool extended = headers == NBD_HEADERS_EXTENDED;
    uint8_t *p = out;

    if (reply->simple)
        return put_simple(reply, p);
    vio_put_be32(p, extended ? NBD_EXT_CHUNK_MAGIC : NBD_CHUNK_MAGIC);
    vio_put_be16(p + 4, reply->flags);
    vio_put_be16(p + 6, reply->type);
    vio_put_be64(p + 8, reply->cookie);
    if (!extended) {
        vio_put_be32(p + 16, (uint32_t) reply->len);
        return NBD_CHUNK_SIZE;
    }
    vio_put_be64(p + 16, reply->offset);
    vio_put_be64(p + 24, reply->len);
    return NBD_EXT_CHUNK_SIZE;
}

void
nbd_get_reply(const void *in, NbdReply *reply)
{
    const uint8_t *p = in;
    uint32_t magic = vio_get_be32(p);

    *reply = (NbdReply){.cookie = vio_get_be64(p + 8)};
    if (magic == NBD_SIMPLE_REPLY_MAGIC) {
        reply->simple = true;
        reply->error = vio_get_be32(p + 4);
        return;
    }
    reply->flags = vio_get_be16(p + 4);
    reply->type = vio_get_be16(p + 6);
    if (magic == NBD_CHUNK_MAGIC) {
        reply->len = vio_get_be32(p + 16);
        return;
    }
    reply->offset = vio_get_be64(p + 16);
    reply->len = vio_get_be64(p + 24);
}

/* -- names ----------------------------------------------------------------- */

const char *
nbd_command_name(unsigned command)
{
    static const char *const names[] = {
        [NBD_CMD_READ] = "read",
        [NBD_CMD_WRITE] = "write",
        [NBD_CMD_DISC] = "disconnect",
        [NBD_CMD_FLUSH] = "flush",
        [NBD_CMD_TRIM] = "trim",
        [NBD_CMD_CACHE] = "cache",
        [NBD_CMD_WRITE_ZEROES] = "write zeroes",
        [NBD_CMD_BLOCK_STATUS] = "block status",
        [NBD_CMD_RESIZE] = "resize",
    };

    return command < G_N_ELEMENTS(names) ? names[command] : NULL;
}

const char *
nbd_option_name(uint32_t option)
{
    static const char *const names[] = {
        [NBD_OPT_EXPORT_NAME] = "EXPORT_NAME",
        [NBD_OPT_ABORT] = "ABORT",
        [NBD_OPT_LIST] = "LIST",
        [NBD_OPT_STARTTLS] = "STARTTLS",
        [NBD_OPT_INFO] = "INFO",
        [NBD_OPT_GO] = "GO",
        [NBD_OPT_STRUCTURED_REPLY] = "STRUCTURED_REPLY",
        [NBD_OPT_LIST_META_CONTEXT] = "LIST_META_CONTEXT",
        [NBD_OPT_SET_META_CONTEXT] = "SET_META_CONTEXT",
        [NBD_OPT_EXTENDED_HEADERS] = "EXTENDED_HEADERS",
    };

    return option < G_N_ELEMENTS(names) ? names[option] : NULL;
}

const char *
nbd_option_error_name(uint32_t type)
{
    static const char *const names[] = {
        NULL,
        "the option is not supported",
        "forbidden by the server's configuration",
        "the option is malformed or not allowed now",
        "not possible on the server's platform",
        "TLS has to be started first",
        "unknown export",
        "the server is shutting down",
        "the client has to ask for block sizes",
        "request or reply would be too large",
        "extended headers are required",
    };
    uint32_t n = type & ~NBD_REP_IS_ERROR;

    return n < G_N_ELEMENTS(names) && names[n] ? names[n] : "unknown error";
}

/* -- errors ---------------------------------------------------------------- */

int
nbd_error_to_errno(uint32_t error)
{
    switch (error) {
    case NBD_EPERM:
        return EPERM;
    case NBD_EIO:
        return EIO;
    case NBD_ENOMEM:
        return ENOMEM;
    case NBD_ENOSPC:
        return ENOSPC;
    case NBD_EOVERFLOW:
        return EOVERFLOW;
    case NBD_ENOTSUP:
        return EOPNOTSUPP;
    case NBD_ESHUTDOWN:
        return ESHUTDOWN;
    default:
        return EINVAL;
    }
}
