/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/fuzz/fuzz-sesparse.c - any bytes as a seSparse extent: its headers and
 * entries, and the disk that a descriptor makes of it.
 *
 * What is taken as a header is written so that it is taken again; what an entry
 * names lies inside its region and the file.
 */
#include "io/bytes.h"
#include "formats/vmdk/sesparse/header.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/look.h"

#include <stdbool.h>

#define MAX_ENTRIES 4096

static void
assert_round_trip(const VmdkSeHeader *hdr)
{
    uint8_t raw[VMDK_SE_HEADER_BYTES];
    g_autoptr(GError) error = NULL;
    VmdkSeHeader again;

    vmdk_se_header_encode(hdr, raw);
    (void) vmdk_se_header_decode(raw, "again", &again, &error);
    g_assert_no_error(error);
    g_assert_cmpmem(hdr, sizeof(*hdr), &again, sizeof(again));
}

static void
assert_entry(const VmdkSeHeader *hdr, uint64_t raw, uint64_t sectors)
{
    const VmdkSeRegion *grains = &hdr->part[VMDK_SE_GRAINS];
    const VmdkSeRegion *tables = &hdr->part[VMDK_SE_TABLES];
    uint64_t entry = vmdk_se_entry_decode(hdr, raw, sectors);
    uint32_t table = vmdk_se_directory_decode(hdr, raw, sectors);

    if (entry > VMDK_SE_ZERO && entry != VMDK_SE_BAD) {
        g_assert_cmpuint(entry, >=, grains->start);
        g_assert_cmpuint(entry, <, grains->start + grains->n);
        g_assert_cmpuint(entry, <, sectors);
        g_assert_cmphex(vmdk_se_entry_encode(hdr, entry), ==, raw);
    }
    if (table != VMDK_SE_TABLE_NONE && table != VMDK_SE_TABLE_BAD) {
        g_assert_cmpuint(tables->start +
                             (uint64_t) table * VMDK_SE_TABLE_SECTORS,
                         <=, sectors);
        g_assert_cmphex(vmdk_se_directory_encode(table), ==, raw);
    }
}

static void
try_codec(const uint8_t *data, size_t size)
{
    uint64_t sectors = (size + 511) / 512;
    VmdkSeHeader hdr;

    if (size < VMDK_SE_HEADER_BYTES ||
        !vmdk_se_header_decode(data, "fuzz", &hdr, NULL))
        return;
    assert_round_trip(&hdr);
    if (!vmdk_se_header_check_file(&hdr, size, "fuzz", NULL))
        return;
    for (size_t i = 0; i < MAX_ENTRIES && 512 + i * 8 + 8 <= size; i++)
        assert_entry(&hdr, vio_get_le64(data + 512 + i * 8), sectors);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char text[] = "# Disk DescriptorFile\nversion=1\nCID=1\n"
                               "parentCID=ffffffff\n"
                               "RW 65537 SESPARSE \"x-sesparse.vmdk\"\n";

    static bool ready;

    if (!ready)
        fuzz_look_write("x.vmdk", text, sizeof(text) - 1);
    ready = true;
    try_codec(data, size);
    fuzz_look_write("x-sesparse.vmdk", data, size);
    (void) fuzz_look_at("x.vmdk", "vmdk");
    return 0;
}
