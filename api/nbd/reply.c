/* SPDX-License-Identifier: BSD-3-Clause */
/* api/nbd/reply.c - answers to requests in the three styles.
 *
 * Texts of errors say what failed and how, but not what files of ours are
 * called: those go to the warnings of the context.  QEMU's client does not take
 * more than 1000 bytes of them.
 *
 * Concurrency: any number of coroutines; the stream keeps their bytes together.
 */
#include "api/nbd/server.h"

#include "io/bytes.h"

#include <errno.h>
#include <string.h>

#define REPLY_TEXT_MAX 900u

static bool
reply_co_send(const NbdJob *job, const void *head, size_t len,
              const VioVec *payload)
{
    NbdClient *client = job->client;
    int ret;

    vd_nbd_transfer_begin(client);
    ret = vio_stream_co_send(client->stream, head, len, payload, NULL);
    vd_nbd_transfer_end(client);
    if (ret < 0) /* whoever reads shall know */
        vio_stream_abort(client->stream);
    return ret == 0;
}

static bool
reply_co_simple(const NbdJob *job, uint32_t error, const VioVec *payload)
{
    NbdReply reply = {
        .simple = true, .error = error, .cookie = job->req.cookie};
    uint8_t head[NBD_SIMPLE_REPLY_SIZE];

    return reply_co_send(
        job, head, nbd_put_reply(job->client->headers, &reply, head), payload);
}

bool
vd_nbd_reply_co_chunk(const NbdJob *job, uint16_t type, bool done,
                      const void *body, size_t body_len, const VioVec *payload)
{
    NbdReply reply = {
        .flags = done ? NBD_REPLY_FLAG_DONE : 0,
        .type = type,
        .cookie = job->req.cookie,
        .offset = job->req.offset,
        .len = body_len + (payload != NULL ? payload->len : 0),
    };
    uint8_t head[NBD_EXT_CHUNK_SIZE + NBD_CHUNK_BODY];
    size_t len = nbd_put_reply(job->client->headers, &reply, head);

    g_assert(body_len <= NBD_CHUNK_BODY);
    if (body_len > 0)
        memcpy(head + len, body, body_len);
    return reply_co_send(job, head, len + body_len, payload);
}

bool
vd_nbd_reply_co_ok(const NbdJob *job)
{
    NbdHeaders headers = job->client->headers;

    if (headers == NBD_HEADERS_EXTENDED ||
        (headers == NBD_HEADERS_STRUCTURED && job->req.command == NBD_CMD_READ))
        return vd_nbd_reply_co_chunk(job, NBD_CHUNK_NONE, true, NULL, 0, NULL);
    return reply_co_simple(job, 0, NULL);
}

bool
vd_nbd_reply_co_data(const NbdJob *job, const VioVec *payload)
{
    return reply_co_simple(job, 0, payload);
}

/* -- errors ---------------------------------------------------------------- */

bool
vd_nbd_reply_co_error(const NbdJob *job, uint32_t error, const char *text)
{
    uint8_t body[6];
    struct iovec iov;
    size_t len = MIN(strlen(text), REPLY_TEXT_MAX);
    VioVec payload = vio_vec_from_buf(&iov, (void *) text, len);

    job->client->server->stats.failed++;
    if (job->client->headers == NBD_HEADERS_SIMPLE)
        return reply_co_simple(job, error, NULL);
    vio_put_be32(body, error);
    vio_put_be16(body + 4, (uint16_t) len);
    return vd_nbd_reply_co_chunk(job, NBD_CHUNK_ERROR, true, body, sizeof(body),
                                 len > 0 ? &payload : NULL);
}

/* What the protocol has no number for is a failure of the storage, not of the
 * client. */
static uint32_t
reply_error_of(const NbdJob *job, int errnum)
{
    switch (errnum) {
    case EPERM:
    case EACCES:
    case EROFS:
        return NBD_EPERM;
    case ENOMEM:
        return NBD_ENOMEM;
    case ENOSPC:
    case EFBIG:
    case EDQUOT:
        return NBD_ENOSPC;
    case ESHUTDOWN:
    case ECANCELED:
        return NBD_ESHUTDOWN;
    case EINVAL:
        return NBD_EINVAL;
    case EOPNOTSUPP:
        return job->req.flags & NBD_CMD_FLAG_FAST_ZERO ? NBD_ENOTSUP
                                                       : NBD_EINVAL;
    default:
        return NBD_EIO;
    }
}

bool
vd_nbd_reply_co_gerror(const NbdJob *job, const char *doing, GError *error)
{
    uint32_t number = reply_error_of(job, vd_error_to_errno(error));
    g_autofree char *text = g_strdup_printf(
        "%s of %" G_GUINT64_FORMAT " bytes at %" G_GUINT64_FORMAT ": %s", doing,
        job->len, job->req.offset, g_strerror(nbd_error_to_errno(number)));

    if (number != NBD_ENOTSUP && number != NBD_ESHUTDOWN)
        vd_context_warn(job->client->server->ctx, "NBD: %s", error->message);
    g_error_free(error);
    return vd_nbd_reply_co_error(job, number, text);
}
