/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/block-test.h - two drivers to test the core with.
 *
 * "ram": a leaf whose bytes, limits, failures and counters the test holds in
 * its hands.  It asserts what block/driver.h promises drivers.
 *
 * "toy": a format with grains of 4 KiB, a parent, zero grains and encoded ones
 * (all bits flipped), written to as well.  Its map answers grain by grain.
 */
#pragma once

#include "block/chain.h"
#include "block/open.h"
#include "block/registry.h"
#include "block/rw.h"
#include "tests/support/co-test.h"

#define NEVER UINT64_MAX

typedef enum RamOp {
    RAM_READ = 'r',
    RAM_WRITE = 'w',
    RAM_ZERO = 'z',
    RAM_DISCARD = 'd',
    RAM_FLUSH = 'f',
    RAM_TRUNCATE = 't',
} RamOp;

typedef struct RamEvent {
    RamOp op;
    uint64_t off, len;
    VdReqFlags flags;
} RamEvent;

/* One storage by name.  Set the first half before it is opened. */
typedef struct RamStore {
    uint64_t size, room;
    uint8_t *bytes;
    uint32_t align, mem_align;
    uint64_t max_transfer, zeroes_align, discard_align;
    VdReqFlags data_flags, zero_flags;
    bool can_zero, can_discard;
    bool finish_fails;

    uint64_t fail_read_at, fail_write_at; /* requests over this byte fail */
    bool fail_flush;
    uint64_t delay_ns; /* of each read, write, flush and truncate */
    unsigned running, most_running;
    GArray *events; /* of RamEvent */
    bool open;
} RamStore;

/* Made on demand; forgotten by block_test_begin(). */
RamStore *ram_store(const char *name);
/* How many events of this kind. */
unsigned ram_count(const RamStore *store, RamOp op);
const RamEvent *ram_event(const RamStore *store, guint i);
void ram_forget_events(RamStore *store);
/* "r0+512 w512+1024": the events so far; free with g_free. */
char *ram_text(const RamStore *store);
/* Fill with bytes that depend on place and seed. */
void ram_fill(RamStore *store, uint64_t size, uint8_t seed);

#define TOY_GRAIN 4096
#define TOY_PARENT 0
#define TOY_ZERO 1
#define TOY_ENCODED 0x80000000u
#define TOY_FIRST_DATA 8 /* grains in front: header and table */

/* Make @store an empty toy image. @backing NULL = none. */
void toy_format(RamStore *store, uint64_t size, const char *backing);
/* Give guest grain @index this place (a grain number of the file, or one of
 * the above) and, if stored, bytes that depend on @seed. */
void toy_set(RamStore *store, unsigned index, uint32_t entry, uint8_t seed);
uint8_t toy_byte(uint8_t seed, uint64_t off);

extern const VdDriver ram_driver, toy_driver;

/* Only these drivers (and file, memory, raw, readonly), no storage. */
void block_test_begin(TestCo *t);

/* Open; a failure ends the test. */
VdNode *block_test_open(TestCo *t, const char *name, const char *format,
                        VdOpenFlags flags);
/* Begin, and open "ram:d", that many bytes of 1. */
#define BLOCK_TEST_DISK (UINT64_C(256) * 1024)
VdNode *block_test_open_disk(TestCo *t, VdOpenFlags flags);
