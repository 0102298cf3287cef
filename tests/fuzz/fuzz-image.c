/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/fuzz/fuzz-image.c - any bytes as an image, through the whole stack.
 *
 * Extents must stay in a directory of ours, where there is a small raw file
 * besides the image.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/look.h"

#include <stdbool.h>

#define RAW_BYTES 65536

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool ready;

    if (!ready) {
        g_autofree uint8_t *raw = g_malloc(RAW_BYTES);

        for (size_t i = 0; i < RAW_BYTES; i++)
            raw[i] = (uint8_t) i;
        fuzz_look_write("a.raw", raw, RAW_BYTES);
        ready = true;
    }
    fuzz_look_write("image.vmdk", data, size);
    (void) fuzz_look_at("image.vmdk", "vmdk");
    return 0;
}
