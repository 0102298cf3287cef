/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/support/leaf.h - the file driver under observation.
 *
 * test_leaf_install() puts a driver in the place of "file" that passes
 * everything on to it, and can count requests, let the Nth one fail, and
 * record what changes the files.  So every file of an image is covered, also
 * those that are created and opened deep below, without any options.
 *
 * One set of hooks for the whole program; any thread.
 */
#pragma once

#include "block/filter/write-log.h"

typedef enum TestOp {
    TEST_OP_READ,
    TEST_OP_WRITE,
    TEST_OP_ZEROES,
    TEST_OP_DISCARD,
    TEST_OP_FLUSH,
    TEST_OP_TRUNCATE,
    TEST_OP_OPEN,
    TEST_OP_ANY, /* of all these */
} TestOp;

/* After the table of drivers has been set; stays until remove.  Clears all
 * counters, faults and records. */
void test_leaf_install(void);
void test_leaf_remove(void);

uint64_t test_leaf_count(TestOp op);
void test_leaf_reset_counts(void);

/* The @nth request of this kind from now on fails with @errnum, and does
 * nothing. */
void test_leaf_fail_nth(TestOp op, uint64_t nth, int errnum);
bool test_leaf_fault_fired(void);
void test_leaf_clear_fault(void);

/* -- recording ------------------------------------------------------------ */

/* VD_WRITE_LOG_* of one file, or a mark of the test's. */
typedef struct TestChange {
    VdWriteLogRecord record;
    char *file;   /* base name; NULL = mark */
    GBytes *data; /* what record.data points into */
    uint64_t mark;
} TestChange;

/* Everything from now on is recorded. */
void test_leaf_record(void);
/* Put a mark between the changes: "what has been promised so far". */
void test_leaf_mark(uint64_t mark);
/* Stop; the array of TestChange belongs to the caller. */
GPtrArray *test_leaf_record_end(void);

/* The same from a binary log of the log filter; @files: base names by tag. */
GPtrArray *test_changes_load(const char *path, const char *const *files);
