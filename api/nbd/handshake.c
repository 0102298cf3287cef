/* SPDX-License-Identifier: BSD-3-Clause */
/* api/nbd/handshake.c - from the greeting to the choice of an export.
 *
 * Each option is answered by one final reply once all its data have been taken
 * off the stream.  A client has so much time, so many options and so many bytes
 * an option.  While TLS is required and has not begun nothing is done but to
 * say so.  What was settled before TLS begins is forgotten.
 *
 * Concurrency: the coroutine of the client.
 */
#include "api/nbd/server.h"

#include "io/bytes.h"

#include <errno.h>
#include <string.h>

#define OPTION_DROP_BYTES (UINT32_C(32) << 20) /* with more it is over */
#define OPTION_MAX_BYTES (UINT32_C(256) << 10) /* with more: TOO_BIG */
#define OPTIONS_BASE 64u                       /* in a handshake, and */
#define OPTIONS_PER_EXPORT 32u

typedef struct {
    uint32_t number, len;
    uint8_t *data;
} Option;

/* -- sending --------------------------------------------------------------- */

static bool
handshake_co_send(NbdClient *client, const void *bytes, size_t len)
{
    return vio_stream_co_send(client->stream, bytes, len, NULL,
                              client->cancel) == 0;
}

bool
vd_nbd_option_co_reply(NbdClient *client, uint32_t option, uint32_t type,
                       const void *payload, size_t len)
{
    g_autofree uint8_t *raw = g_malloc(NBD_OPTION_REPLY_SIZE + len);

    vio_put_be64(raw, NBD_OPTION_REPLY_MAGIC);
    vio_put_be32(raw + 8, option);
    vio_put_be32(raw + 12, type);
    vio_put_be32(raw + 16, (uint32_t) len);
    if (len > 0)
        memcpy(raw + NBD_OPTION_REPLY_SIZE, payload, len);
    return handshake_co_send(client, raw, NBD_OPTION_REPLY_SIZE + len);
}

bool
vd_nbd_option_co_fail(NbdClient *client, uint32_t option, uint32_t type,
                      const char *text)
{
    return vd_nbd_option_co_reply(client, option, type, text, strlen(text));
}

static bool
handshake_co_greet(NbdClient *client)
{
    uint8_t raw[NBD_GREETING_SIZE], answer[4];
    uint32_t flags;

    vio_put_be64(raw, NBD_MAGIC);
    vio_put_be64(raw + 8, NBD_OPTION_MAGIC);
    vio_put_be16(raw + 16, NBD_FIXED_NEWSTYLE | NBD_NO_ZEROES);
    if (!handshake_co_send(client, raw, sizeof(raw)) ||
        vio_stream_co_read(client->stream, answer, sizeof(answer),
                           client->cancel) < 0)
        return false;
    flags = vio_get_be32(answer);
    client->fixed = flags & NBD_FIXED_NEWSTYLE;
    client->no_zeroes = flags & NBD_NO_ZEROES;
    return (flags & ~(uint32_t) (NBD_FIXED_NEWSTYLE | NBD_NO_ZEROES)) == 0;
}

/* -- the options ----------------------------------------------------------- */

static bool
option_co_ack(NbdClient *client, const Option *option)
{
    return vd_nbd_option_co_reply(client, option->number, NBD_REP_ACK, NULL, 0);
}

/* EXPORT_NAME has no way to fail but the end of the connection. */
static bool
option_co_export_name(NbdClient *client, const Option *option)
{
    uint8_t raw[NBD_EXPORT_NAME_SIZE + NBD_EXPORT_NAME_ZEROES] = {0};
    NbdExport *export = vd_nbd_server_find(
        client->server, (const char *) option->data, option->len);

    if (export == NULL || client->headers == NBD_HEADERS_EXTENDED)
        return false;
    vio_put_be64(raw, vd_disk_size(export->disk));
    vio_put_be16(raw + 8, vd_nbd_export_flags(client, export));
    if (!handshake_co_send(client, raw,
                           client->no_zeroes ? NBD_EXPORT_NAME_SIZE
                                             : sizeof(raw)))
        return false;
    client->export = export;
    return true;
}

static bool
option_co_list_one(NbdClient *client, const NbdExport *export)
{
    const char *text = export->description ? export->description : "";
    size_t name = strlen(export->name), more = strlen(text);
    g_autofree uint8_t *raw = g_malloc(4 + name + more);

    vio_put_be32(raw, (uint32_t) name);
    memcpy(raw + 4, export->name, name);
    memcpy(raw + 4 + name, text, more);
    return vd_nbd_option_co_reply(client, NBD_OPT_LIST, NBD_REP_SERVER, raw,
                                  4 + name + more);
}

static bool
option_co_list(NbdClient *client, const Option *option)
{
    const GPtrArray *exports = client->server->exports;

    for (unsigned i = 0; i < exports->len; i++)
        if (!option_co_list_one(client, g_ptr_array_index(exports, i)))
            return false;
    return option_co_ack(client, option);
}

