/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/text.c - text from the other end, fit to be shown. */
#include "block/proto/text.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* What is printed but steers the output: separators and directions too. */
static bool
is_harmless(gunichar c)
{
    switch (g_unichar_type(c)) {
    case G_UNICODE_CONTROL:
    case G_UNICODE_FORMAT:
    case G_UNICODE_UNASSIGNED:
    case G_UNICODE_PRIVATE_USE:
    case G_UNICODE_SURROGATE:
    case G_UNICODE_LINE_SEPARATOR:
    case G_UNICODE_PARAGRAPH_SEPARATOR:
        return false;
    default:
        return true;
    }
}

/* Bytes of the harmless character at @text; 0 = there is none. */
static size_t
harmless_length(const char *text, size_t len)
{
    gunichar c = g_utf8_get_char_validated(text, (gssize) len);

    if (c == (gunichar) -1 || c == (gunichar) -2 || !is_harmless(c))
        return 0;
    return (size_t) g_unichar_to_utf8(c, NULL);
}

char *
vd_escape_text(const void *bytes, size_t len)
{
    GString *out = g_string_sized_new(len);
    const char *text = bytes;

    while (len > 0) {
        size_t n = harmless_length(text, len);

        if (n > 0)
            g_string_append_len(out, text, (gssize) n);
        else
            g_string_append_printf(out, "\\x%02x", (uint8_t) *text);
        n = MAX(n, 1);
        text += n;
        len -= n;
    }
    return g_string_free(out, FALSE);
}
