/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/vhd-test.h - making and damaging VHD images in tests. */
#pragma once

#include "formats/vhd/driver.h"
#include "formats/vhd/vhd.h"
#include "tests/unit/blocks-test.h"

/* Where things are in what we make. */
#define VHD_TEST_HEADER 512u
#define VHD_TEST_TABLE 1536u

/* Fields of footer and header. */
enum {
    VHD_TEST_CREATOR_AT = 28,
    VHD_TEST_SIZE_AT = 48,
    VHD_TEST_GEOMETRY_AT = 56,
    VHD_TEST_TYPE_AT = 60,
    VHD_TEST_FOOTER_SUM_AT = 64,
    VHD_TEST_UUID_AT = 68,

    VHD_TEST_TABLE_AT = 16,
    VHD_TEST_ENTRIES_AT = 28,
    VHD_TEST_BLOCK_AT = 32,
    VHD_TEST_HEADER_SUM_AT = 36,
};

extern const BlocksTest vhd_test_image; /* d.vhd */

/* Where the footer at the end is. */
uint64_t vhd_test_footer_off(TestCo *t);
/* Change bytes of the footer at @off, of all footers (is there one at the
 * beginning?), of the dynamic header, and make the checksum right. */
void vhd_test_poke_footer(TestCo *t, uint64_t off, unsigned at,
                          const void *bytes, size_t len);
void vhd_test_poke_footers(TestCo *t, unsigned at, const void *bytes,
                           size_t len);
void vhd_test_poke_header(TestCo *t, unsigned at, const void *bytes,
                          size_t len);
