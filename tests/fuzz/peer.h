/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/fuzz/peer.h - a server that says what the input says and hangs up; it
 * does not listen.  For clients of all protocols.
 *
 * The first byte of an input tells the target how to begin; the rest is what
 * the server sends.
 */
#pragma once

#include "io/stream.h"
#include "tests/support/co-test.h"

#define FUZZ_BYTES 4096u /* of a request */
#define FUZZ_REQUESTS 6u

typedef struct FuzzPeer {
    TestCo *t;
    unsigned how;      /* the first byte */
    VioStream *stream; /* to the server; whoever takes it over closes it */
} FuzzPeer;

/* Run @co_talk, a coroutine, with such a server.  For libFuzzer: returns 0. */
int fuzz_peer_run(const uint8_t *data, size_t size,
                  void (*co_talk)(FuzzPeer *peer));

typedef struct FuzzRequest {
    void *conn;
    unsigned i;
    VioVec vec; /* of FUZZ_BYTES bytes */
    struct iovec iov;
    uint8_t bytes[FUZZ_BYTES];
} FuzzRequest;

/* @co_request of @conn, FUZZ_REQUESTS times side by side. */
void fuzz_peer_co_ask(void *conn, void (*co_request)(FuzzRequest *request));
