/* SPDX-License-Identifier: BSD-3-Clause */
/* io/stream-read.c - the reading side of a stream.
 *
 * One buffer takes what comes.  A payload that is not in it goes straight to
 * its place, and the buffer hangs behind it in the same call, so that the
 * headers that follow come along; large payloads are left to the kernel to
 * complete, which wakes us once.  Where payloads are long, the buffer takes
 * only what a header needs: what it takes of the next payload is copied twice.
 *
 * Concurrency: one reader coroutine at a time.
 */
#include "io/stream.h"

#include <errno.h>
#include <string.h>

#include "io/stream-internal.h"

/* From here on a payload is asked for whole, without what follows it. */
#define READ_WHOLE (128u << 10)
/* From here on the next one is likely to be long, too: no more is read ahead
 * than a few headers. */
#define READ_LONG (16u << 10)
#define AHEAD_OF_LONG 512u

static size_t
iov_bytes(const struct iovec *iov, int niov)
{
    size_t bytes = 0;

    for (int i = 0; i < niov; i++)
        bytes += iov[i].iov_len;
    return bytes;
}

/* A try without waiting is worth it only if the last read did not show that
 * nothing was left. */
ssize_t
vio_stream_co_raw_read(VioStream *stream, struct iovec *iov, int niov, bool all,
                       VioCancel *cancel)
{
    ssize_t n = -EAGAIN;

    if (!stream->drained) {
        n = vio_port_read_now(&stream->in, iov, niov);
        stream->stats.recvs++;
    }
    if (n == -EAGAIN) {
        n = vio_port_co_read(&stream->in, iov, niov, all, cancel);
        stream->stats.recvs++;
    }
    if (n > 0) {
        stream->stats.bytes_in += (size_t) n;
        stream->drained = (size_t) n < iov_bytes(iov, niov);
    }
    return n;
}

/* The first bytes of @iov, waiting for one.  A count, 0 at the end of file,
 * -errno. */
static ssize_t
rx_co_receive(VioStream *stream, struct iovec *iov, int niov, bool all,
              VioCancel *cancel)
{
    if (stream->tls)
        return vio_stream_tls_co_read(stream, iov, niov, cancel);
    return vio_stream_co_raw_read(stream, iov, niov, all, cancel);
}

/* What keeps a call from beginning. */
static int
rx_check(VioStream *stream, VioCancel *cancel)
{
    if (stream->aborted)
        return -ESHUTDOWN;
    if (stream->rx_error)
        return stream->rx_error;
    return vio_cancel_check(cancel);
}

/* @n is not a count of bytes: 0 is the end.  @begun: part of what was wanted
 * has been taken, so that nothing can go on from here. */
static int
rx_fail(VioStream *stream, ssize_t n, bool begun)
{
    int err = (int) n;

    if (n == 0)
        err = begun ? -ECONNRESET : -ENODATA;
    if (begun)
        stream->rx_error = err;
    return err;
}

size_t
vio_stream_buffered(const VioStream *stream)
{
    return stream->tail - stream->head;
}

void
vio_stream_consume(VioStream *stream, size_t len)
{
    g_assert(len <= vio_stream_buffered(stream));
    stream->head += len;
    if (stream->head == stream->tail)
        stream->head = stream->tail = 0;
}

/* The free end of the buffer, with room for @want bytes in all. */
static struct iovec
rx_room(VioStream *stream, size_t want)
{
    size_t have = vio_stream_buffered(stream);

    if (!stream->buf)
        stream->buf = g_malloc(STREAM_BUFFER);
    if (STREAM_BUFFER - stream->head < want) {
        memmove(stream->buf, stream->buf + stream->head, have);
        stream->head = 0;
        stream->tail = have;
    }
    return (struct iovec){
        .iov_base = stream->buf + stream->tail,
        .iov_len = STREAM_BUFFER - stream->tail,
    };
}

/* Not far into a long payload. */
static void
rx_limit_ahead(const VioStream *stream, struct iovec *room, size_t needed)
{
    if (stream->brief)
        room->iov_len = MIN(room->iov_len, MAX(needed, AHEAD_OF_LONG));
}

