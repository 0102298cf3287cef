/* SPDX-License-Identifier: BSD-3-Clause */
/* io/stream.c - life of a stream.
 *
 * Concurrency: coroutines of the stream's loop.
 */
#include "io/stream.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/stream-internal.h"

VioStream *
vio_stream_new(VioLoop *loop, int in_fd, int out_fd)
{
    VioStream *stream = g_new0(VioStream, 1);

    stream->loop = loop;
    vio_port_init(&stream->in, loop, in_fd);
    vio_port_init(&stream->out, loop, out_fd);
    vio_stream_tx_init(stream);
    return stream;
}

void
vio_stream_abort(VioStream *stream)
{
    if (stream->aborted)
        return;
    stream->aborted = true;
    vio_port_stop(&stream->in);
    vio_port_stop(&stream->out);
    vio_stream_tx_fail(stream, -ESHUTDOWN);
}

void
vio_stream_reset(VioStream *stream)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    if (stream->out.socket)
        (void) setsockopt(stream->out.fd, SOL_SOCKET, SO_LINGER, &at_once,
                          sizeof(at_once)); /* or else as any other */
    vio_stream_abort(stream);
}

/* Everything but what a pump still uses has been left. */
static void
stream_destroy(VioStream *stream)
{
    vio_stream_tx_clear(stream);
    (void) close(stream->in.fd);
    if (stream->out.fd >= 0 && stream->out.fd != stream->in.fd)
        (void) close(stream->out.fd);
    vio_tls_session_free(stream->tls_owned);
    g_free(stream->buf);
    g_free(stream);
}

void
vio_stream_free(VioStream *stream)
{
    if (!stream)
        return;
    g_assert(!stream->in.op);
    vio_stream_abort(stream);
    if (stream->pumping)
        stream->freed = true; /* the pump comes back here */
    else
        stream_destroy(stream);
}

void
vio_stream_co_close(VioStream *stream)
{
    if (!stream)
        return;
    vio_stream_abort(stream);
    while (stream->pumping)
        vio_co_queue_wait(&stream->closing);
    vio_stream_free(stream);
}

VioLoop *
vio_stream_loop(const VioStream *stream)
{
    return stream->loop;
}

void
vio_stream_get_stats(const VioStream *stream, VioStreamStats *stats)
{
    *stats = stream->stats;
}
