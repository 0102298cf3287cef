/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vhdx/region.c - which parts of a VHDX file are no payload.
 *
 * Layout: other-formats dossier, C.1.  There are two copies of the table.
 *
 * Concurrency: never yields.
 */
#include "formats/vhdx/region.h"
#include "io/bytes.h"
#include "formats/common/crc32c.h"
#include "formats/vhdx/header.h"

#include <inttypes.h>

#define SIGNATURE "regi"
#define MAX_ENTRIES 2047
#define TABLE_UUID "2dc27766-f623-4200-9d64-115e9bfd4a08"
#define METADATA_UUID "8b7ca206-4790-4b9a-b8fe-575f050f886e"
#define REQUIRED 1u

enum {
    CRC_AT = 4,
    COUNT_AT = 8,
    ENTRIES_AT = 16,
    ENTRY_BYTES = 32,
    ENTRY_OFF_AT = 16,
    ENTRY_LEN_AT = 24,
    ENTRY_FLAGS_AT = 28,
};

typedef struct {
    VhdxRegions *regions;
    const char *name;
    uint64_t at; /* of the table */
} Decoding;

const char *
vhdx_region_table_problem(const uint8_t *raw)
{
    if (memcmp(raw, SIGNATURE, 4) != 0)
        return "has no signature \"regi\"";
    if (vio_get_le32(raw + CRC_AT) !=
        vd_crc32c_around(raw, VHDX_REGION_TABLE_BYTES, CRC_AT))
        return "has a wrong checksum";
    if (vio_get_le32(raw + COUNT_AT) > MAX_ENTRIES)
        return "has more than 2047 entries";
    return NULL;
}

/* -- one region ------------------------------------------------------------ */

static bool
check_place(const Decoding *d, const char *uuid, const VhdxRange *range,
            GError **error)
{
    if (range->off >= VHDX_MIB && range->off % VHDX_MIB == 0 && range->len &&
        range->len % VHDX_MIB == 0 &&
        range->off <= (uint64_t) VD_MAX_SIZE - range->len)
        return true;
    return vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: the region table at byte %" PRIu64
                    " places region %s at byte %" PRIu64 " with %" PRIu64
                    " bytes, which are no whole MiB behind the first",
                    d->name, d->at, uuid, range->off, range->len);
}

static bool
set_known(const Decoding *d, const char *what, VhdxRange *known,
          const VhdxRange *range, GError **error)
{
    if (known->len)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: the region table at byte %" PRIu64
                        " has two regions for the %s",
                        d->name, d->at, what);
    *known = *range;
    return true;
}

static bool
take_entry(const Decoding *d, const uint8_t *p, GError **error)
{
    VhdxRange range = {.off = vio_get_le64(p + ENTRY_OFF_AT),
                       .len = vio_get_le32(p + ENTRY_LEN_AT)};
    char uuid[VD_UUID_CHARS + 1];

    vd_uuid_format(p, true, uuid);
    if (!check_place(d, uuid, &range, error))
        return false;
    g_array_append_val(d->regions->taken, range);
    if (!strcmp(uuid, TABLE_UUID))
        return set_known(d, "table of blocks", &d->regions->table, &range,
                         error);
    if (!strcmp(uuid, METADATA_UUID))
        return set_known(d, "metadata", &d->regions->metadata, &range, error);
    if (vio_get_le32(p + ENTRY_FLAGS_AT) & REQUIRED)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: region %s is required to read the image, but "
                        "not known",
                        d->name, uuid);
    return true;
}

/* -- all of them ----------------------------------------------------------- */

static gint
compare_ranges(gconstpointer a, gconstpointer b)
{
    const VhdxRange *x = a, *y = b;

    return x->off < y->off ? -1 : x->off > y->off;
}

static bool
check_apart(const Decoding *d, GError **error)
{
    GArray *taken = d->regions->taken;

    g_array_sort(taken, compare_ranges);
    for (unsigned i = 1; i < taken->len; i++) {
        const VhdxRange *range = &g_array_index(taken, VhdxRange, i);

        if (range[-1].off + range[-1].len > range->off)
            return vd_throw(error, VD_ERROR_CORRUPT,
                            "%s: the regions or the log at bytes %" PRIu64
                            " and %" PRIu64 " overlap",
                            d->name, range[-1].off, range->off);
    }
    return true;
}

