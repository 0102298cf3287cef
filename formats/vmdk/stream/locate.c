/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/stream/locate.c - the footer of a stream, and with it the
 * directory.
 *
 * A true stream ends with footer marker, footer, end-of-stream marker.  Files
 * that were padded afterwards have them further in front: the last footer
 * within 1 MiB of the end counts.
 *
 * Concurrency: local state only; one buffer, from the heap.
 */
#include <inttypes.h>
#include <string.h>

#include "formats/vmdk/stream/record.h"
#include "formats/vmdk/stream/stream.h"

#define LOCATE_MAX_BYTES (1u << 20)
#define LOCATE_USUAL_BYTES (3 * VMDK_SECTOR) /* end-of-stream marker too */
#define FOOTER_SECTORS 2                     /* marker and header */

static bool
is_footer_at(const VmdkHeader *hdr, const uint8_t *p)
{
    VmdkRecord rec;

    vmdk_record_parse(hdr, p, &rec);
    return rec.data_bytes == 0 && rec.marker == VMDK_MARKER_FOOTER &&
           memcmp(p + VMDK_SECTOR, "KDMV", 4) == 0;
}

/* The last place in @tail that looks like a footer; -1 = none. */
static int64_t
footer_find(const VmdkHeader *hdr, const uint8_t *tail, size_t len)
{
    int64_t at = (int64_t) len - FOOTER_SECTORS * VMDK_SECTOR;

    while (at >= 0 && !is_footer_at(hdr, tail + at))
        at -= VMDK_SECTOR;
    return at;
}

static bool
footer_check(const VmdkHeader *hdr, const VmdkHeader *footer, const char *name,
             uint64_t at, GError **error)
{
    uint64_t end;

    if (footer->gd_sector == VMDK_GD_AT_END)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: Invalid footer: the one at byte %" PRIu64
                        " does not name a directory either",
                        name, at);
    if (footer->capacity_sectors != hdr->capacity_sectors ||
        footer->grain_sectors != hdr->grain_sectors ||
        footer->gtes_per_gt != hdr->gtes_per_gt)
        return vd_throw(
            error, VD_ERROR_CORRUPT,
            "%s: Invalid footer: the one at byte %" PRIu64 " has %" PRIu64
            " sectors in grains of %" PRIu64
            " and tables of %u, the header has %" PRIu64 ", %" PRIu64 " and %u",
            name, at, footer->capacity_sectors, footer->grain_sectors,
            footer->gtes_per_gt, hdr->capacity_sectors, hdr->grain_sectors,
            hdr->gtes_per_gt);
    end = (footer->gd_sector + vmdk_header_gd_sectors(footer)) * VMDK_SECTOR;
    if (end > at)
        return vd_throw(
            error, VD_ERROR_CORRUPT,
            "%s: Invalid footer: its directory would end at byte %" PRIu64
            ", behind the footer at byte %" PRIu64,
            name, end, at);
    return true;
}

static bool
throw_no_footer(const VmdkHeader *hdr, const char *name, const uint8_t *tail,
                size_t len, uint64_t tail_at, GError **error)
{
    VmdkRecord rec = {0};
    uint64_t want_at = tail_at + len - 3 * VMDK_SECTOR;

    vmdk_record_parse(hdr, tail + len - 3 * VMDK_SECTOR, &rec);
    return vd_throw(
        error, VD_ERROR_CORRUPT,
        "%s: Invalid footer: want a footer marker (type %d) at byte %" PRIu64
        ", found value %" PRIu64
        ", size %u, type %u, and none in the %zu bytes before the end: the file was cut off",
        name, VMDK_MARKER_FOOTER, want_at, rec.value, rec.data_bytes,
        rec.marker, len);
}

/* Look at the last @len bytes before @end.  True with nothing found if a
 * larger @len is possible. */
static bool
locate_co_try(VdNode *file, VmdkHeader *hdr, uint64_t end, size_t len,
              GError **error)
{
    const char *name = vd_node_name(file);
    g_autofree uint8_t *tail = g_malloc(len);
    VmdkHeader footer;
    int64_t found;
    uint64_t at;

    if (!vd_node_co_pread(file, end - len, tail, len, error))
        return vd_prefix(error, "reading the footer: ");
    found = footer_find(hdr, tail, len);
    if (found < 0 && len < MIN(end, LOCATE_MAX_BYTES))
        return true;
    if (found < 0)
        return throw_no_footer(hdr, name, tail, len, end - len, error);

    at = end - len + (uint64_t) found;
    if (!vmdk_header_decode(tail + found + VMDK_SECTOR, name, &footer, error))
        return vd_prefix(error, "Invalid footer at byte %" PRIu64 ": ", at);
    if (!footer_check(hdr, &footer, name, at, error))
        return false;
    hdr->gd_sector = footer.gd_sector;
    return true;
}

bool
vmdk_stream_co_locate(VdNode *file, VmdkHeader *hdr, GError **error)
{
    uint64_t size = vd_node_size(file);
    uint64_t end = size / VMDK_SECTOR * VMDK_SECTOR;
    size_t len = LOCATE_USUAL_BYTES;

    if (hdr->gd_sector == VMDK_GD_AT_END && end <= len)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: Invalid footer: no room for one in %" PRIu64
                        " bytes",
                        vd_node_name(file), size);
    /* Where it belongs, then wherever it may have got to. */
    while (hdr->gd_sector == VMDK_GD_AT_END) {
        if (!locate_co_try(file, hdr, end, len, error))
            return false;
        len = (size_t) MIN(end, LOCATE_MAX_BYTES);
    }
    return true;
}
