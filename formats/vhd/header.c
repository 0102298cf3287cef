/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vhd/header.c - the dynamic header of a VHD file that grows.
 *
 * Layout: other-formats dossier, B.4.  Big endian.
 *
 * Concurrency: never yields.
 */
#include "formats/vhd/header.h"
#include "io/bytes.h"
#include "formats/common/utf16.h"

#include <inttypes.h>

#define COOKIE "cxsparse"
#define COOKIE_BYTES 8
#define VERSION UINT32_C(0x00010000)

enum {
    NEXT_AT = 8,
    TABLE_AT = 16,
    VERSION_AT = 24,
    ENTRIES_AT = 28,
    BLOCK_AT = 32,
    CHECKSUM_AT = 36,
    PARENT_UUID_AT = 40,
    PARENT_TIME_AT = 56,
    PARENT_NAME_AT = 64,
    PARENT_NAME_BYTES = 512,
    LOCATORS_AT = 576,
    LOCATOR_BYTES = 24,
};

bool
vhd_header_is_magic(const uint8_t *raw, size_t len)
{
    return len >= COOKIE_BYTES && memcmp(raw, COOKIE, COOKIE_BYTES) == 0;
}

static void
take_locators(VhdHeader *hdr, const uint8_t *raw)
{
    for (unsigned i = 0; i < VHD_LOCATORS; i++) {
        const uint8_t *p = raw + LOCATORS_AT + i * LOCATOR_BYTES;

        hdr->locator[i] = (VhdLocator){.platform = vio_get_be32(p),
                                       .len = vio_get_be32(p + 8),
                                       .off = vio_get_be64(p + 16)};
    }
}

static bool
refuse(GError **error, const char *name, uint64_t off, const char *what,
       uint64_t found)
{
    return vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: the dynamic header at byte %" PRIu64 " has %s "
                    "%" PRIu64,
                    name, off, what, found);
}

bool
vhd_header_decode(VhdHeader *hdr, const uint8_t *raw, const char *name,
                  uint64_t off, GError **error)
{
    uint32_t block = vio_get_be32(raw + BLOCK_AT);

    *hdr = (VhdHeader){.table_off = vio_get_be64(raw + TABLE_AT),
                       .n_entries = vio_get_be32(raw + ENTRIES_AT),
                       .block_bytes = block,
                       .parent_timestamp = vio_get_be32(raw + PARENT_TIME_AT)};
    if (!vhd_header_is_magic(raw, VHD_HEADER_BYTES))
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: no dynamic header (\"cxsparse\") at byte %" PRIu64,
                        name, off);
    if (vio_get_be32(raw + CHECKSUM_AT) !=
        vhd_checksum(raw, VHD_HEADER_BYTES, CHECKSUM_AT))
        return refuse(error, name, off, "the wrong checksum",
                      vio_get_be32(raw + CHECKSUM_AT));
    if (vio_get_be32(raw + VERSION_AT) >> 16 != VERSION >> 16)
        return refuse(error, name, off, "the unknown version",
                      vio_get_be32(raw + VERSION_AT));
    if (block < VHD_SECTOR || block > VHD_MAX_BLOCK || (block & (block - 1)))
        return refuse(error, name, off,
                      "for a block size, which is a power of two from 512 to "
                      "268435456,",
                      block);
    memcpy(hdr->parent_uuid, raw + PARENT_UUID_AT, VD_UUID_BYTES);
    take_locators(hdr, raw);
    hdr->parent_name =
        vd_utf16_text(raw + PARENT_NAME_AT, PARENT_NAME_BYTES, true);
    return true;
}

void
vhd_header_encode(const VhdHeader *hdr, uint8_t raw[VHD_HEADER_BYTES])
{
    memset(raw, 0, VHD_HEADER_BYTES);
    memcpy(raw, COOKIE, COOKIE_BYTES);
    vio_put_be64(raw + NEXT_AT, UINT64_MAX);
    vio_put_be64(raw + TABLE_AT, hdr->table_off);
    vio_put_be32(raw + VERSION_AT, VERSION);
    vio_put_be32(raw + ENTRIES_AT, hdr->n_entries);
    vio_put_be32(raw + BLOCK_AT, hdr->block_bytes);
    vio_put_be32(raw + CHECKSUM_AT,
                 vhd_checksum(raw, VHD_HEADER_BYTES, CHECKSUM_AT));
}

void
vhd_header_set_entries(uint8_t raw[VHD_HEADER_BYTES], uint32_t n)
{
    vio_put_be32(raw + ENTRIES_AT, n);
    vio_put_be32(raw + CHECKSUM_AT,
                 vhd_checksum(raw, VHD_HEADER_BYTES, CHECKSUM_AT));
}

void
vhd_header_clear(VhdHeader *hdr)
{
    g_clear_pointer(&hdr->parent_name, g_free);
}
