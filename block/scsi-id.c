/* SPDX-License-Identifier: BSD-3-Clause */
/* block/scsi-id.c - names of logical units that hold all over the world.
 *
 * Source: SCSI Primary Commands, vital product data pages 80h and 83h.
 *
 * Concurrency: no state; any thread.
 */
#include "block/scsi-id.h"

#include <stdbool.h>
#include <string.h>

#include "io/bytes.h"

#define PAGE_HEADER 4
#define PAGE_SERIAL 0x80
#define PAGE_IDENTIFICATION 0x83

#define DESIGNATOR_HEADER 4
#define ASSOCIATION_UNIT 0

enum { CODES_BINARY = 1, CODES_ASCII = 2, CODES_UTF8 = 3 };
enum { TYPE_T10 = 1, TYPE_EUI64 = 2, TYPE_NAA = 3, TYPE_NAME = 8 };

#define UUID_DIGITS 32
#define MIN_HEX_DIGITS 16 /* of naa. and eui. */
#define MAX_HEX_DIGITS 32
#define MAX_T10_CHARS 510 /* 255 bytes, each as two digits */

/* -- one way of writing them ----------------------------------------------- */

static char *
hex_name(const char *prefix, const char *digits)
{
    size_t len = strlen(digits);
    g_autofree char *lower = NULL;

    if (len < MIN_HEX_DIGITS || len > MAX_HEX_DIGITS || len % 2 != 0 ||
        strspn(digits, "0123456789abcdefABCDEF") != len)
        return NULL;
    lower = g_ascii_strdown(digits, -1);
    return g_strconcat(prefix, lower, NULL);
}

static char *
hex_name_of_bytes(const char *prefix, const uint8_t *bytes, size_t len)
{
    g_autoptr(GString) digits = g_string_new(NULL);

    for (size_t i = 0; i < len && i <= MAX_HEX_DIGITS; i++)
        g_string_append_printf(digits, "%02x", bytes[i]);
    return hex_name(prefix, digits->str);
}

static char *
t10_name(const char *text, size_t len)
{
    g_autoptr(GString) name = g_string_new("t10.");
    size_t prefix = name->len;

    if (len > MAX_T10_CHARS)
        return NULL;
    for (size_t i = 0; i < len && text[i] != '\0'; i++) {
        if (g_ascii_isalnum(text[i]))
            g_string_append_c(name, text[i]);
        else if (text[i] == ' ' || text[i] == '_')
            g_string_append_c(name, '_');
        else
            g_string_append_printf(name, "%02X", (uint8_t) text[i]);
    }
    while (name->len > prefix && name->str[name->len - 1] == '_')
        g_string_truncate(name, name->len - 1);
    if (name->len == prefix || name->len - prefix > MAX_T10_CHARS)
        return NULL;
    return g_strdup(name->str);
}

static const char *
skip_prefix(const char *text, const char *prefix)
{
    size_t len = strlen(prefix);

    return g_ascii_strncasecmp(text, prefix, len) == 0 ? text + len : NULL;
}

char *
vd_scsi_name_canonical(const char *text)
{
    const char *rest;

    if ((rest = skip_prefix(text, "naa.")) ||
        (rest = skip_prefix(text, "wwn-0x")))
        return hex_name("naa.", rest);
    if ((rest = skip_prefix(text, "eui.")))
        return hex_name("eui.", rest);
    if ((rest = skip_prefix(text, "t10.")))
        return t10_name(rest, strlen(rest));
    return NULL;
}

char *
vd_scsi_name_from_uuid(const char *uuid)
{
    g_autoptr(GString) digits = g_string_new(NULL);

    for (; *uuid && digits->len <= UUID_DIGITS; uuid++)
        if (*uuid != '-')
            g_string_append_c(digits, *uuid);
    return digits->len == UUID_DIGITS ? hex_name("naa.", digits->str) : NULL;
}

/* -- pages ----------------------------------------------------------------- */

/* What of the body is there. */
static bool
page_body(const uint8_t *page, size_t len, uint8_t code, const uint8_t **body,
          size_t *body_len)
{
    if (len < PAGE_HEADER || page[1] != code)
        return false;
    *body = page + PAGE_HEADER;
    *body_len = MIN(len - PAGE_HEADER, (size_t) vio_get_be16(page + 2));
    return true;
}

typedef struct {
    unsigned codes, association, type;
    const uint8_t *bytes;
    size_t len;
} Designator;

/* NULL: that was the last one, or it is not whole. */
static const uint8_t *
designator_decode(const uint8_t *at, const uint8_t *end, Designator *d)
{
    if ((size_t) (end - at) < DESIGNATOR_HEADER)
        return NULL;
    *d = (Designator){
        .codes = at[0] & 0xf,
        .association = at[1] >> 4 & 3,
        .type = at[1] & 0xf,
        .bytes = at + DESIGNATOR_HEADER,
        .len = at[3],
    };
    return (size_t) (end - d->bytes) < d->len ? NULL : d->bytes + d->len;
}

static char *
designator_name(const Designator *d)
{
    const char *text = (const char *) d->bytes;
    bool is_text = d->codes == CODES_ASCII || d->codes == CODES_UTF8;
    g_autofree char *copy = NULL;

    if (d->association != ASSOCIATION_UNIT)
        return NULL;
    if (d->type == TYPE_NAA && d->codes == CODES_BINARY)
        return hex_name_of_bytes("naa.", d->bytes, d->len);
    if (d->type == TYPE_EUI64 && d->codes == CODES_BINARY)
        return hex_name_of_bytes("eui.", d->bytes, d->len);
    if (d->type == TYPE_T10 && is_text)
        return t10_name(text, d->len);
    if (d->type != TYPE_NAME || !is_text)
        return NULL;
    copy = g_strndup(text, d->len);
    return vd_scsi_name_canonical(copy);
}

static void
add_name(GPtrArray *names, char *name)
{
    if (g_ptr_array_find_with_equal_func(names, name, g_str_equal, NULL))
        g_free(name);
    else
        g_ptr_array_add(names, name);
}

GPtrArray *
vd_scsi_names_decode(const uint8_t *page, size_t len)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    const uint8_t *at, *end;
    Designator d;
    size_t body_len;

    if (!page_body(page, len, PAGE_IDENTIFICATION, &at, &body_len))
        return names;
    end = at + body_len;
    while (names->len < VD_SCSI_MAX_NAMES &&
           (at = designator_decode(at, end, &d))) {
        char *name = designator_name(&d);

        if (name)
            add_name(names, name);
    }
    return names;
}

char *
vd_scsi_serial_decode(const uint8_t *page, size_t len)
{
    g_autofree char *text = NULL, *lower = NULL;
    const uint8_t *body;
    size_t body_len;

    if (!page_body(page, len, PAGE_SERIAL, &body, &body_len))
        return NULL;
    text = g_strstrip(g_strndup((const char *) body, body_len));
    for (const char *c = text; *c; c++)
        if (!g_ascii_isgraph(*c) && *c != ' ')
            return NULL;
    lower = g_ascii_strdown(text, -1);
    return *lower ? g_steal_pointer(&lower) : NULL;
}
