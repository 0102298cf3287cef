/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vhdx/locator.c - how a differencing VHDX remembers its parent.
 *
 * Layout: other-formats dossier, C.6: keys and values in UTF-16.
 *
 * Concurrency: never yields.
 */
#include "io/bytes.h"
#include "formats/common/utf16.h"
#include "formats/vhdx/metadata.h"

#define TYPE "b04aefb7-d19e-4a81-b789-25b8e9445913" /* the parent is a VHDX */

enum {
    COUNT_AT = 18,
    ENTRIES_AT = 20,
    ENTRY_BYTES = 12,
};

/* UTF-16 at @off; NULL if it is not inside. */
static char *
text_at(const uint8_t *raw, size_t len, uint32_t off, uint16_t n)
{
    if (off > len || n > len - off)
        return NULL;
    return vd_utf16_text(raw + off, n, false);
}

static bool
take_linkage(uint8_t *uuid, const char *key, const char *value,
             const char *name, GError **error)
{
    if (vd_uuid_parse(value, true, uuid))
        return true;
    return vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: \"%s\" of the parent locator is \"%s\", which is no "
                    "id",
                    name, key, value);
}

static bool
take_pair(VhdxLocator *locator, const char *key, const char *value,
          const char *name, GError **error)
{
    char **path = NULL;

    if (!strcmp(key, "parent_linkage"))
        return take_linkage(locator->linkage, key, value, name, error);
    if (!strcmp(key, "parent_linkage2"))
        return take_linkage(locator->linkage2, key, value, name, error);
    if (!strcmp(key, "relative_path"))
        path = &locator->relative;
    else if (!strcmp(key, "volume_path"))
        path = &locator->volume;
    else if (!strcmp(key, "absolute_win32_path"))
        path = &locator->absolute;
    if (path && !*path)
        *path = g_strdup(value);
    return true;
}

static bool
take_entry(VhdxLocator *locator, const uint8_t *raw, size_t len, unsigned i,
           const char *name, GError **error)
{
    const uint8_t *p = raw + ENTRIES_AT + (size_t) i * ENTRY_BYTES;
    g_autofree char *key =
        text_at(raw, len, vio_get_le32(p), vio_get_le16(p + 8));
    g_autofree char *value =
        text_at(raw, len, vio_get_le32(p + 4), vio_get_le16(p + 10));

    if (!key || !value)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: entry %u of the parent locator points out of its "
                        "%zu bytes",
                        name, i, len);
    return take_pair(locator, key, value, name, error);
}

bool
vhdx_locator_decode(VhdxLocator *locator, const uint8_t *raw, size_t len,
                    const char *name, GError **error)
{
    unsigned n = vio_get_le16(raw + COUNT_AT);
    char type[VD_UUID_CHARS + 1];

    vd_uuid_format(raw, true, type);
    if (strcmp(type, TYPE) != 0)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: the parent locator is of the unknown type %s",
                        name, type);
    if (n > (len - ENTRIES_AT) / ENTRY_BYTES)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: the parent locator of %zu bytes is too short for "
                        "its %u entries",
                        name, len, n);
    for (unsigned i = 0; i < n; i++)
        if (!take_entry(locator, raw, len, i, name, error))
            return false;
    return true;
}

void
vhdx_locator_clear(VhdxLocator *locator)
{
    g_clear_pointer(&locator->relative, g_free);
    g_clear_pointer(&locator->volume, g_free);
    g_clear_pointer(&locator->absolute, g_free);
}