static bool
check_complete(const Decoding *d, GError **error)
{
    if (d->regions->table.len && d->regions->metadata.len)
        return true;
    return vd_throw(
        error, VD_ERROR_CORRUPT,
        "%s: the region table at byte %" PRIu64 " names no region for the %s",
        d->name, d->at, d->regions->table.len ? "metadata" : "table of blocks");
}

bool
vhdx_region_table_decode(VhdxRegions *regions, const uint8_t *raw,
                         const VhdxRange *log, const char *name, uint64_t at,
                         GError **error)
{
    Decoding d = {regions, name, at};
    uint32_t n = vio_get_le32(raw + COUNT_AT);

    regions->taken = g_array_new(FALSE, FALSE, sizeof(VhdxRange));
    if (log->len)
        g_array_append_vals(regions->taken, log, 1);
    for (uint32_t i = 0; i < n; i++)
        if (!take_entry(&d, raw + ENTRIES_AT + i * ENTRY_BYTES, error))
            return false;
    return check_complete(&d, error) && check_apart(&d, error);
}

static void
put_entry(uint8_t *p, const char *uuid, const VhdxRange *range)
{
    (void) vd_uuid_parse(uuid, true, p); /* a constant */
    vio_put_le64(p + ENTRY_OFF_AT, range->off);
    vio_put_le32(p + ENTRY_LEN_AT, (uint32_t) range->len);
    vio_put_le32(p + ENTRY_FLAGS_AT, REQUIRED);
}

void
vhdx_region_table_encode(const VhdxRegions *regions, uint8_t *raw)
{
    memset(raw, 0, VHDX_REGION_TABLE_BYTES);
    memcpy(raw, SIGNATURE, 4);
    vio_put_le32(raw + COUNT_AT, 2);
    put_entry(raw + ENTRIES_AT, TABLE_UUID, &regions->table);
    put_entry(raw + ENTRIES_AT + ENTRY_BYTES, METADATA_UUID,
              &regions->metadata);
    vio_put_le32(raw + CRC_AT, vd_crc32c(0, raw, VHDX_REGION_TABLE_BYTES));
}

void
vhdx_region_table_set(uint8_t *raw, const VhdxRange *table)
{
    uint32_t n = vio_get_le32(raw + COUNT_AT);
    uint8_t uuid[VD_UUID_BYTES];

    (void) vd_uuid_parse(TABLE_UUID, true, uuid); /* a constant */
    for (uint32_t i = 0; i < n; i++) {
        uint8_t *entry = raw + ENTRIES_AT + i * ENTRY_BYTES;

        if (memcmp(entry, uuid, sizeof(uuid)) != 0)
            continue;
        vio_put_le64(entry + ENTRY_OFF_AT, table->off);
        vio_put_le32(entry + ENTRY_LEN_AT, (uint32_t) table->len);
    }
    vio_put_le32(raw + CRC_AT,
                 vd_crc32c_around(raw, VHDX_REGION_TABLE_BYTES, CRC_AT));
}

void
vhdx_regions_move(VhdxRegions *regions, const VhdxRange *from,
                  const VhdxRange *to)
{
    for (unsigned i = 0; i < regions->taken->len; i++) {
        VhdxRange *range = &g_array_index(regions->taken, VhdxRange, i);

        if (range->off == from->off)
            *range = *to;
    }
    g_array_sort(regions->taken, compare_ranges);
}

void
vhdx_regions_clear(VhdxRegions *regions)
{
    g_clear_pointer(&regions->taken, g_array_unref);
}

bool
vhdx_regions_touch(const VhdxRegions *regions, uint64_t off, uint64_t len)
{
    unsigned low = 0, high = regions->taken->len;

    /* The first that ends behind @off: they do not overlap. */
    while (low < high) {
        unsigned mid = low + (high - low) / 2;
        const VhdxRange *range = &g_array_index(regions->taken, VhdxRange, mid);

        if (range->off + range->len > off)
            high = mid;
        else
            low = mid + 1;
    }
    return low < regions->taken->len &&
           g_array_index(regions->taken, VhdxRange, low).off < off + len;
}
