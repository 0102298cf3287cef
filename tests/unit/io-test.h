/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/io-test.h - what the tests of io/ share: one loop a test, made
 * for the engine that the test is run with, and files in a directory of its
 * own. */
#pragma once

#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "io/fd.h"
#include "io/loop.h"
#include "io/op.h"

typedef struct IoFixture {
    VioLoop *loop;
    char *dir;
} IoFixture;

typedef void (*IoTestFunc)(IoFixture *f, gconstpointer engine);

/* Adds @func thrice: as /io/<engine>/@path for each engine.  An engine that
 * this machine does not have is skipped. */
void io_test_add(const char *path, IoTestFunc func);

/* Run fn(opaque) as a coroutine of the fixture's loop to its end. */
void io_test_run(IoFixture *f, VioCoFunc fn, void *opaque);

/* The same with another coroutine about, so that requests really go through
 * the engine instead of being made inline. */
void io_test_run_busy(IoFixture *f, VioCoFunc fn, void *opaque);

/* Nothing may be left for ever that makes a foreign loop spin.  @fd: the
 * loop's, which is no news to it: asking for it makes it look around. */
void io_test_comes_to_rest(VioLoop *loop, int fd);

/* One transfer of a plain buffer. */
ssize_t io_test_co_read(VioFile *file, uint64_t off, void *buf, size_t len);
ssize_t io_test_co_write(VioFile *file, uint64_t off, const void *buf,
                         size_t len, VioWriteFlags flags);

/* A new file of @size bytes of a pattern that depends on the offset. */
VioFile *io_test_file(IoFixture *f, const char *name, size_t size);
uint8_t io_test_byte(uint64_t off);
void io_test_assert_pattern(const void *buf, uint64_t off, size_t len);

/* True if this build or run is slow (sanitizers, valgrind). */
bool io_test_is_slow(void);
bool io_test_under_tsan(void);
bool io_test_under_valgrind(void);
