/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/fuzz/fuzz-vdi.c - changes to a VDI image.
 *
 * The input is a row of changes: offset in the first KiB of the file (16 bits,
 * little endian), length, bytes.  The image is a dynamic disk of small blocks,
 * of which two have places; its table is right behind the header.
 */
#include "formats/vdi/vdi.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/look.h"

#include <string.h>

#define NAME "image.vdi"
#define BLOCK 16384u
#define N_BLOCKS 20u
#define TABLE_AT VDI_HEADER_BYTES
#define DATA_AT 1024u
#define FILE_BYTES (DATA_AT + 2 * BLOCK)

static void
put_image(uint8_t *file)
{
    VdiHeader hdr = {.type = VDI_DYNAMIC,
                     .size = N_BLOCKS * BLOCK,
                     .block_bytes = BLOCK,
                     .n_blocks = N_BLOCKS,
                     .n_allocated = 2,
                     .table_off = TABLE_AT,
                     .data_off = DATA_AT,
                     .create = {1},
                     .modify = {2}};

    memset(file, 0, FILE_BYTES);
    vdi_header_encode(&hdr, file);
    memset(file + TABLE_AT, 0xff, DATA_AT - TABLE_AT);
    vio_put_le32(file + TABLE_AT, 1);
    vio_put_le32(file + TABLE_AT + 8, 0);
    memset(file + DATA_AT, 'x', 2 * BLOCK);
}

static void
change(uint8_t *file, const uint8_t *data, size_t size)
{
    while (size >= 3) {
        size_t at = vio_get_le16(data) % DATA_AT, n = MIN(data[2], size - 3);

        memcpy(file + at, data + 3, MIN(n, DATA_AT - at));
        data += 3 + n;
        size -= 3 + n;
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t file[FILE_BYTES];

    put_image(file);
    change(file, data, size);
    fuzz_look_write(NAME, file, sizeof(file));
    (void) fuzz_look_at(NAME, "vdi");
    fuzz_look_change(NAME, "vdi");
    fuzz_look_mend(NAME, "vdi");
    return 0;
}
