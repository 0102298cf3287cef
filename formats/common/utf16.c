/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/common/utf16.c - names of Windows' as images store them.
 *
 * Concurrency: any thread.
 */
#include "formats/common/utf16.h"
#include "io/bytes.h"

char *
vd_utf16_text(const uint8_t *raw, size_t len, bool big_endian)
{
    g_autofree gunichar2 *units = g_new0(gunichar2, len / 2 + 1);
    char *text;

    for (size_t i = 0; i < len / 2; i++) {
        units[i] =
            big_endian ? vio_get_be16(raw + 2 * i) : vio_get_le16(raw + 2 * i);
        if (!units[i])
            break;
    }
    text = g_utf16_to_utf8(units, -1, NULL, NULL, NULL);
    return text ? text : g_strdup("?");
}
