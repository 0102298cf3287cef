/* SPDX-License-Identifier: BSD-3-Clause */
/* io/stream.h - the bytes of one connection, both ways, plain or in TLS.
 *
 * Made for protocols with many small messages under way: reading is buffered,
 * so that one system call brings many headers; what all coroutines send in one
 * turn of the loop leaves in one system call at its end; large payloads go
 * between the socket and the caller's memory.
 *
 * Measured, requests of 28 bytes and replies of 16 over TCP: an end makes 2
 * system calls a request with io_uring if one request is under way (a send
 * without waiting, the wait that brings the answer), 4 with threads, 0.06 and
 * 0.12 if 32 are.  Receiving is tried without waiting only if the last time
 * brought all that was asked for: else the try would come back with nothing.
 * In TLS a core seals or opens about 3 GiB/s (AES-GCM), so 16 KiB take less
 * than handing them to a worker would.
 *
 * Calls return 0 or -errno.  @cancel may be NULL; when it fires a call ends
 * with -ECANCELED, or -ETIMEDOUT if its deadline has passed.  A call that was
 * cancelled in the middle leaves the stream out of step: that direction fails
 * from then on (see each call).
 *
 * Concurrency: coroutines of the stream's loop.
 */
#pragma once

#include "io/cancel.h"
#include "io/loop.h"
#include "io/tls.h"
#include "io/vec.h"

#define VIO_STREAM_MAX_PEEK 4096u       /* bytes */
#define VIO_STREAM_COPIED (16u << 10)   /* largest message that is copied */
#define VIO_STREAM_WAITING (256u << 10) /* copied bytes that may wait */

typedef struct VioStream VioStream;

/* Takes over both descriptors, sockets or pipes, which may be the same.  A
 * socket should be in blocking mode: it costs less (the kernel waits itself);
 * no call ever blocks. */
VioStream *vio_stream_new(VioLoop *loop, int in_fd, int out_fd);

/* Closes.  No call may be under way.  What was sent and not flushed may be
 * lost; what the kernel still works at is seen to in the background, by a
 * coroutine, for which the loop has to run on: where that is not sure (before
 * vio_loop_free) use vio_stream_co_close(). */
void vio_stream_free(VioStream *stream);

/* Abort, wait until nothing is under way, free.  The reader must have left. */
void vio_stream_co_close(VioStream *stream);

/* Whoever reads or writes, now or later, gets -ESHUTDOWN at once. */
void vio_stream_abort(VioStream *stream);

/* The same; and what the other end has not got it shall not get any more, as
 * far as that is in our hands (TCP, once the stream is closed).  For a
 * connection that is given up while requests are under way: one that is sent
 * again on another connection must not be done here long after. */
void vio_stream_reset(VioStream *stream);

VioLoop *vio_stream_loop(const VioStream *stream);

typedef struct VioStreamStats {
    uint64_t recvs, sends;        /* system calls or ring requests */
    uint64_t bytes_in, bytes_out; /* on the wire */
} VioStreamStats;

void vio_stream_get_stats(const VioStream *stream, VioStreamStats *stats);

/* -- TLS ------------------------------------------------------------------ */

/* Go on in TLS; for both ends.  Takes @tls over.  Nobody else may be reading
 * or sending, and nothing may have come that was not read: it would be clear
 * text taken for enciphered (-EBADMSG).  -EPROTO: no agreement or no trust,
 * -EKEYREJECTED: a thumbprint was asked for, and it is another one; see
 * vio_stream_tls_why().  After a failure the stream is of no use any more. */
int vio_stream_co_start_tls(VioStream *stream, VioTlsSession *tls,
                            VioCancel *cancel);

/* Go on in clear, or with another session, where the protocol says so: what was
 * sent leaves, nobody takes leave, and the session is gone.  Nobody else may be
 * reading or sending.  -EBADMSG: more has come in TLS than was read, or behind
 * it; the stream is of no use any more then, as after any failure. */
int vio_stream_co_leave_tls(VioStream *stream, VioCancel *cancel);

/* What went wrong with TLS, in words, or NULL; also after reading failed: a
 * server may refuse a client's certificate after the handshake. */
const char *vio_stream_tls_why(const VioStream *stream);

/* -- reading: one coroutine at a time ------------------------------------- */

/* End of file before the first byte that was wanted is -ENODATA, after it
 * -ECONNRESET.  In TLS both ends look the same whether or not the other end
 * took leave (close_notify): a protocol with an end of its own knows. */

/* Wait until at least @want bytes (<= VIO_STREAM_MAX_PEEK) are in the buffer.
 * *@bytes and all *@available of them are valid until the next call of the
 * reader.  Cancelling it loses nothing. */
int vio_stream_co_peek(VioStream *stream, size_t want, const void **bytes,
                       size_t *available, VioCancel *cancel);

/* Drop @len bytes, which must be in the buffer. */
void vio_stream_consume(VioStream *stream, size_t len);

/* All of it.  If it fails after the first byte, cancelled or otherwise, the
 * reading side stays failed. */
int vio_stream_co_read(VioStream *stream, void *buf, size_t len,
                       VioCancel *cancel);
int vio_stream_co_readv(VioStream *stream, const VioVec *dst,
                        VioCancel *cancel);
int vio_stream_co_skip(VioStream *stream, uint64_t len, VioCancel *cancel);

/* Bytes received (and deciphered) that nobody has consumed. */
size_t vio_stream_buffered(const VioStream *stream);

/* -- writing: any number of coroutines ------------------------------------ */

/* The bytes of one call go out in one piece, in the order of the calls.  Up to
 * VIO_STREAM_COPIED bytes (head and payload) are copied and the call returns
 * at once; they leave at the end of the turn.  If more, or if more than
 * VIO_STREAM_WAITING copied bytes wait already, it returns when all are out
 * and the memory is free again.
 *
 * A failure stays: all later calls return it.  Cancelling takes a message back
 * that has not begun to leave; if it has, the stream is out of step and
 * writing fails from then on. */
int vio_stream_co_send(VioStream *stream, const void *head, size_t head_len,
                       const VioVec *payload, VioCancel *cancel);

/* Writing fails with -ETIMEDOUT once the other end has taken nothing for so
 * long (0 = never, as at first), while something waits to be sent. */
void vio_stream_set_send_timeout(VioStream *stream, uint64_t ns);
/* Something waits that the kernel has not taken yet. */
bool vio_stream_is_sending(const VioStream *stream);

/* Wait until all that was sent before is with the kernel. */
int vio_stream_co_flush(VioStream *stream, VioCancel *cancel);

/* The last thing written: flush, take leave (TLS), tell the other end that no
 * more will come.  Later sends fail with -EPIPE.  Reading goes on. */
int vio_stream_co_end(VioStream *stream, VioCancel *cancel);
