/* SPDX-License-Identifier: BSD-3-Clause */
/* io/thumbprint.c - the digest of a certificate, as people write it.
 *
 * Concurrency: no state.
 */
#include "io/thumbprint.h"

static bool
is_between(char c)
{
    return c == ':' || g_ascii_isspace(c);
}

bool
vio_thumbprint_parse(const char *text, VioThumbprint *print)
{
    VioThumbprint found = {.len = 0};
    size_t digits = 0;

    for (; *text; text++) {
        int digit = g_ascii_xdigit_value(*text);
        uint8_t *byte = &found.bytes[digits / 2];

        if (is_between(*text))
            continue;
        if (digit < 0 || digits == 2 * sizeof(found.bytes))
            return false;
        *byte = (uint8_t) (*byte << 4 | digit);
        digits++;
    }
    found.len = digits / 2;
    if (digits != 2 * VIO_SHA1_BYTES && digits != 2 * VIO_SHA256_BYTES)
        return false;
    *print = found;
    return true;
}

char *
vio_thumbprint_show(const VioThumbprint *print)
{
    GString *out = g_string_new(NULL);

    for (size_t i = 0; i < print->len; i++)
        g_string_append_printf(out, "%s%02X", i == 0 ? "" : ":",
                               print->bytes[i]);
    return g_string_free(out, FALSE);
}
