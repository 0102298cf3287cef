/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/moves-test.h - what a directory holds before each step of an
 * operation on names, and letting any of them fail. */
#pragma once

#include "block/moves.h"

/* How a disk is opened, and held, to be renamed or removed. */
#define MOVES_TEST_FLAGS                                                       \
    (VD_OPEN_NO_IO | VD_OPEN_NO_EXTENTS | VD_OPEN_NO_PARENT | VD_OPEN_CHECK |  \
     VD_OPEN_NO_LOCK)

/* All names in a directory, in order, with blanks between them. */
char *moves_test_names_in(const char *path);

typedef struct MovesTest {
    const char *dir; /* what is copied */
    GPtrArray *made; /* of char: copies of it, one before each step; to be
                        removed and freed one by one */
    unsigned count, fail_at; /* steps; which one fails */
    int errnum;
    bool synced; /* some names have been made durable */
} MovesTest;

/* From now on: a copy before each step.  No name may go before something has
 * been made durable. */
void moves_test_begin_copies(MovesTest *m, const char *dir);
/* From now on: step @nth fails. */
void moves_test_begin_failure(MovesTest *m, unsigned nth, int errnum);
void moves_test_end(void);
