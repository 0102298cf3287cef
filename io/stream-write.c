/* SPDX-License-Identifier: BSD-3-Clause */
/* io/stream-write.c - the writing side of a stream.
 *
 * Messages queue up while the coroutines of a turn run.  At its end, or with a
 * long message, tx_late() sends what the kernel takes without waiting.  For the
 * rest a coroutine, the pump, is started; it ends when the queue is empty.
 *
 *     send -> queue -> tx_late, once a turn -> all gone
 *                           |
 *                           +-> kernel full: pump until all gone
 *
 * Failing drops the queue, but never while the kernel may still read memory of
 * a sender: then the pump is stopped and drops it when it comes back.
 *
 * Concurrency: any number of coroutines of the stream's loop; tx_late() and
 * cancelling run outside of any.
 */
#include "io/stream.h"

#include <errno.h>
#include <string.h>

#include "io/cancel-internal.h"
#include "io/stream-internal.h"
#include "io/tls-internal.h"

/* One who waits for its message, on its stack. */
struct StreamSender {
    VioWatch watch; /* first */
    VioStream *stream;
    StreamNode node;
    VioCo *co;
    bool done, asleep;
    int result;
};

typedef struct TxChunk {
    StreamNode node; /* first; node.head points into data */
    size_t used;
    uint8_t data[STREAM_CHUNK];
} TxChunk;

/* -- queue ---------------------------------------------------------------- */

static void
tx_append(VioStream *stream, StreamNode *node)
{
    node->next = NULL;
    *stream->last = node;
    stream->last = &node->next;
}

static void
tx_unlink(VioStream *stream, StreamNode *node)
{
    StreamNode **link = &stream->first;

    while (*link != node)
        link = &(*link)->next;
    *link = node->next;
    if (!*link)
        stream->last = link;
}

static void
tx_chunk_free(VioStream *stream, StreamNode *node)
{
    stream->copied -= node->head_len;
    if (stream->spare)
        g_free(node);
    else
        stream->spare = node;
}

/* @node has left the queue. */
static void
tx_finish(VioStream *stream, StreamNode *node, int result)
{
    StreamSender *sender = node->sender;

    if (!sender) {
        tx_chunk_free(stream, node);
        return;
    }
    sender->result = result;
    sender->done = true;
    vio_watch_remove(&sender->watch);
    if (sender->asleep)
        vio_co_wake(sender->co);
}

static void
tx_drop(VioStream *stream)
{
    StreamNode *node;

    while ((node = stream->first) != NULL) {
        tx_unlink(stream, node);
        tx_finish(stream, node, stream->tx_error);
    }
}

void
vio_stream_tx_fail(VioStream *stream, int err)
{
    if (!stream->tx_error)
        stream->tx_error = err;
    if (stream->pumping)
        vio_port_stop(&stream->out);
    else
        tx_drop(stream);
}

/* -- copied bytes --------------------------------------------------------- */

static TxChunk *
tx_chunk_add(VioStream *stream)
{
    StreamNode *spare = g_steal_pointer(&stream->spare);
    TxChunk *chunk = spare ? (TxChunk *) spare : g_new(TxChunk, 1);

    chunk->node = (StreamNode){.head = chunk->data};
    chunk->used = 0;
    tx_append(stream, &chunk->node);
    return chunk;
}

/* The last in the queue if it is a chunk with room, else a new one. */
static TxChunk *
tx_chunk_open(VioStream *stream)
{
    StreamNode *node;

    if (!stream->first)
        return tx_chunk_add(stream);
    node = (StreamNode *) ((char *) stream->last - offsetof(StreamNode, next));
    if (node->sender || ((TxChunk *) node)->used == STREAM_CHUNK)
        return tx_chunk_add(stream);
    return (TxChunk *) node;
}

static void
tx_copy(VioStream *stream, VioVec rest)
{
    while (rest.len > 0) {
        TxChunk *chunk = tx_chunk_open(stream);
        size_t n = MIN(rest.len, STREAM_CHUNK - chunk->used);
        VioVec part = vio_vec_slice(&rest, 0, n);

        vio_vec_copy_out(&part, chunk->data + chunk->used);
        chunk->used += n;
        chunk->node.head_len += n;
        stream->copied += n;
        rest = vio_vec_slice(&rest, n, rest.len - n);
    }
}

/* -- sending -------------------------------------------------------------- */

/* True if @node, the first, has nothing more to do. */
static bool
tx_is_out(const VioStream *stream, const StreamNode *node)
{
    if (node->head_len > 0 || node->rest.len > 0)
        return false;
    if (stream->tls && node->goodbye)
        return false;
    return !node->flush || vio_stream_tls_is_sent(stream);
}

/* Let go what is out, down to the first that is not. */
static void
tx_pop(VioStream *stream)
{
    StreamNode *node;

    while ((node = stream->first) != NULL && tx_is_out(stream, node)) {
        tx_unlink(stream, node);
        tx_finish(stream, node, 0);
    }
}

