/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vhd/footer.c - the footer of a VHD file.
 *
 * Layout: other-formats dossier, B.1.  Big endian.
 *
 * Concurrency: never yields.
 */
#include "formats/vhd/footer.h"
#include "io/bytes.h"

#include <inttypes.h>

#define COOKIE "conectix"
#define COOKIE_BYTES 8
#define FEATURES_RESERVED 2 /* always set */
#define VERSION UINT32_C(0x00010000)
#define HOST_WINDOWS UINT32_C(0x5769326b) /* "Wi2k" */

enum {
    FEATURES_AT = 8,
    VERSION_AT = 12,
    HEADER_AT = 16,
    TIMESTAMP_AT = 24,
    CREATOR_AT = 28,
    CREATOR_VERSION_AT = 32,
    HOST_AT = 36,
    ORIGINAL_AT = 40,
    CURRENT_AT = 48,
    CYLINDERS_AT = 56,
    HEADS_AT = 58,
    SECTORS_AT = 59,
    TYPE_AT = 60,
    CHECKSUM_AT = 64,
    UUID_AT = 68,
    SAVED_AT = 84,
};

uint32_t
vhd_checksum(const uint8_t *raw, size_t len, size_t at)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < len; i++)
        if (i < at || i >= at + 4)
            sum += raw[i];
    return ~sum;
}

const char *
vhd_type_name(VhdType type)
{
    switch (type) {
    case VHD_FIXED:
        return "fixed";
    case VHD_DYNAMIC:
        return "dynamic";
    case VHD_DIFFERENCING:
        return "differencing";
    }
    return NULL;
}

bool
vhd_footer_is_magic(const uint8_t *raw, size_t len)
{
    return len >= COOKIE_BYTES && memcmp(raw, COOKIE, COOKIE_BYTES) == 0;
}

/* The byte that old footers lack is zero in all others. */
bool
vhd_footer_is_sound(const uint8_t *raw, size_t len)
{
    return len >= VHD_OLD_FOOTER_BYTES && vhd_footer_is_magic(raw, len) &&
           vio_get_be32(raw + CHECKSUM_AT) ==
               vhd_checksum(raw, MIN(len, VHD_FOOTER_BYTES), CHECKSUM_AT);
}

bool
vhd_footer_decode(VhdFooter *footer, const uint8_t *raw, const char *name,
                  GError **error)
{
    uint32_t version = vio_get_be32(raw + VERSION_AT);

    *footer = (VhdFooter){
        .type = vio_get_be32(raw + TYPE_AT),
        .header_off = vio_get_be64(raw + HEADER_AT),
        .timestamp = vio_get_be32(raw + TIMESTAMP_AT),
        .creator_version = vio_get_be32(raw + CREATOR_VERSION_AT),
        .original_size = vio_get_be64(raw + ORIGINAL_AT),
        .current_size = vio_get_be64(raw + CURRENT_AT),
        .geometry = {.cylinders = vio_get_be16(raw + CYLINDERS_AT),
                     .heads = raw[HEADS_AT],
                     .sectors = raw[SECTORS_AT]},
        .saved_state = raw[SAVED_AT],
    };
    memcpy(footer->creator, raw + CREATOR_AT, 4);
    memcpy(footer->uuid, raw + UUID_AT, VD_UUID_BYTES);
    if (version >> 16 != VERSION >> 16)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: VHD version %u.%u; only version 1 is known", name,
                        version >> 16, version & 0xffff);
    if (!vhd_type_name(footer->type))
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: the VHD footer tells disk type %u, not 2, 3 or 4",
                        name, (unsigned) footer->type);
    return true;
}

void
vhd_footer_encode(const VhdFooter *footer, uint8_t raw[VHD_FOOTER_BYTES])
{
    memset(raw, 0, VHD_FOOTER_BYTES);
    memcpy(raw, COOKIE, COOKIE_BYTES);
    vio_put_be32(raw + FEATURES_AT, FEATURES_RESERVED);
    vio_put_be32(raw + VERSION_AT, VERSION);
    vio_put_be64(raw + HEADER_AT, footer->header_off);
    vio_put_be32(raw + TIMESTAMP_AT, footer->timestamp);
    memcpy(raw + CREATOR_AT, footer->creator, 4);
    vio_put_be32(raw + CREATOR_VERSION_AT, footer->creator_version);
    vio_put_be32(raw + HOST_AT, HOST_WINDOWS);
    vio_put_be64(raw + ORIGINAL_AT, footer->original_size);
    vio_put_be64(raw + CURRENT_AT, footer->current_size);
    vio_put_be16(raw + CYLINDERS_AT, footer->geometry.cylinders);
    raw[HEADS_AT] = footer->geometry.heads;
    raw[SECTORS_AT] = footer->geometry.sectors;
    vio_put_be32(raw + TYPE_AT, footer->type);
    memcpy(raw + UUID_AT, footer->uuid, VD_UUID_BYTES);
    raw[SAVED_AT] = footer->saved_state;
    vio_put_be32(raw + CHECKSUM_AT,
                 vhd_checksum(raw, VHD_FOOTER_BYTES, CHECKSUM_AT));
}

void
vhd_footer_set_size(const VhdFooter *footer, uint8_t raw[VHD_FOOTER_BYTES])
{
    memcpy(raw + CREATOR_AT, footer->creator, 4);
    vio_put_be64(raw + CURRENT_AT, footer->current_size);
    vio_put_be16(raw + CYLINDERS_AT, footer->geometry.cylinders);
    raw[HEADS_AT] = footer->geometry.heads;
    raw[SECTORS_AT] = footer->geometry.sectors;
    vio_put_be32(raw + CHECKSUM_AT,
                 vhd_checksum(raw, VHD_FOOTER_BYTES, CHECKSUM_AT));
}
