/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/io-ends.h - two ends of one connection on one loop. */
#pragma once

#include "io/stream.h"
#include "tests/unit/io-test.h"

#define MS UINT64_C(1000000)

typedef struct Ends {
    IoFixture *f;
    VioLoop *loop;
    VioStream *a, *b;
    VioCancel *cancel;
    unsigned running; /* coroutines that io_ends_co_close() waits for */
    int result;
} Ends;

typedef void (*EndsFunc)(Ends *e);

void io_ends_open_sockets(Ends *e);
void io_ends_open_pipes(Ends *e);
void io_ends_co_close(Ends *e);

/* Run @fn, which closes both, on a pair of sockets; on sockets, then pipes. */
void io_ends_run_sockets(IoFixture *f, VioCoFunc fn);
void io_ends_run_both(IoFixture *f, VioCoFunc fn);

/* Exactly this text. */
void io_ends_co_send(VioStream *s, const char *text);
void io_ends_co_expect(VioStream *s, const char *text);

/* A token with a deadline in e->cancel. */
void io_ends_cancel_after(Ends *e, uint64_t ns);

/* @len bytes of the pattern of io_test_byte() from @off on. */
uint8_t *io_ends_pattern(uint64_t off, size_t len);