static void
tx_consume(VioStream *stream, size_t n)
{
    while (n > 0) {
        StreamNode *node = stream->first;
        size_t head = MIN(n, node->head_len);
        size_t rest = MIN(n - head, node->rest.len);

        if (!node->sender)
            stream->copied -= head;
        if (head > 0) /* there may be none at all */
            node->head += head;
        node->head_len -= head;
        node->rest = vio_vec_slice(&node->rest, rest, node->rest.len - rest);
        n -= head + rest;
        tx_pop(stream);
    }
}

/* Make records of what waits, as long as there is room.  0 or -errno. */
static int
tx_seal(VioStream *stream)
{
    StreamNode *node;

    while ((node = stream->first) != NULL && vio_stream_tls_has_room(stream)) {
        struct iovec piece = {(void *) node->head, node->head_len};
        int ret;

        if (node->head_len == 0)
            (void) vio_vec_fill(&node->rest, &piece, 1, NULL);
        if (node->goodbye) {
            vio_stream_tls_goodbye(stream);
            node->goodbye = false;
        }
        if (node->flush)
            break; /* until the records are out */
        node->begun = true;
        piece.iov_len = MIN(piece.iov_len, VIO_TLS_RECORD);
        ret = vio_stream_tls_seal(stream, piece.iov_base, piece.iov_len);
        if (ret != 0)
            return ret;
        tx_consume(stream, piece.iov_len);
    }
    return 0;
}

static int
tx_gather_records(VioStream *stream, struct iovec *iov, size_t *bytes)
{
    int ret = vio_stream_tls_is_sent(stream) ? tx_seal(stream) : 0;

    tx_pop(stream); /* a good-bye that was not worth a record */
    return ret != 0 ? ret : vio_stream_tls_records(stream, iov, bytes);
}

/* What goes down next, in up to STREAM_IOVS pieces; returns how many, or
 * -errno. */
static int
tx_gather(VioStream *stream, struct iovec *iov, size_t *bytes)
{
    int n = 0;

    *bytes = 0;
    tx_pop(stream);
    if (stream->tls)
        return tx_gather_records(stream, iov, bytes);
    for (StreamNode *node = stream->first; node && n < STREAM_IOVS;
         node = node->next) {
        size_t len;

        node->begun = node->head_len + node->rest.len > 0;
        if (node->head_len > 0) {
            iov[n].iov_base = (void *) node->head;
            iov[n++].iov_len = node->head_len;
            *bytes += node->head_len;
        }
        n += vio_vec_fill(&node->rest, iov + n, STREAM_IOVS - n, &len);
        *bytes += len;
        if (len < node->rest.len)
            break;
    }
    return n;
}

/* @ret is what the port said.  True if all is well. */
static bool
tx_account(VioStream *stream, ssize_t ret)
{
    stream->stats.sends++;
    if (ret < 0)
        return false;
    stream->stats.bytes_out += (size_t) ret;
    if (stream->tls)
        vio_stream_tls_sent(stream, (size_t) ret);
    else
        tx_consume(stream, (size_t) ret);
    return true;
}

/* Cancelling a transfer that has moved something ends it with what it has
 * moved, so that the next one has all the time again. */
static ssize_t
tx_co_write(VioStream *stream, struct iovec *iov, int niov)
{
    g_autoptr(VioCancel) deadline = NULL;

    if (stream->patience == 0)
        return vio_port_co_write(&stream->out, iov, niov, NULL);
    deadline = vio_cancel_new();
    vio_cancel_set_deadline(deadline, vio_now_ns() + stream->patience);
    return vio_port_co_write(&stream->out, iov, niov, deadline);
}

/* The coroutine entry: send until the queue is empty or all is lost. */
static void
tx_pump(void *opaque)
{
    VioStream *stream = opaque;
    struct iovec iov[STREAM_IOVS];
    size_t bytes;
    int niov = 0;

    while (!stream->tx_error && (niov = tx_gather(stream, iov, &bytes)) > 0) {
        ssize_t ret = tx_co_write(stream, iov, niov);

        if (!tx_account(stream, ret) && !stream->tx_error)
            stream->tx_error = (int) ret;
    }
    if (niov < 0 && !stream->tx_error)
        stream->tx_error = niov;
    stream->pumping = false;
    if (stream->tx_error)
        tx_drop(stream);
    vio_co_queue_wake_all(&stream->closing);
    if (stream->freed)
        vio_stream_free(stream);
}

static void
tx_start_pump(VioStream *stream)
{
    stream->pumping = true;
    vio_co_start(stream->loop, tx_pump, stream);
}

