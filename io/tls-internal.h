/* SPDX-License-Identifier: BSD-3-Clause */
/* io/tls-internal.h - between streams and the TLS library.
 *
 * A session does no I/O.  The stream puts what it receives into @in and sends
 * what it finds in @out.  All calls but the handshake are short and may be
 * made on a coroutine.  Failing calls set @why.
 *
 * Concurrency: one thread at a time.
 */
#pragma once

#include "io/tls.h"

#include <stdint.h>
#include <sys/types.h>

#define VIO_TLS_IN (128u << 10) /* records, as received */
#define VIO_TLS_OUT (256u << 10)
#define VIO_TLS_OUT_SLACK                                                      \
    (64u << 10)                    /* what one record may add, and alerts      \
                                    */
#define VIO_TLS_RECORD (16u << 10) /* clear bytes in one record, at most */

typedef struct VioTlsBuffer {
    uint8_t *data;
    size_t size, head, tail;
} VioTlsBuffer;

struct VioTlsSession {
    VioTlsBuffer in, out;
    VioTlsCreds *creds;
    char *hostname; /* or NULL */
    void *ssl;
    bool done;     /* the handshake is over */
    bool served;   /* the other end has sent something since */
    bool mistaken; /* its certificate is not the one that was asked for */
    char *why, *cipher;
};

/* What the library part does.  It is a module of its own, loaded on first use:
 * OpenSSL costs a program that never needs it 1 ms at its start. */
typedef struct VioTlsOps {
    size_t session_size; /* that of who built it: must be ours */
    VioTlsCreds *(*creds_new)(const VioTlsParams *params, char **why);
    VioTlsCreds *(*creds_ref)(VioTlsCreds *creds);
    void (*creds_unref)(VioTlsCreds *creds);
    void (*session_init)(VioTlsSession *session);
    void (*session_clear)(VioTlsSession *session);
    /* 0: over; -EAGAIN: needs more; else -errno.  Needs much stack. */
    int (*handshake)(VioTlsSession *session);
    /* All @len <= VIO_TLS_RECORD bytes.  0 or -errno. */
    int (*encrypt)(VioTlsSession *session, const void *bytes, size_t len);
    /* A count, 0: the other end took leave, -EAGAIN: needs more, -errno. */
    ssize_t (*decrypt)(VioTlsSession *session, void *buf, size_t len);
    void (*goodbye)(VioTlsSession *session);
    /* Something has been received that is not deciphered, or not read. */
    bool (*has_more)(const VioTlsSession *session);
    /* The connection ended without a good-bye.  0 if between records. */
    int (*end)(VioTlsSession *session);
} VioTlsOps;

#define VIO_TLS_SYMBOL "vio_tls_openssl" /* a VioTlsOps */

/* NULL if there is no module. */
const VioTlsOps *vio_tls_ops(void);

static inline size_t
vio_tls_buffer_used(const VioTlsBuffer *buffer)
{
    return buffer->tail - buffer->head;
}

static inline void
vio_tls_buffer_consume(VioTlsBuffer *buffer, size_t len)
{
    buffer->head += len;
    if (buffer->head == buffer->tail)
        buffer->head = buffer->tail = 0;
}
