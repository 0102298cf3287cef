/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/fuzz/fuzz-vhdx.c - changes to a VHDX image, whose checksums are made
 * right afterwards, so that what is behind them is reached.
 *
 * The input is a row of changes: area, offset in it (16 bits, little endian),
 * length, bytes.  The image is a dynamic disk of some blocks, of which one has
 * a place, and two entries in a log that its headers do not name.
 */
#include "formats/common/crc32c.h"
#include "formats/vhdx/vhdx.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/look.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "io/fd.h"

#define NAME "image.vhdx"
#define AREA_BYTES 65536u
#define LOG_AT VHDX_MIB
#define TABLE_AT (2 * VHDX_MIB)
#define METADATA_AT (3 * VHDX_MIB)
#define DATA_AT (4 * VHDX_MIB)
#define FILE_BYTES (6 * VHDX_MIB)
#define LOG_ID "AAAAAAAAAAAAAAAA"

enum {
    HEADER_0,
    HEADER_1,
    REGIONS,
    ITEM_TABLE,
    ITEMS,
    TABLE,
    LOG,
    N_AREAS,
};

static const uint64_t area_at[N_AREAS] = {
    VHDX_HEADER_AT(0),
    VHDX_HEADER_AT(1),
    VHDX_REGION_TABLE_AT(0),
    METADATA_AT,
    METADATA_AT + AREA_BYTES,
    TABLE_AT,
    LOG_AT,
};

typedef uint8_t Areas[N_AREAS][AREA_BYTES];

/* -- the image --------------------------------------------------------------
 */

static void
put_metadata(uint8_t (*areas)[AREA_BYTES])
{
    VhdxMetadata meta = {.size = 20 * VHDX_MIB,
                         .block_bytes = (uint32_t) VHDX_MIB,
                         .logical = 512,
                         .physical = 4096};
    g_autofree uint8_t *raw = g_malloc(VHDX_METADATA_USED);

    vhdx_metadata_encode(&meta, raw);
    memcpy(areas[ITEM_TABLE], raw, AREA_BYTES);
    memcpy(areas[ITEMS], raw + AREA_BYTES, VHDX_METADATA_USED - AREA_BYTES);
}

/* Entry @i changes a page of the first block. */
static void
put_entry(uint8_t *p, unsigned i)
{
    uint8_t *data = p + VHDX_LOG_SECTOR;
    uint8_t *descriptor = p + VHDX_ENTRY_DESCRIPTORS_AT;

    memcpy(p, "loge", 4);
    vio_put_le32(p + VHDX_ENTRY_LEN_AT, 2 * VHDX_LOG_SECTOR);
    vio_put_le64(p + VHDX_ENTRY_SEQUENCE_AT, i + 1);
    vio_put_le32(p + VHDX_ENTRY_COUNT_AT, 1);
    memcpy(p + VHDX_ENTRY_LOG_AT, LOG_ID, VD_UUID_BYTES);
    vio_put_le64(p + VHDX_ENTRY_FLUSHED_AT, FILE_BYTES);
    vio_put_le64(p + VHDX_ENTRY_LAST_AT, FILE_BYTES);
    memcpy(descriptor, "desc", 4);
    vio_put_le64(descriptor + VHDX_DESC_OFF_AT, DATA_AT + i * VHDX_LOG_SECTOR);
    vio_put_le64(descriptor + VHDX_DESC_SEQUENCE_AT, i + 1);
    memcpy(data, "data", 4);
    vio_put_le32(data + VHDX_DATA_LOW_AT, i + 1);
}

static void
put_image(uint8_t (*areas)[AREA_BYTES])
{
    VhdxHeader hdr = {.log_off = LOG_AT, .log_bytes = (uint32_t) VHDX_MIB};
    VhdxRegions regions = {.table = {TABLE_AT, VHDX_MIB},
                           .metadata = {METADATA_AT, VHDX_MIB}};

    memset(areas, 0, sizeof(Areas));
    for (unsigned i = 0; i < 2; i++) {
        hdr.sequence++;
        vhdx_header_encode(&hdr, areas[HEADER_0 + i]);
        put_entry(areas[LOG] + i * 2 * VHDX_LOG_SECTOR, i);
    }
    vhdx_region_table_encode(&regions, areas[REGIONS]);
    put_metadata(areas);
    vio_put_le64(areas[TABLE], DATA_AT | VHDX_PRESENT);
}

/* -- the input --------------------------------------------------------------
 */

static void
change(uint8_t (*areas)[AREA_BYTES], const uint8_t *data, size_t size)
{
    while (size >= 4) {
        uint8_t *area = areas[data[0] % N_AREAS];
        size_t at = vio_get_le16(data + 1), n = MIN(data[3], size - 4);

        memcpy(area + at, data + 4, MIN(n, AREA_BYTES - at));
        data += 4 + n;
        size -= 4 + n;
    }
}

static void
sum(uint8_t *p, size_t len)
{
    vio_put_le32(p + 4, vd_crc32c_around(p, len, 4));
}

static void
make_sums_right(uint8_t (*areas)[AREA_BYTES])
{
    sum(areas[HEADER_0], VHDX_HEADER_BYTES);
    sum(areas[HEADER_1], VHDX_HEADER_BYTES);
    sum(areas[REGIONS], VHDX_REGION_TABLE_BYTES);
    for (uint32_t at = 0; at < AREA_BYTES; at += VHDX_LOG_SECTOR) {
        uint8_t *p = areas[LOG] + at;
        uint32_t len = vio_get_le32(p + VHDX_ENTRY_LEN_AT);

        if (memcmp(p, "loge", 4) == 0 && len >= 8 && len <= AREA_BYTES - at)
            sum(p, len);
    }
}

static void
write_image(uint8_t (*areas)[AREA_BYTES])
{
    g_autofree char *path = fuzz_look_path(NAME);
    VIO_AUTO_FD fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(ftruncate(fd, (off_t) FILE_BYTES), ==, 0);
    g_assert_cmpint(pwrite(fd, VHDX_MAGIC, VHDX_MAGIC_BYTES, 0), ==,
                    VHDX_MAGIC_BYTES);
    for (unsigned i = 0; i < N_AREAS; i++) {
        size_t len = i <= HEADER_1 ? VHDX_HEADER_BYTES : AREA_BYTES;

        g_assert_cmpint(pwrite(fd, areas[i], len, (off_t) area_at[i]), ==,
                        (ssize_t) len);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static Areas areas;

    put_image(areas);
    change(areas, data, size);
    make_sums_right(areas);
    write_image(areas);
    (void) fuzz_look_at(NAME, "vhdx");
    fuzz_look_change(NAME, "vhdx");
    fuzz_look_mend(NAME, "vhdx");
    return 0;
}
