/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/bitmap-walk.c - clusters that bitmaps use.
 *
 * The directory has entries of any length at multiples of 8: u64 offset of the
 * bitmap's table, u32 entries of it, u32 flags, u8 type, u8 granularity, u16
 * length of the name, u32 length of extra data, extra data, name.  A table
 * entry names a cluster, or none (bit 0: all ones).
 *
 * Concurrency: yields for I/O.
 */
#include "formats/qcow2/check.h"

#include <inttypes.h>

#define ENTRY_BYTES 24
#define MAX_DIRECTORY_BYTES (UINT64_C(64) << 20)
#define MAX_TABLE_BYTES (UINT64_C(64) << 20)

static bool
table_co_use(Qcow2Survey *survey, uint64_t off, uint32_t n, GError **error)
{
    Qcow2State *s = survey->s;
    uint64_t bytes = n * UINT64_C(8), size = vd_node_size(s->file);
    g_autofree uint64_t *table = NULL;

    if (bytes > MAX_TABLE_BYTES || off > size || bytes > size - off)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: the table of a bitmap at byte %" PRIu64
                        " with %u entries does not lie in the file",
                        vd_node_name(s->file), off, n);
    qcow2_survey_use(survey, off, bytes, "the table of a bitmap");
    table = g_malloc(MAX(bytes, 1));
    if (bytes && !vd_node_co_pread(s->file, off, table, bytes, error))
        return false;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t place = GUINT64_FROM_BE(table[i]) & QCOW2_OFF_MASK;

        if (place)
            qcow2_survey_use(survey, place, qcow2_cluster_bytes(&s->hdr),
                             "a cluster of a bitmap");
    }
    return true;
}

static bool
refuse(const Qcow2State *s, GError **error)
{
    return vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: the directory of %u bitmaps at byte %" PRIu64
                    " (%" PRIu64 " bytes) does not lie in the file",
                    vd_node_name(s->file), s->ext.n_bitmaps, s->ext.bitmaps_off,
                    s->ext.bitmaps_bytes);
}

bool
qcow2_survey_co_bitmaps(Qcow2Survey *survey, GError **error)
{
    Qcow2State *s = survey->s;
    const Qcow2Extensions *ext = &s->ext;
    uint64_t len = ext->bitmaps_bytes, size = vd_node_size(s->file), at = 0;
    g_autofree uint8_t *raw = NULL;

    if (!ext->has_bitmaps)
        return true;
    if (len > MAX_DIRECTORY_BYTES || ext->bitmaps_off > size ||
        len > size - ext->bitmaps_off)
        return refuse(s, error);
    qcow2_survey_use(survey, ext->bitmaps_off, len, "the bitmap directory");
    raw = g_malloc(MAX(len, 1));
    if (len && !vd_node_co_pread(s->file, ext->bitmaps_off, raw, len, error))
        return false;
    for (uint32_t i = 0; i < ext->n_bitmaps; i++) {
        const uint8_t *p = raw + at;

        if (len - at < ENTRY_BYTES)
            return refuse(s, error);
        at += (ENTRY_BYTES + (uint64_t) vd_get_be16(p + 18) +
               vd_get_be32(p + 20) + 7) /
              8 * 8;
        if (at > len)
            return refuse(s, error);
        if (!table_co_use(survey, vd_get_be64(p), vd_get_be32(p + 8), error))
            return false;
    }
    return true;
}
