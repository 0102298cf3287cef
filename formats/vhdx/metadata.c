/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vhdx/metadata.c - what a VHDX file tells about its disk.
 *
 * Layout: other-formats dossier, C.2.
 *
 * Concurrency: never yields.
 */
#include "formats/vhdx/metadata.h"
#include "io/bytes.h"

#include <inttypes.h>

#define SIGNATURE "metadata"
#define SIGNATURE_BYTES 8

enum {
    COUNT_AT = 10,
    ENTRIES_AT = 32,
    ENTRY_BYTES = 32,
    ENTRY_OFF_AT = 16,
    ENTRY_LEN_AT = 20,
    ENTRY_FLAGS_AT = 24,
};

enum { IS_USER = 1, IS_DISK = 2, IS_REQUIRED = 4 };
enum { LEAVE_ALLOCATED = 1, HAS_PARENT = 2 };

typedef struct {
    const char *uuid, *what;
    uint32_t bytes; /* at least */
    uint32_t flags; /* of what we write */
} ItemKind;

static const ItemKind kinds[VHDX_N_ITEMS] = {
    [VHDX_ITEM_FILE] = {"caa16737-fa36-4d43-b3b6-33f0aa44e76b",
                        "file parameters", 8, IS_REQUIRED},
    [VHDX_ITEM_SIZE] = {"2fa54224-cd1b-4876-b211-5dbed83bf4b8", "disk size", 8,
                        IS_DISK | IS_REQUIRED},
    [VHDX_ITEM_PAGE83] = {"beca12ab-b2e6-4523-93ef-c309e000c746", "disk id", 16,
                          IS_DISK | IS_REQUIRED},
    [VHDX_ITEM_LOGICAL] = {"8141bf1d-a96f-4709-ba47-f233a8faab5f",
                           "logical sector size", 4, IS_DISK | IS_REQUIRED},
    [VHDX_ITEM_PHYSICAL] = {"cda348c7-445d-4471-9cc9-e9885251c556",
                            "physical sector size", 4, IS_DISK | IS_REQUIRED},
    [VHDX_ITEM_LOCATOR] = {"a8d35f2d-b30b-454d-abf7-d3d84834ab0c",
                           "parent locator", 20, IS_REQUIRED},
};

/* -- the table ------------------------------------------------------------- */

static int
find_kind(const char *uuid)
{
    for (int i = 0; i < VHDX_N_ITEMS; i++)
        if (!strcmp(kinds[i].uuid, uuid))
            return i;
    return -1;
}

static bool
check_place(const VhdxItemPlace *place, uint64_t region_bytes, const char *uuid,
            const char *name, GError **error)
{
    if (place->off >= VHDX_METADATA_TABLE_BYTES &&
        place->len <= VHDX_MAX_ITEM && place->off <= region_bytes &&
        place->len <= region_bytes - place->off)
        return true;
    return vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: metadata item %s of %u bytes at byte %u does not lie "
                    "in the items of a region of %" PRIu64 " bytes",
                    name, uuid, place->len, place->off, region_bytes);
}

static bool
take_known(VhdxItemPlace *known, const ItemKind *kind,
           const VhdxItemPlace *place, const char *name, GError **error)
{
    if (known->len)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: there are two metadata items for the %s", name,
                        kind->what);
    if (place->len < kind->bytes)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: the metadata item for the %s has %u bytes, not %u",
                        name, kind->what, place->len, kind->bytes);
    *known = *place;
    return true;
}

static bool
take_entry(VhdxItemPlace *places, const uint8_t *p, uint64_t region_bytes,
           const char *name, GError **error)
{
    VhdxItemPlace place = {.off = vio_get_le32(p + ENTRY_OFF_AT),
                           .len = vio_get_le32(p + ENTRY_LEN_AT)};
    uint32_t flags = vio_get_le32(p + ENTRY_FLAGS_AT);
    char uuid[VD_UUID_CHARS + 1];
    int kind;

    vd_uuid_format(p, true, uuid);
    kind = flags & IS_USER ? -1 : find_kind(uuid);
    if (kind < 0 && flags & IS_REQUIRED)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: metadata item %s is required to read the image, "
                        "but not known",
                        name, uuid);
    if (kind < 0 && !place.len)
        return true;
    return check_place(&place, region_bytes, uuid, name, error) &&
           (kind < 0 ||
            take_known(&places[kind], &kinds[kind], &place, name, error));
}

static bool
check_complete(const VhdxItemPlace *places, const char *name, GError **error)
{
    for (unsigned i = 0; i < VHDX_N_ITEMS; i++)
        if (!places[i].len && i != VHDX_ITEM_PAGE83 && i != VHDX_ITEM_LOCATOR)
            return vd_throw(error, VD_ERROR_CORRUPT,
                            "%s: there is no metadata item for the %s", name,
                            kinds[i].what);
    return true;
}

