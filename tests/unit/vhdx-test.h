/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/vhdx-test.h - making, opening and damaging VHDX images in tests.
 */
#pragma once

#include "formats/vhdx/driver.h"
#include "formats/vhdx/vhdx.h"
#include "tests/unit/blocks-test.h"

#define VHDX_TEST_NAME "d.vhdx"
/* Where things are in what we make with a log of 1 MiB and one of table. */
#define VHDX_TEST_LOG MIB
#define VHDX_TEST_TABLE (2 * MIB)
#define VHDX_TEST_METADATA (3 * MIB)
#define VHDX_TEST_DATA (4 * MIB)

void vhdx_test_create(TestCo *t, uint64_t size, const char *options);
bool vhdx_test_try_create(TestCo *t, uint64_t size, const char *options,
                          GError **error);
VdNode *vhdx_test_try_open(TestCo *t, VdOpenFlags flags, GError **error);
VdNode *vhdx_test_open(TestCo *t, VdOpenFlags flags);
/* Opening must fail like this; @text is in the message, may be NULL. */
void vhdx_test_assert_refused(TestCo *t, VdOpenFlags flags, VdErrorCode code,
                              const char *text);
/* So many corruptions must be found; repair: VdRepair. */
VdCheckResult vhdx_test_check(VdNode *node, unsigned repair);
void vhdx_test_assert_sound(VdNode *node);

/* Change bytes of header or region table @copy and make its checksum right. */
void vhdx_test_poke_header(TestCo *t, unsigned copy, unsigned at,
                           const void *bytes, size_t len);
void vhdx_test_poke_regions(TestCo *t, unsigned copy, unsigned at,
                            const void *bytes, size_t len);
void vhdx_test_poke(TestCo *t, uint64_t off, const void *bytes, size_t len);
void vhdx_test_peek(TestCo *t, uint64_t off, void *bytes, size_t len);
void vhdx_test_truncate(TestCo *t, uint64_t size);

/* -- logs ------------------------------------------------------------------ */

typedef struct VhdxTestPage {
    uint64_t off;
    uint64_t zeroes; /* bytes; 0 = 4 KiB of @fill */
    uint8_t fill;
} VhdxTestPage;

typedef struct VhdxTestEntry {
    uint32_t off; /* in the log; goes round its end */
    uint64_t sequence;
    uint32_t tail;
    const char *guid; /* NULL = VHDX_TEST_GUID */
    uint64_t flushed, last;
    VhdxTestPage pages[4];
    unsigned n_pages;
    uint32_t torn; /* so many bytes at its end are missing */
} VhdxTestEntry;

#define VHDX_TEST_GUID "0123456789abcdef"

/* Write an entry; returns where it ends in the log. */
uint32_t vhdx_test_put_entry(TestCo *t, const VhdxTestEntry *entry);
/* Let both headers name a log of this id (16 bytes; NULL = empty). */
void vhdx_test_name_log(TestCo *t, const char *guid);
