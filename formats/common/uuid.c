/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/common/uuid.c - UUIDs as images store them.
 *
 * Concurrency: any thread.
 */
#include "formats/common/uuid.h"

#include <glib.h>
#include <string.h>

/* Where byte i of the text stands in the little-endian form. */
static const uint8_t swapped[VD_UUID_BYTES] = {3, 2, 1,  0,  5,  4,  7,  6,
                                               8, 9, 10, 11, 12, 13, 14, 15};

static unsigned
place_of(unsigned i, bool little_endian)
{
    return little_endian ? swapped[i] : i;
}

static bool
has_hyphen_before(unsigned i)
{
    return i == 4 || i == 6 || i == 8 || i == 10;
}

void
vd_uuid_new(uint8_t uuid[VD_UUID_BYTES])
{
    g_autofree char *text = g_uuid_string_random();

    (void) vd_uuid_parse(text, true, uuid);
}

bool
vd_uuid_is_null(const uint8_t uuid[VD_UUID_BYTES])
{
    static const uint8_t null[VD_UUID_BYTES];

    return memcmp(uuid, null, sizeof(null)) == 0;
}

void
vd_uuid_format(const uint8_t uuid[VD_UUID_BYTES], bool little_endian,
               char text[VD_UUID_CHARS + 1])
{
    char *p = text;

    for (unsigned i = 0; i < VD_UUID_BYTES; i++) {
        if (has_hyphen_before(i))
            *p++ = '-';
        g_snprintf(p, 3, "%02x", uuid[place_of(i, little_endian)]);
        p += 2;
    }
}

bool
vd_uuid_parse(const char *text, bool little_endian, uint8_t uuid[VD_UUID_BYTES])
{
    bool braces = *text == '{';

    text += braces;
    for (unsigned i = 0; i < VD_UUID_BYTES; i++, text += 2) {
        if (has_hyphen_before(i) && *text++ != '-')
            return false;
        if (!g_ascii_isxdigit(text[0]) || !g_ascii_isxdigit(text[1]))
            return false;
        uuid[place_of(i, little_endian)] =
            (uint8_t) (g_ascii_xdigit_value(text[0]) * 16 +
                       g_ascii_xdigit_value(text[1]));
    }
    return strcmp(text, braces ? "}" : "") == 0;
}