bool
vhdx_items_decode(VhdxItemPlace places[VHDX_N_ITEMS], const uint8_t *raw,
                  uint64_t region_bytes, const char *name, GError **error)
{
    unsigned n = vio_get_le16(raw + COUNT_AT);

    memset(places, 0, sizeof(*places) * VHDX_N_ITEMS);
    if (memcmp(raw, SIGNATURE, SIGNATURE_BYTES) != 0)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: the metadata region does not begin with "
                        "\"metadata\"",
                        name);
    if (n > VHDX_MAX_ITEMS)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: the metadata table has %u entries, not %d or less",
                        name, n, VHDX_MAX_ITEMS);
    for (unsigned i = 0; i < n; i++)
        if (!take_entry(places, raw + ENTRIES_AT + i * ENTRY_BYTES,
                        region_bytes, name, error))
            return false;
    return check_complete(places, name, error);
}

/* -- items ----------------------------------------------------------------- */

bool
vhdx_item_decode(VhdxMetadata *meta, VhdxItem item, const uint8_t *raw,
                 size_t len, const char *name, GError **error)
{
    switch (item) {
    case VHDX_ITEM_FILE:
        meta->block_bytes = vio_get_le32(raw);
        meta->leave_allocated = vio_get_le32(raw + 4) & LEAVE_ALLOCATED;
        meta->has_parent = vio_get_le32(raw + 4) & HAS_PARENT;
        return true;
    case VHDX_ITEM_SIZE:
        meta->size = vio_get_le64(raw);
        return true;
    case VHDX_ITEM_PAGE83:
        memcpy(meta->page83, raw, VD_UUID_BYTES);
        return true;
    case VHDX_ITEM_LOGICAL:
        meta->logical = vio_get_le32(raw);
        return true;
    case VHDX_ITEM_PHYSICAL:
        meta->physical = vio_get_le32(raw);
        return true;
    case VHDX_ITEM_LOCATOR:
        return vhdx_locator_decode(&meta->locator, raw, len, name, error);
    case VHDX_N_ITEMS:
        break;
    }
    g_assert_not_reached();
}

static bool
bad(GError **error, const char *name, const char *what, uint64_t found,
    const char *wanted)
{
    return vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: the metadata give a %s of %" PRIu64 ", not %s", name,
                    what, found, wanted);
}

static bool
is_sector_size(uint32_t bytes)
{
    return bytes == 512 || bytes == 4096;
}

bool
vhdx_metadata_check(const VhdxMetadata *meta, const char *name, GError **error)
{
    uint32_t block = meta->block_bytes;

    if (block < VHDX_MIN_BLOCK || block > VHDX_MAX_BLOCK ||
        (block & (block - 1)))
        return bad(error, name, "block size", block,
                   "a power of two from 1 to 256 MiB");
    if (!is_sector_size(meta->logical))
        return bad(error, name, "logical sector size", meta->logical,
                   "512 or 4096");
    if (!is_sector_size(meta->physical))
        return bad(error, name, "physical sector size", meta->physical,
                   "512 or 4096");
    if (meta->size > VHDX_MAX_SIZE || meta->size % meta->logical)
        return bad(error, name, "disk size", meta->size,
                   "whole sectors up to 64 TiB");
    return true;
}

void
vhdx_metadata_clear(VhdxMetadata *meta)
{
    vhdx_locator_clear(&meta->locator);
}

/* -- writing --------------------------------------------------------------- */

static void
put_item(const VhdxMetadata *meta, VhdxItem item, uint8_t *raw)
{
    if (item == VHDX_ITEM_FILE) {
        vio_put_le32(raw, meta->block_bytes);
        vio_put_le32(raw + 4, meta->leave_allocated ? LEAVE_ALLOCATED : 0);
    } else if (item == VHDX_ITEM_SIZE) {
        vio_put_le64(raw, meta->size);
    } else if (item == VHDX_ITEM_PAGE83) {
        memcpy(raw, meta->page83, VD_UUID_BYTES);
    } else {
        vio_put_le32(raw, item == VHDX_ITEM_LOGICAL ? meta->logical
                                                    : meta->physical);
    }
}

void
vhdx_metadata_encode(const VhdxMetadata *meta, uint8_t *raw)
{
    uint32_t off = VHDX_METADATA_TABLE_BYTES;

    memset(raw, 0, VHDX_METADATA_USED);
    memcpy(raw, SIGNATURE, SIGNATURE_BYTES);
    vio_put_le16(raw + COUNT_AT, VHDX_ITEM_LOCATOR);
    for (unsigned i = 0; i < VHDX_ITEM_LOCATOR; i++) {
        uint8_t *p = raw + ENTRIES_AT + i * ENTRY_BYTES;

        (void) vd_uuid_parse(kinds[i].uuid, true, p); /* a constant */
        vio_put_le32(p + ENTRY_OFF_AT, off);
        vio_put_le32(p + ENTRY_LEN_AT, kinds[i].bytes);
        vio_put_le32(p + ENTRY_FLAGS_AT, kinds[i].flags);
        put_item(meta, (VhdxItem) i, raw + off);
        off += kinds[i].bytes;
    }
}
