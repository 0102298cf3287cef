/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/blocks-test.h - making, opening and damaging images of one file,
 * of any format. */
#pragma once

#include "block/finding.h"
#include "tests/unit/vmdk-test.h"

/* An image of the test's directory. */
typedef struct BlocksTest {
    const VdDriver *driver;
    const char *name;
    bool mends; /* a crash may leave what is mended before the next change */
} BlocksTest;

bool blocks_test_try_create(TestCo *t, const BlocksTest *image, uint64_t size,
                            const char *options, GError **error);
void blocks_test_create(TestCo *t, const BlocksTest *image, uint64_t size,
                        const char *options);
VdNode *blocks_test_try_open(TestCo *t, const BlocksTest *image,
                             VdOpenFlags flags, GError **error);
VdNode *blocks_test_open(TestCo *t, const BlocksTest *image, VdOpenFlags flags);
/* Opening must fail like this; @text is in the message, may be NULL. */
void blocks_test_assert_refused(TestCo *t, const BlocksTest *image,
                                VdOpenFlags flags, VdErrorCode code,
                                const char *text);

/* repair: VdRepair. */
VdCheckResult blocks_test_check(VdNode *node, unsigned repair);
/* No corruptions and no errors. */
void blocks_test_assert_sound(VdNode *node);

void blocks_test_poke(TestCo *t, const BlocksTest *image, uint64_t off,
                      const void *bytes, size_t len);
void blocks_test_peek(TestCo *t, const BlocksTest *image, uint64_t off,
                      void *bytes, size_t len);
void blocks_test_truncate(TestCo *t, const BlocksTest *image, uint64_t size);
uint64_t blocks_test_file_size(TestCo *t, const BlocksTest *image);

/* -- after power failures and failing requests (test-*-crash.c) ------------ */

/* Make @image with @options, run a random session on it (crash-session.h), and
 * replay crashes at every moment of it: each leaves what was flushed, or
 * something newer, to a reader and to a writer. */
void blocks_test_replay(TestCo *t, const BlocksTest *image, uint64_t size,
                        const char *options, uint32_t seed);
/* The same session, but in turn each of its requests fails. */
void blocks_test_sweep(TestCo *t, const BlocksTest *image, uint64_t size,
                       const char *options, uint32_t seed);
/* Each write of a creation fails: nothing is left. */
void blocks_test_sweep_create(TestCo *t, const BlocksTest *image, uint64_t size,
                              const char *options);
