/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/bitmap-walk.c - clusters that bitmaps use.
 *
 * Concurrency: yields for I/O.
 */
#include "formats/qcow2/bitmap.h"
#include "formats/qcow2/check.h"

static bool
bitmap_co_use(Qcow2Survey *survey, const Qcow2Bitmap *bitmap, GError **error)
{
    Qcow2State *s = survey->s;
    g_autofree uint64_t *table = NULL;

    if (!qcow2_bitmap_co_table(s, bitmap, &table, error))
        return false;
    qcow2_survey_use(survey, bitmap->table_off, bitmap->n_table * UINT64_C(8),
                     "the table of a bitmap");
    for (uint32_t i = 0; i < bitmap->n_table; i++) {
        uint64_t place = table[i] & QCOW2_OFF_MASK;

        if (place)
            qcow2_survey_use(survey, place, qcow2_cluster_bytes(&s->hdr),
                             "a cluster of a bitmap");
    }
    return true;
}

bool
qcow2_survey_co_bitmaps(Qcow2Survey *survey, GError **error)
{
    Qcow2State *s = survey->s;
    g_autoptr(GArray) list = qcow2_bitmaps_co_read(s, error);

    if (!list)
        return false;
    if (s->ext.has_bitmaps)
        qcow2_survey_use(survey, s->ext.bitmaps_off, s->ext.bitmaps_bytes,
                         "the bitmap directory");
    for (unsigned i = 0; i < list->len; i++)
        if (!bitmap_co_use(survey, &g_array_index(list, Qcow2Bitmap, i), error))
            return false;
    return true;
}
