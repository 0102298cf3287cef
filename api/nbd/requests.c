/* SPDX-License-Identifier: BSD-3-Clause */
/* api/nbd/requests.c - the requests of a client: read, checked, started.
 *
 * What follows a header is taken off the stream before anything is answered, or
 * the connection ends: there is no guessing where the next header begins.  No
 * request is read while the client has as many in flight, or as much in memory,
 * as it may.
 *
 * Concurrency: one coroutine a client.
 */
#include "api/nbd/server.h"

#include "io/buffer.h"
#include "io/bytes.h"

#include <errno.h>

/* Payload that is refused is skipped up to here; with more the connection ends.
 */
#define REQUEST_SKIP_MAX (UINT64_C(128) << 20)
#define REQUEST_STATUSES 2u /* block status at a time: it takes memory */
#define REQUEST_CACHE_BYTES (UINT64_C(256) << 10)
#define REQUEST_FILTER_IDS 1024u

/* What is wrong with a request. */
typedef struct {
    uint32_t error; /* 0 = nothing */
    const char *text;
} Refusal;

#define REQUEST_FINE ((Refusal){0, NULL})

/* -- checks ---------------------------------------------------------------- */

/* FUA is taken everywhere: clients set it on reads and flushes, too. */
static unsigned
request_valid_flags(const NbdClient *client, unsigned command)
{
    bool extended = client->headers == NBD_HEADERS_EXTENDED;
    unsigned payload = extended ? NBD_CMD_FLAG_PAYLOAD_LEN : 0;
    unsigned flags = NBD_CMD_FLAG_FUA;

    if (command == NBD_CMD_READ && client->headers != NBD_HEADERS_SIMPLE)
        flags |= NBD_CMD_FLAG_DF;
    else if (command == NBD_CMD_WRITE)
        flags |= payload;
    else if (command == NBD_CMD_WRITE_ZEROES)
        flags |= NBD_CMD_FLAG_NO_HOLE | NBD_CMD_FLAG_FAST_ZERO;
    else if (command == NBD_CMD_BLOCK_STATUS)
        flags |= NBD_CMD_FLAG_REQ_ONE | payload;
    return flags;
}

static bool
request_writes(unsigned command)
{
    return command == NBD_CMD_WRITE || command == NBD_CMD_TRIM ||
           command == NBD_CMD_WRITE_ZEROES;
}

static Refusal
request_check_words(const NbdClient *client, const NbdRequest *req)
{
    if (req->command > NBD_CMD_BLOCK_STATUS)
        return (Refusal){NBD_EINVAL, "unknown command"};
    if (req->flags & ~request_valid_flags(client, req->command))
        return (Refusal){NBD_EINVAL, "a flag that the command does not have"};
    if (req->command == NBD_CMD_WRITE &&
        client->headers == NBD_HEADERS_EXTENDED &&
        !(req->flags & NBD_CMD_FLAG_PAYLOAD_LEN))
        return (Refusal){NBD_EINVAL, "a write without payload"};
    if (request_writes(req->command) && client->export->read_only)
        return (Refusal){NBD_EPERM, "the export is read-only"};
    if (req->command == NBD_CMD_BLOCK_STATUS &&
        (client->contexts->len == 0 ||
         client->context_export != client->export))
        return (Refusal){NBD_EINVAL, "no contexts were chosen for the export"};
    return REQUEST_FINE;
}

static Refusal
request_check_range(const NbdJob *job)
{
    const NbdClient *client = job->client;
    unsigned command = job->req.command;
    uint64_t size = vd_disk_size(client->export->disk);
    uint64_t off = job->req.offset;

    if (command == NBD_CMD_FLUSH)
        return REQUEST_FINE;
    if (off > size || job->len > size - off) {
        bool no_space =
            command == NBD_CMD_WRITE || command == NBD_CMD_WRITE_ZEROES;
        return (Refusal){no_space ? NBD_ENOSPC : NBD_EINVAL,
                         "beyond the end of the export"};
    }
    if (command == NBD_CMD_BLOCK_STATUS && job->len == 0)
        return (Refusal){NBD_EINVAL, "block status of nothing"};
    if ((command == NBD_CMD_READ || command == NBD_CMD_WRITE) &&
        job->len > vd_nbd_max_payload(client->server))
        return (Refusal){NBD_EINVAL, "longer than the largest payload"};
    return REQUEST_FINE;
}

/* -- payload --------------------------------------------------------------- */

static bool
request_has_payload(const NbdClient *client, const NbdRequest *req)
{
    if (client->headers == NBD_HEADERS_EXTENDED)
        return req->flags & NBD_CMD_FLAG_PAYLOAD_LEN;
    return req->command == NBD_CMD_WRITE;
}

static Refusal
filter_take_ids(NbdJob *job, const uint8_t *bytes, unsigned n)
{
    const GPtrArray *contexts = job->client->export->contexts;

    job->ids = g_new(uint32_t, n);
    for (unsigned i = 0; i < n; i++) {
        uint32_t id = vio_get_be32(bytes + 4 * i);
        bool chosen = false;

        for (unsigned k = 0; k < job->client->contexts->len; k++)
            if (g_array_index(job->client->contexts, unsigned, k) + 1 == id)
                chosen = id <= contexts->len;
        for (unsigned k = 0; k < i; k++)
            if (job->ids[k] == id)
                chosen = false;
        if (!chosen)
            return (Refusal){NBD_EINVAL, "a context that was not chosen, or "
                                         "twice"};
        job->ids[job->n_ids++] = id;
    }
    return REQUEST_FINE;
}