static bool
option_co_structured(NbdClient *client, const Option *option)
{
    if (client->headers == NBD_HEADERS_EXTENDED)
        return vd_nbd_option_co_fail(client, option->number,
                                     NBD_REP_ERR_EXT_HEADER_REQD,
                                     "extended headers are agreed already");
    if (client->headers == NBD_HEADERS_STRUCTURED)
        return vd_nbd_option_co_fail(client, option->number,
                                     NBD_REP_ERR_INVALID,
                                     "structured replies are agreed already");
    client->headers = NBD_HEADERS_STRUCTURED;
    return option_co_ack(client, option);
}

static bool
option_co_extended(NbdClient *client, const Option *option)
{
    if (client->headers == NBD_HEADERS_EXTENDED)
        return vd_nbd_option_co_fail(client, option->number,
                                     NBD_REP_ERR_INVALID,
                                     "extended headers are agreed already");
    client->headers = NBD_HEADERS_EXTENDED;
    return option_co_ack(client, option);
}

static bool
option_has_no_data(uint32_t number)
{
    return number == NBD_OPT_LIST || number == NBD_OPT_STARTTLS ||
           number == NBD_OPT_STRUCTURED_REPLY ||
           number == NBD_OPT_EXTENDED_HEADERS;
}

/* False ends the connection. */
static bool
option_co_answer(NbdClient *client, const Option *option)
{
    switch (option->number) {
    case NBD_OPT_EXPORT_NAME:
        return option_co_export_name(client, option);
    case NBD_OPT_ABORT:
        (void) option_co_ack(client, option); /* it ends anyway */
        return false;
    case NBD_OPT_LIST:
        return option_co_list(client, option);
    case NBD_OPT_STARTTLS:
        return vd_nbd_tls_co_start(client);
    case NBD_OPT_INFO:
    case NBD_OPT_GO:
        return vd_nbd_info_co_reply(client, option->number, option->data,
                                    option->len, &client->export);
    case NBD_OPT_STRUCTURED_REPLY:
        return option_co_structured(client, option);
    case NBD_OPT_EXTENDED_HEADERS:
        return option_co_extended(client, option);
    case NBD_OPT_LIST_META_CONTEXT:
    case NBD_OPT_SET_META_CONTEXT:
        return vd_nbd_contexts_co_reply(client, option->number, option->data,
                                        option->len);
    default:
        return vd_nbd_option_co_fail(client, option->number, NBD_REP_ERR_UNSUP,
                                     "unknown option");
    }
}

static bool
option_co_do(NbdClient *client, const Option *option)
{
    bool secret = client->server->params.tls == VD_NBD_TLS_REQUIRE &&
                  !client->tls && option->number != NBD_OPT_STARTTLS &&
                  option->number != NBD_OPT_ABORT;

    if (secret && option->number == NBD_OPT_EXPORT_NAME)
        return false;
    if (secret)
        return vd_nbd_option_co_fail(client, option->number,
                                     NBD_REP_ERR_TLS_REQD,
                                     "TLS has to be started first");
    if (option->len > 0 && option_has_no_data(option->number))
        return vd_nbd_option_co_fail(client, option->number,
                                     NBD_REP_ERR_INVALID,
                                     "the option takes no data");
    return option_co_answer(client, option);
}

/* -- one after the other --------------------------------------------------- */

static bool
option_co_head(NbdClient *client, Option *option)
{
    const void *raw;
    size_t available;

    if (vio_stream_co_peek(client->stream, NBD_OPTION_SIZE, &raw, &available,
                           client->cancel) < 0 ||
        vio_get_be64(raw) != NBD_OPTION_MAGIC)
        return false;
    option->number = vio_get_be32((const uint8_t *) raw + 8);
    option->len = vio_get_be32((const uint8_t *) raw + 12);
    vio_stream_consume(client->stream, NBD_OPTION_SIZE);
    return option->len <= OPTION_DROP_BYTES &&
           (client->fixed || option->number == NBD_OPT_EXPORT_NAME);
}

static bool
option_co_too_big(NbdClient *client, const Option *option)
{
    if (option->number == NBD_OPT_EXPORT_NAME ||
        vio_stream_co_skip(client->stream, option->len, client->cancel) < 0)
        return false;
    return vd_nbd_option_co_fail(client, option->number, NBD_REP_ERR_TOO_BIG,
                                 "the option is too long");
}

static bool
option_co_next(NbdClient *client)
{
    Option option = {0};
    bool ok;

    if (!option_co_head(client, &option))
        return false;
    if (option.len > OPTION_MAX_BYTES)
        return option_co_too_big(client, &option);
    option.data = g_malloc(option.len + 1);
    ok = vio_stream_co_read(client->stream, option.data, option.len,
                            client->cancel) == 0 &&
         option_co_do(client, &option);
    g_free(option.data);
    return ok;
}

bool
vd_nbd_handshake_co_run(NbdClient *client)
{
    unsigned left =
        OPTIONS_BASE + OPTIONS_PER_EXPORT * client->server->exports->len;

    if (!handshake_co_greet(client))
        return false;
    while (client->export == NULL && left-- > 0)
        if (!option_co_next(client))
            return false;
    return client->export != NULL;
}