/* End of a turn: as much as goes without waiting. */
static void
tx_late(VioLate *late)
{
    VioStream *stream =
        (VioStream *) ((char *) late - offsetof(VioStream, late));
    struct iovec iov[STREAM_IOVS];
    size_t bytes;
    int niov;

    while ((niov = tx_gather(stream, iov, &bytes)) > 0) {
        ssize_t ret = vio_port_write_now(&stream->out, iov, niov);

        if (!tx_account(stream, ret) && ret != -EAGAIN) {
            vio_stream_tx_fail(stream, (int) ret);
            return;
        }
        if (ret < 0 || (size_t) ret < bytes) {
            tx_start_pump(stream);
            return;
        }
    }
    if (niov < 0)
        vio_stream_tx_fail(stream, niov);
}

void
vio_stream_tx_kick(VioStream *stream)
{
    if (!stream->pumping)
        vio_late_add(stream->loop, &stream->late);
}

/* What is long is worth a system call of its own: at the end of the turn it
 * might have left the processor's cache. */
static void
tx_kick_long(VioStream *stream)
{
    if (stream->pumping)
        return;
    vio_late_remove(&stream->late);
    stream->late.fn(&stream->late);
}

/* -- calls ---------------------------------------------------------------- */

static int
tx_check(const VioStream *stream, VioCancel *cancel)
{
    if (stream->aborted)
        return -ESHUTDOWN;
    if (stream->tx_error)
        return stream->tx_error;
    if (stream->handshaking)
        return -EBUSY;
    return stream->ended ? -EPIPE : vio_cancel_check(cancel);
}

static void
tx_cancelled(VioWatch *watch)
{
    StreamSender *sender = (StreamSender *) watch;
    int err = vio_cancel_check(watch->cancel);

    if (sender->node.begun) {
        vio_stream_tx_fail(sender->stream, err); /* and wait for the pump */
        return;
    }
    tx_unlink(sender->stream, &sender->node);
    tx_finish(sender->stream, &sender->node, err);
}

/* Queue @sender's message and wait until it is out.  Inlined it looks to gcc as
 * if the queue kept a pointer to a stack that is gone. */
static G_GNUC_NO_INLINE int
tx_co_queue(StreamSender *sender)
{
    VioStream *stream = sender->stream;

    tx_append(stream, &sender->node);
    if (sender->node.rest.len >= STREAM_LONG)
        tx_kick_long(stream);
    else
        vio_stream_tx_kick(stream);
    while (!sender->done) {
        sender->asleep = true;
        vio_co_yield();
    }
    return sender->result;
}

/* The message stays where it is until then. */
static int
tx_co_wait(VioStream *stream, StreamNode node, VioCancel *cancel)
{
    StreamSender sender = {
        .stream = stream,
        .node = node,
        .co = vio_co_self(),
    };
    int ret = vio_watch_add(&sender.watch, stream->loop, cancel, tx_cancelled);

    sender.node.sender = &sender;
    return ret != 0 ? ret : tx_co_queue(&sender);
}

int
vio_stream_co_send(VioStream *stream, const void *head, size_t head_len,
                   const VioVec *payload, VioCancel *cancel)
{
    StreamNode node = {.head = head, .head_len = head_len};
    struct iovec iov;
    int ret = tx_check(stream, cancel);

    if (ret != 0)
        return ret;
    if (payload)
        node.rest = *payload;
    if (node.rest.len > VIO_STREAM_COPIED ||
        head_len > VIO_STREAM_COPIED - node.rest.len ||
        stream->copied >= VIO_STREAM_WAITING)
        return tx_co_wait(stream, node, cancel);
    tx_copy(stream, vio_vec_from_buf(&iov, (void *) head, head_len));
    tx_copy(stream, node.rest);
    vio_stream_tx_kick(stream);
    return 0;
}

void
vio_stream_set_send_timeout(VioStream *stream, uint64_t ns)
{
    stream->patience = ns;
}

bool
vio_stream_is_sending(const VioStream *stream)
{
    return stream->pumping;
}

int
vio_stream_co_flush(VioStream *stream, VioCancel *cancel)
{
    StreamNode nothing = {.flush = true};
    int ret = tx_check(stream, cancel);

    if (ret != 0 || (!stream->first && vio_stream_tls_is_sent(stream)))
        return ret;
    return tx_co_wait(stream, nothing, cancel);
}

int
vio_stream_co_end(VioStream *stream, VioCancel *cancel)
{
    StreamNode goodbye = {.flush = true, .goodbye = true};
    int ret = tx_check(stream, cancel);

    if (ret != 0)
        return ret;
    stream->ended = true;
    ret = tx_co_wait(stream, goodbye, cancel);
    if (ret != 0)
        return ret;
    return vio_port_shut_write(&stream->out, stream->in.fd);
}

/* -- life ----------------------------------------------------------------- */

void
vio_stream_tx_init(VioStream *stream)
{
    stream->last = &stream->first;
    stream->late.fn = tx_late;
}

void
vio_stream_tx_clear(VioStream *stream)
{
    vio_late_remove(&stream->late);
    g_assert(!stream->first);
    g_free(stream->spare);
}