/* What follows a payload is taken to be like it; heads say nothing. */
static void
rx_expect_like(VioStream *stream, size_t len)
{
    if (len > AHEAD_OF_LONG)
        stream->brief = len >= READ_LONG;
}

int
vio_stream_co_peek(VioStream *stream, size_t want, const void **bytes,
                   size_t *available, VioCancel *cancel)
{
    int ret = rx_check(stream, cancel);

    g_assert(want <= VIO_STREAM_MAX_PEEK);
    if (ret != 0)
        return ret;
    while (vio_stream_buffered(stream) < want) {
        struct iovec room = rx_room(stream, want);
        ssize_t n;

        rx_limit_ahead(stream, &room, want - vio_stream_buffered(stream));
        stream->brief = false; /* once: something else may come */
        n = rx_co_receive(stream, &room, 1, false, cancel);
        if (n == 0)
            return rx_fail(stream, n, vio_stream_buffered(stream) > 0);
        if (n < 0)
            return (int) n;
        stream->tail += (size_t) n;
    }
    *bytes = stream->buf + stream->head;
    *available = vio_stream_buffered(stream);
    return 0;
}

/* Move what is buffered of the first bytes of @rest there. */
static void
rx_take_buffered(VioStream *stream, VioVec *rest)
{
    size_t n = MIN(vio_stream_buffered(stream), rest->len);
    VioVec dst = vio_vec_slice(rest, 0, n);

    if (n == 0)
        return;
    vio_vec_copy_in(&dst, stream->buf + stream->head);
    vio_stream_consume(stream, n);
    *rest = vio_vec_slice(rest, n, rest->len - n);
}

/* Receive some of @rest; the buffer is empty.  As rx_co_receive(). */
static ssize_t
rx_co_direct(VioStream *stream, VioVec *rest, VioCancel *cancel)
{
    struct iovec iov[STREAM_IOVS];
    size_t bytes, direct;
    int niov = vio_vec_fill(rest, iov, STREAM_IOVS - 1, &bytes);
    bool whole = bytes >= READ_WHOLE;
    ssize_t n;

    if (!whole && bytes == rest->len) {
        iov[niov] = rx_room(stream, STREAM_BUFFER);
        rx_limit_ahead(stream, &iov[niov++], 0);
    }
    n = rx_co_receive(stream, iov, niov, whole, cancel);
    if (n <= 0)
        return n;
    direct = MIN((size_t) n, bytes);
    stream->tail += (size_t) n - direct;
    *rest = vio_vec_slice(rest, direct, rest->len - direct);
    return n;
}

int
vio_stream_co_readv(VioStream *stream, const VioVec *dst, VioCancel *cancel)
{
    int ret = rx_check(stream, cancel);
    VioVec rest = *dst;

    if (ret != 0)
        return ret;
    rx_expect_like(stream, dst->len);
    rx_take_buffered(stream, &rest);
    while (rest.len > 0) {
        ssize_t n = rx_co_direct(stream, &rest, cancel);

        if (n <= 0)
            return rx_fail(stream, n, rest.len < dst->len);
    }
    return 0;
}

int
vio_stream_co_read(VioStream *stream, void *buf, size_t len, VioCancel *cancel)
{
    struct iovec iov;
    VioVec dst = vio_vec_from_buf(&iov, buf, len);

    return vio_stream_co_readv(stream, &dst, cancel);
}

int
vio_stream_co_skip(VioStream *stream, uint64_t len, VioCancel *cancel)
{
    int ret = rx_check(stream, cancel);
    uint64_t left = len;

    if (ret != 0)
        return ret;
    while (left > 0) {
        size_t n = (size_t) MIN(left, vio_stream_buffered(stream));
        struct iovec room;
        ssize_t got;

        vio_stream_consume(stream, n);
        left -= n;
        if (left == 0)
            break;
        room = rx_room(stream, STREAM_BUFFER);
        got = rx_co_receive(stream, &room, 1, false, cancel);
        if (got <= 0)
            return rx_fail(stream, got, left < len);
        stream->tail += (size_t) got;
    }
    return 0;
}
