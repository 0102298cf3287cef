/* SPDX-License-Identifier: BSD-3-Clause */
/* io/stream-tls.c - TLS between a stream and its ports.
 *
 * The handshake, with its public-key arithmetic and its unknown need of stack,
 * runs on a worker.  Records are made and opened where they are needed: 16 KiB
 * take about 4 us, less than handing them over.
 *
 * Concurrency: coroutines of the stream's loop, and its end of a turn.
 */
#include "io/stream.h"

#include <errno.h>

#include "io/offload.h"
#include "io/stream-internal.h"
#include "io/tls-internal.h"

/* -- reading -------------------------------------------------------------- */

/* Fill @iov as far as the records go.  A count, or what the library says
 * before the first byte. */
static ssize_t
tls_open_records(VioTlsSession *tls, const struct iovec *iov, int niov)
{
    const VioTlsOps *ops = vio_tls_ops();
    size_t total = 0;

    for (int i = 0; i < niov; i++)
        for (size_t done = 0; done < iov[i].iov_len;) {
            ssize_t n = ops->decrypt(tls, (uint8_t *) iov[i].iov_base + done,
                                     iov[i].iov_len - done);

            if (n <= 0) /* it says so again next time */
                return total > 0 ? (ssize_t) total : n;
            done += (size_t) n;
            total += (size_t) n;
        }
    return (ssize_t) total;
}

/* Receive into the session's buffer, which is empty.  A count, 0, -errno. */
static ssize_t
tls_co_fill(VioStream *stream, VioTlsSession *tls, VioCancel *cancel)
{
    struct iovec iov = {tls->in.data, tls->in.size};
    ssize_t n;
    int ret;

    g_assert(vio_tls_buffer_used(&tls->in) == 0);
    n = vio_stream_co_raw_read(stream, &iov, 1, false, cancel);
    if (n > 0)
        tls->in.tail = (size_t) n;
    if (n == 0 || n == -ECONNRESET) {
        ret = vio_tls_ops()->end(tls);
        if (n == 0)
            n = ret;
    }
    return n;
}

ssize_t
vio_stream_tls_co_read(VioStream *stream, const struct iovec *iov, int niov,
                       VioCancel *cancel)
{
    VioTlsSession *tls = stream->tls;
    ssize_t n;

    for (;;) {
        n = tls_open_records(tls, iov, niov);
        /* It may have something to answer, to a change of keys or in anger. */
        if (vio_tls_buffer_used(&tls->out) > 0)
            vio_stream_tx_kick(stream);
        if (n != -EAGAIN)
            return n;
        n = tls_co_fill(stream, tls, cancel);
        if (n <= 0)
            return n;
    }
}

/* -- writing -------------------------------------------------------------- */

bool
vio_stream_tls_is_sent(const VioStream *stream)
{
    return !stream->tls || vio_tls_buffer_used(&stream->tls->out) == 0;
}

int
vio_stream_tls_seal(VioStream *stream, const void *bytes, size_t len)
{
    return vio_tls_ops()->encrypt(stream->tls, bytes, len);
}

bool
vio_stream_tls_has_room(const VioStream *stream)
{
    return stream->tls->out.tail < VIO_TLS_OUT;
}

void
vio_stream_tls_goodbye(VioStream *stream)
{
    vio_tls_ops()->goodbye(stream->tls);
}

int
vio_stream_tls_records(VioStream *stream, struct iovec *iov, size_t *bytes)
{
    VioTlsBuffer *out = &stream->tls->out;

    *bytes = vio_tls_buffer_used(out);
    iov->iov_base = out->data + out->head;
    iov->iov_len = *bytes;
    return *bytes > 0;
}

void
vio_stream_tls_sent(VioStream *stream, size_t len)
{
    vio_tls_buffer_consume(&stream->tls->out, len);
}

/* -- handshake ------------------------------------------------------------ */

