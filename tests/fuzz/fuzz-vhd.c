/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/fuzz/fuzz-vhd.c - changes to a VHD image, whose checksums are made
 * right afterwards, so that what is behind them is reached.
 *
 * The input is a row of changes: area, offset in it (16 bits, little endian),
 * length, bytes.  The image is a dynamic disk of small blocks, of which two
 * have places.  One area more leaves the checksums alone.
 */
#include "formats/vhd/vhd.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/look.h"

#include <string.h>

#define NAME "image.vhd"
#define BLOCK 16384u
#define N_BLOCKS 20u
#define PLACE (512u + BLOCK)
#define HEADER_AT 512u
#define TABLE_AT 1536u
#define BLOCKS_AT 2048u
#define FOOTER_AT (BLOCKS_AT + 2 * PLACE)
#define FILE_BYTES (FOOTER_AT + VHD_FOOTER_BYTES)

enum {
    FOOTER_SUM_AT = 64,
    HEADER_SUM_AT = 36,
};

/* Copy of the footer, header, table, bitmaps, footer; and no sums. */
static const struct {
    uint32_t at, len;
} areas[] = {
    {0, VHD_FOOTER_BYTES},
    {HEADER_AT, VHD_HEADER_BYTES},
    {TABLE_AT, BLOCKS_AT - TABLE_AT},
    {BLOCKS_AT, 512},
    {BLOCKS_AT + PLACE, 512},
    {FOOTER_AT, VHD_FOOTER_BYTES},
};

static void
put_image(uint8_t *file)
{
    VhdFooter footer = {.type = VHD_DYNAMIC,
                        .header_off = HEADER_AT,
                        .creator = VHD_CREATOR,
                        .original_size = N_BLOCKS * BLOCK,
                        .current_size = N_BLOCKS * BLOCK,
                        .geometry = {9, 4, 17},
                        .uuid = {1}};
    VhdHeader hdr = {
        .table_off = TABLE_AT, .n_entries = N_BLOCKS, .block_bytes = BLOCK};

    memset(file, 'x', FILE_BYTES);
    vhd_footer_encode(&footer, file);
    vhd_footer_encode(&footer, file + FOOTER_AT);
    vhd_header_encode(&hdr, file + HEADER_AT);
    memset(file + TABLE_AT, 0xff, BLOCKS_AT - TABLE_AT);
    for (unsigned i = 0; i < 2; i++) {
        vio_put_be32(file + TABLE_AT + 8 * i, (BLOCKS_AT + i * PLACE) / 512);
        memset(file + BLOCKS_AT + i * PLACE, i ? 0xff : 0x5a, 512);
    }
}

/* Shall sums be made right? */
static bool
change(uint8_t *file, const uint8_t *data, size_t size)
{
    bool sums = true;

    while (size >= 4) {
        unsigned area = data[0] % (G_N_ELEMENTS(areas) + 1);
        size_t n = MIN(data[3], size - 4), at;

        if (area == G_N_ELEMENTS(areas)) {
            sums = false;
        } else {
            at = vio_get_le16(data + 1) % areas[area].len;
            memcpy(file + areas[area].at + at, data + 4,
                   MIN(n, areas[area].len - at));
        }
        data += 4 + n;
        size -= 4 + n;
    }
    return sums;
}

static void
make_sums_right(uint8_t *file)
{
    static const uint32_t footers[] = {0, FOOTER_AT};

    for (unsigned i = 0; i < 2; i++)
        vio_put_be32(
            file + footers[i] + FOOTER_SUM_AT,
            vhd_checksum(file + footers[i], VHD_FOOTER_BYTES, FOOTER_SUM_AT));
    vio_put_be32(
        file + HEADER_AT + HEADER_SUM_AT,
        vhd_checksum(file + HEADER_AT, VHD_HEADER_BYTES, HEADER_SUM_AT));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t file[FILE_BYTES];

    put_image(file);
    if (change(file, data, size))
        make_sums_right(file);
    fuzz_look_write(NAME, file, sizeof(file));
    (void) fuzz_look_at(NAME, "vpc");
    fuzz_look_change(NAME, "vpc");
    fuzz_look_mend(NAME, "vpc");
    return 0;
}
