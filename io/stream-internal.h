/* SPDX-License-Identifier: BSD-3-Clause */
/* io/stream-internal.h - the insides of a stream.
 *
 *     reader <- stream-read.c <-                            <- in port
 *                                [ stream-tls.c if in TLS ]
 *     writers -> stream-write.c ->                          -> out port
 */
#pragma once

#include "io/late.h"
#include "io/port.h"
#include "io/stream.h"
#include "io/sync.h"

#define STREAM_BUFFER (64u << 10) /* bytes read ahead */
#define STREAM_CHUNK (32u << 10)  /* copied bytes lie together */
#define STREAM_IOVS 64            /* in one system call */
#define STREAM_LONG (64u << 10)   /* payloads that do not wait for others */

typedef struct StreamSender StreamSender;

/* Something to be sent: copied bytes of any number of messages (no sender),
 * or one message in memory of who waits for it. */
typedef struct StreamNode {
    struct StreamNode *next;
    const uint8_t *head; /* not yet out */
    size_t head_len;
    VioVec rest;  /* not yet out, behind head */
    bool begun;   /* the kernel has or had some of it */
    bool flush;   /* not done before all in front of it is with the kernel */
    bool goodbye; /* TLS: say that no more will come */
    StreamSender *sender;
} StreamNode;

struct VioStream {
    VioLoop *loop;
    VioPort in, out;
    bool aborted, freed, handshaking;
    VioTlsSession *tls;       /* in use; NULL: in clear */
    VioTlsSession *tls_owned; /* also if its handshake is not over or failed */
    VioStreamStats stats;

    /* reading */
    uint8_t *buf; /* STREAM_BUFFER; made on first use */
    size_t head, tail;
    bool drained; /* the last read left nothing: waiting comes first */
    bool brief;   /* little is read ahead of the next payload, the next time */
    int rx_error;

    /* writing */
    StreamNode *first, **last;
    StreamNode *spare; /* an empty chunk, or NULL */
    size_t copied;     /* bytes in chunks that wait */
    uint64_t patience; /* ns without any of it going; 0 = for ever */
    VioLate late;      /* sends what was gathered */
    bool pumping;      /* a coroutine sends what did not go at once */
    bool ended;
    int tx_error;
    VioCoQueue closing; /* who waits for the pump to end */
};

/* io/stream-read.c: what the port brings, waiting for the first byte.  A
 * count, 0 at the end of file, -errno. */
ssize_t vio_stream_co_raw_read(VioStream *stream, struct iovec *iov, int niov,
                               bool all, VioCancel *cancel);

/* io/stream-write.c */
void vio_stream_tx_init(VioStream *stream);
/* Writing fails with @err from now on; who waits is told. */
void vio_stream_tx_fail(VioStream *stream, int err);
void vio_stream_tx_clear(VioStream *stream);
/* Send at the end of the turn. */
void vio_stream_tx_kick(VioStream *stream);

/* io/stream-tls.c: like vio_stream_co_raw_read(), deciphered. */
ssize_t vio_stream_tls_co_read(VioStream *stream, const struct iovec *iov,
                               int niov, VioCancel *cancel);
/* True if no records wait to be sent, or there is no TLS. */
bool vio_stream_tls_is_sent(const VioStream *stream);
bool vio_stream_tls_has_room(const VioStream *stream);
/* @len <= VIO_TLS_RECORD bytes become a record.  0 or -errno. */
int vio_stream_tls_seal(VioStream *stream, const void *bytes, size_t len);
void vio_stream_tls_goodbye(VioStream *stream);
/* The records that wait, in one piece; returns the number of pieces. */
int vio_stream_tls_records(VioStream *stream, struct iovec *iov, size_t *bytes);
void vio_stream_tls_sent(VioStream *stream, size_t len);