typedef struct TlsStep {
    VioTlsSession *tls;
    int ret;
} TlsStep;

static void
tls_step(void *opaque)
{
    TlsStep *step = opaque;

    step->ret = vio_tls_ops()->handshake(step->tls);
}

/* Nobody else writes: send what the handshake wants to say. */
static int
tls_co_send_out(VioStream *stream, VioTlsSession *tls, VioCancel *cancel)
{
    while (vio_tls_buffer_used(&tls->out) > 0) {
        struct iovec iov = {tls->out.data + tls->out.head,
                            vio_tls_buffer_used(&tls->out)};
        ssize_t n = vio_port_co_write(&stream->out, &iov, 1, cancel);

        stream->stats.sends++;
        if (n < 0)
            return (int) n;
        stream->stats.bytes_out += (size_t) n;
        vio_tls_buffer_consume(&tls->out, (size_t) n);
    }
    return 0;
}

/* One step.  0 when it was the last, -EAGAIN, -errno. */
static int
tls_co_step(VioStream *stream, VioTlsSession *tls, VioCancel *cancel)
{
    TlsStep step = {.tls = tls};
    ssize_t n;
    int ret;

    vio_co_offload(stream->loop, tls_step, &step);
    /* Also after a failure: it tells the other end why. */
    ret = tls_co_send_out(stream, tls, cancel);
    if (step.ret != -EAGAIN)
        return step.ret == 0 ? ret : step.ret;
    if (ret != 0)
        return ret;
    n = tls_co_fill(stream, tls, cancel);
    if (n == 0)
        return -ECONNRESET;
    return n < 0 ? (int) n : -EAGAIN;
}

static int
tls_co_begin(VioStream *stream, VioCancel *cancel)
{
    int ret = vio_stream_co_flush(stream, cancel);

    if (ret != 0)
        return ret;
    /* What lies here came in clear, perhaps from somebody in the middle. */
    return vio_stream_buffered(stream) > 0 ? -EBADMSG : 0;
}

int
vio_stream_co_start_tls(VioStream *stream, VioTlsSession *tls,
                        VioCancel *cancel)
{
    int ret;

    g_assert(!stream->tls_owned);
    stream->tls_owned = tls;
    ret = tls_co_begin(stream, cancel);
    stream->handshaking = true;
    while (ret == 0 && !tls->done) {
        ret = tls_co_step(stream, tls, cancel);
        if (ret == -EAGAIN)
            ret = 0;
    }
    stream->handshaking = false;
    if (ret == 0 && stream->aborted)
        ret = -ESHUTDOWN;
    if (ret == 0) {
        stream->tls = tls;
        return 0;
    }
    stream->rx_error = ret;
    vio_stream_tx_fail(stream, ret);
    return ret;
}

/* Bytes in clear that were taken for TLS would be lost, and so would be
 * deciphered ones that somebody in the middle might put into what follows. */
static int
tls_co_quiesce(VioStream *stream, VioCancel *cancel)
{
    int ret = vio_stream_co_flush(stream, cancel);

    if (ret != 0)
        return ret;
    if (stream->rx_error)
        return stream->rx_error;
    return vio_stream_buffered(stream) > 0 ||
                   vio_tls_ops()->has_more(stream->tls)
               ? -EBADMSG
               : 0;
}

int
vio_stream_co_leave_tls(VioStream *stream, VioCancel *cancel)
{
    int ret;

    g_assert(stream->tls);
    ret = tls_co_quiesce(stream, cancel);
    if (ret != 0) {
        stream->rx_error = ret;
        vio_stream_tx_fail(stream, ret);
        return ret;
    }
    stream->tls = NULL;
    g_clear_pointer(&stream->tls_owned, vio_tls_session_free);
    return 0;
}

const char *
vio_stream_tls_why(const VioStream *stream)
{
    return stream->tls_owned ? vio_tls_session_why(stream->tls_owned) : NULL;
}