/* The payload of block status; *@ret < 0: the connection is lost. */
static Refusal
request_co_filter(NbdJob *job, int *ret)
{
    NbdClient *client = job->client;
    uint64_t len = job->req.len;
    g_autofree uint8_t *bytes = NULL;

    if (len < 12 || (len - 8) % 4 != 0 || (len - 8) / 4 > REQUEST_FILTER_IDS) {
        *ret = len > REQUEST_SKIP_MAX
                   ? -EMSGSIZE
                   : vio_stream_co_skip(client->stream, len,
                                        vd_nbd_client_reading(client));
        return (Refusal){NBD_EINVAL, "a payload of the wrong length"};
    }
    bytes = g_malloc(len);
    *ret = vio_stream_co_read(client->stream, bytes, len,
                              vd_nbd_client_reading(client));
    if (*ret < 0)
        return REQUEST_FINE;
    job->len = vio_get_be64(bytes);
    return filter_take_ids(job, bytes + 8, (unsigned) (len - 8) / 4);
}

/* The request is not done: whatever follows its header goes, and it is
 * answered.  False: that is the end. */
static bool
request_co_refuse(NbdJob *job, bool skip, Refusal why)
{
    NbdClient *client = job->client;
    uint64_t len = skip ? job->req.len : 0;
    bool go_on = len <= REQUEST_SKIP_MAX;

    if (go_on && len > 0 &&
        vio_stream_co_skip(client->stream, len, vd_nbd_client_reading(client)) <
            0) {
        vd_nbd_job_free(job);
        return false;
    }
    go_on = vd_nbd_reply_co_error(job, why.error, why.text) && go_on;
    vd_nbd_job_free(job);
    return go_on;
}

static bool
request_co_receive(NbdJob *job)
{
    NbdClient *client = job->client;
    struct iovec iov;
    VioVec dst;
    int ret;

    job->buf = vio_co_buffer_get(client->server->loop, job->len);
    dst = vio_vec_from_buf(&iov, job->buf, job->len);
    vd_nbd_transfer_begin(client);
    ret = vio_stream_co_readv(client->stream, &dst,
                              vd_nbd_client_reading(client));
    vd_nbd_transfer_end(client);
    return ret == 0;
}

/* -- one request ----------------------------------------------------------- */

static void
request_co_wait_turn(NbdClient *client, unsigned command)
{
    while (client->in_flight >= client->server->params.max_requests ||
           (command == NBD_CMD_BLOCK_STATUS &&
            client->statuses >= REQUEST_STATUSES))
        vio_co_queue_wait(&client->less);
}

static uint64_t
request_memory(const NbdJob *job)
{
    switch (job->req.command) {
    case NBD_CMD_READ:
    case NBD_CMD_WRITE:
        return job->len;
    case NBD_CMD_CACHE:
        return MIN(job->len, REQUEST_CACHE_BYTES);
    default:
        return 0;
    }
}

/* A good request; @payload: it still has one.  False: that is the end. */
static bool
request_co_start(NbdJob *job, bool payload)
{
    NbdClient *client = job->client;
    uint64_t memory = request_memory(job);

    request_co_wait_turn(client, job->req.command);
    if (memory > 0 && !vd_nbd_memory_co_take(client, memory))
        return request_co_refuse(
            job, payload, (Refusal){NBD_ESHUTDOWN, "the server shuts down"});
    job->reserved = memory;
    if (payload && job->len > 0 && !request_co_receive(job)) {
        vd_nbd_job_free(job);
        return false;
    }
    vd_nbd_job_start(job);
    return true;
}

static bool
request_co_handle(NbdClient *client, const NbdRequest *req)
{
    NbdJob *job = g_new0(NbdJob, 1);
    bool payload = request_has_payload(client, req);
    Refusal why;
    int ret = 0;

    *job = (NbdJob){.client = client, .req = *req, .len = req->len};
    client->server->stats.requests++;
    why = client->server->stopping
              ? (Refusal){NBD_ESHUTDOWN, "the server shuts down"}
              : request_check_words(client, req);
    if (why.error == 0 && payload && req->command == NBD_CMD_BLOCK_STATUS) {
        why = request_co_filter(job, &ret);
        payload = false;
    }
    if (ret < 0) {
        vd_nbd_job_free(job);
        return false;
    }
    if (why.error == 0)
        why = request_check_range(job);
    if (why.error != 0)
        return request_co_refuse(job, payload, why);
    return request_co_start(job, payload);
}

/* 0, or why there is none. */
static int
requests_co_next(NbdClient *client, NbdRequest *req)
{
    size_t size = nbd_request_size(client->headers);
    const void *bytes;
    size_t available;
    int ret;

    do /* cancelled: the server stops, and what has come is still answered */
        ret = vio_stream_co_peek(client->stream, size, &bytes, &available,
                                 vd_nbd_client_reading(client));
    while (ret == -ECANCELED);
    if (ret < 0)
        return ret;
    if (!nbd_get_request(client->headers, bytes, req))
        return -EBADMSG;
    vio_stream_consume(client->stream, size);
    return 0;
}

bool
vd_nbd_requests_co_run(NbdClient *client)
{
    NbdRequest req;
    int ret;

    while ((ret = requests_co_next(client, &req)) == 0) {
        if (req.command == NBD_CMD_DISC)
            return true;
        if (!request_co_handle(client, &req))
            return false;
    }
    return ret == -ETIMEDOUT; /* the server stops */
}
