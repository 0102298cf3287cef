/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/io-tls-ends.h - two ends of one connection with TLS between. */
#pragma once

#include "io/tls.h"
#include "tests/unit/io-certs.h"
#include "tests/unit/io-ends.h"

/* Ends with TLS: a is the client. */
typedef struct IoTls {
    Ends e; /* first */
    VioTlsCreds *client, *server;
    const char *hostname;
    int server_ret, client_ret;
    int fd[2]; /* the streams' sockets */
} IoTls;

/* Makes the ends; credentials are the caller's to give and ours to drop. */
void io_tls_open(IoTls *t, IoFixture *f, VioTlsCreds *client,
                 VioTlsCreds *server, const char *hostname);
void io_tls_close(IoTls *t);

/* The server's coroutine entry: shake hands, then send all back until the
 * other end takes leave. */
void io_tls_echo(void *opaque);
/* Have that run, and shake hands with it. */
void io_tls_co_begin(IoTls *t);

void io_tls_assert_agree(IoFixture *f, VioTlsCreds *client, VioTlsCreds *server,
                         const char *hostname);
/* Each end fails and says so; NULL: that end may see no more than the end. */
void io_tls_assert_refused(IoFixture *f, VioTlsCreds *client,
                           VioTlsCreds *server, const char *hostname,
                           const char *client_why, const char *server_why);
/* No credentials come of it, and the reason has this word. */
void io_tls_assert_bad_params(const VioTlsParams *params, const char *word);
