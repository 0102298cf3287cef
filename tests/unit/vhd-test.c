/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/vhd-test.c - making and damaging VHD images in tests. */
#include "tests/unit/vhd-test.h"

#include <string.h>

const BlocksTest vhd_test_image = {&vd_vhd_driver, "d.vhd"};

/* Summed here by the layout, not by the code under test. */
static void
poke_summed(TestCo *t, uint64_t off, size_t whole, unsigned sum_at, unsigned at,
            const void *bytes, size_t len)
{
    g_autofree uint8_t *raw = g_malloc(whole);
    uint32_t sum = 0;

    blocks_test_peek(t, &vhd_test_image, off, raw, whole);
    memcpy(raw + at, bytes, len);
    memset(raw + sum_at, 0, 4);
    for (size_t i = 0; i < whole; i++)
        sum += raw[i];
    vio_put_be32(raw + sum_at, ~sum);
    blocks_test_poke(t, &vhd_test_image, off, raw, whole);
}

uint64_t
vhd_test_footer_off(TestCo *t)
{
    return blocks_test_file_size(t, &vhd_test_image) - VHD_FOOTER_BYTES;
}

void
vhd_test_poke_footer(TestCo *t, uint64_t off, unsigned at, const void *bytes,
                     size_t len)
{
    poke_summed(t, off, VHD_FOOTER_BYTES, VHD_TEST_FOOTER_SUM_AT, at, bytes,
                len);
}

void
vhd_test_poke_footers(TestCo *t, unsigned at, const void *bytes, size_t len)
{
    char magic[8];

    vhd_test_poke_footer(t, vhd_test_footer_off(t), at, bytes, len);
    blocks_test_peek(t, &vhd_test_image, 0, magic, sizeof(magic));
    if (memcmp(magic, "conectix", sizeof(magic)) == 0)
        vhd_test_poke_footer(t, 0, at, bytes, len);
}

void
vhd_test_poke_header(TestCo *t, unsigned at, const void *bytes, size_t len)
{
    poke_summed(t, VHD_TEST_HEADER, VHD_HEADER_BYTES, VHD_TEST_HEADER_SUM_AT,
                at, bytes, len);
}
