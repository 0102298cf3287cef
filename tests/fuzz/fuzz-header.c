/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/fuzz/fuzz-header.c - any bytes as the header of a sparse extent.
 *
 * What is taken is written so that it is taken again, and its layout can be
 * computed.
 */
#include "formats/vmdk/sparse/header.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

#define FILE_BYTES (UINT64_C(1) << 40)

static void
assert_round_trip(const VmdkHeader *hdr)
{
    uint8_t raw[VMDK_HEADER_BYTES];
    VmdkHeader again;
    g_autoptr(GError) error = NULL;

    vmdk_header_encode(hdr, raw);
    (void) vmdk_header_decode(raw, "again", &again, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(again.capacity_sectors, ==, hdr->capacity_sectors);
    g_assert_cmpuint(again.grain_sectors, ==, hdr->grain_sectors);
    g_assert_cmpuint(again.gd_sector, ==, hdr->gd_sector);
    g_assert_cmpuint(again.flags, ==, hdr->flags);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t raw[VMDK_HEADER_BYTES] = {0};
    VmdkHeader hdr;
    g_autoptr(GError) error = NULL;

    memcpy(raw, data, MIN(size, sizeof(raw)));
    if (!vmdk_header_decode(raw, "fuzz", &hdr, &error)) {
        g_assert_nonnull(error);
        return 0;
    }
    assert_round_trip(&hdr);
    if (vmdk_header_check_file(&hdr, FILE_BYTES, "fuzz", NULL))
        g_assert_cmpuint(vmdk_header_n_gts(&hdr), <=, VMDK_MAX_GD_ENTRIES);
    (void) vmdk_header_gd_sectors(&hdr);
    (void) vmdk_header_gt_coverage(&hdr);
    return 0;
}
