/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/descriptor/charset.c - descriptors in other encodings.
 *
 * Hosted products write the text in the code page of the host and name it in
 * "encoding".  In memory there is only UTF-8.
 *
 * Concurrency: pure functions, any thread.  iconv loads modules: not for
 * coroutine stacks.
 */
#include "formats/vmdk/descriptor/descriptor.h"

#include <string.h>

/* Names that VMware writes and iconv knows otherwise, or takes differently:
 * Windows' "Shift_JIS" is code page 932, where 0x5C is a backslash. */
static const struct {
    const char *vmware, *iconv;
} charset_names[] = {
    {"Shift_JIS", "CP932"},
    {"GBK", "CP936"},
    {"Big5", "CP950"},
    {"windows-1252", "CP1252"},
};

static const char *
iconv_name(const char *encoding)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(charset_names); i++)
        if (!g_ascii_strcasecmp(encoding, charset_names[i].vmware))
            return charset_names[i].iconv;
    return encoding;
}

static char *
convert_from(const char *text, size_t len, const char *charset)
{
    gsize done = 0;
    char *utf8 =
        g_convert(text, (gssize) len, "UTF-8", charset, &done, NULL, NULL);

    /* A text that breaks off inside a character is not in that charset. */
    if (utf8 && done != len)
        g_clear_pointer(&utf8, g_free);
    return utf8;
}

/* ISO 8859-1 gives every byte a meaning. */
static char *
convert_bytes(const char *text, size_t len)
{
    GString *out = g_string_sized_new(len + len / 8);

    for (size_t i = 0; i < len; i++)
        g_string_append_unichar(out, (guchar) text[i]);
    return g_string_free(out, FALSE);
}

/* Of those that we know by name all are supersets of ASCII. */
static bool
agrees_with_ascii(const char *encoding)
{
    if (!encoding || !g_ascii_strcasecmp(encoding, "UTF-8"))
        return true;
    for (unsigned i = 0; i < G_N_ELEMENTS(charset_names); i++)
        if (!g_ascii_strcasecmp(encoding, charset_names[i].vmware))
            return true;
    return false;
}

bool
vmdk_charset_is_plain(const char *text, size_t len, const char *encoding)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] & 0x80)
            return false;
    return agrees_with_ascii(encoding);
}

char *
vmdk_charset_to_utf8(const char *text, size_t len, const char *encoding)
{
    char *utf8 = NULL;

    if (vmdk_charset_is_plain(text, len, encoding))
        return g_strndup(text, len);
    if (encoding && g_ascii_strcasecmp(encoding, "UTF-8"))
        utf8 = convert_from(text, len, iconv_name(encoding));
    if (!utf8 && g_utf8_validate(text, (gssize) len, NULL))
        utf8 = g_strndup(text, len);
    if (!utf8)
        utf8 = convert_from(text, len, "CP1252");
    return utf8 ? utf8 : convert_bytes(text, len);
}
