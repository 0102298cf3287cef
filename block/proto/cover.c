/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/cover.c - which bytes of a read have come.
 *
 * Chunks in order cost two comparisons.  Others are kept in a sorted array of
 * bounded size: a server that scatters a read over thousands of islands means
 * harm.
 *
 * Concurrency: no state.
 */
#include "block/proto/cover.h"

#define MAX_OTHERS 4096u

typedef struct {
    uint64_t off, end;
} Stretch;

static Stretch *
nth(const VdCover *cover, guint i)
{
    return &g_array_index(cover->others, Stretch, i);
}

/* The first of the others that ends behind @off. */
static guint
find(const VdCover *cover, uint64_t off)
{
    guint low = 0, high = cover->others ? cover->others->len : 0;

    while (low < high) {
        guint middle = (low + high) / 2;

        if (nth(cover, middle)->end <= off)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The growing stretch is put aside for one that begins elsewhere. */
static bool
begin_anew(VdCover *cover, uint64_t off, uint64_t end)
{
    Stretch old = {cover->first, cover->end};

    if (!cover->others)
        cover->others = g_array_new(FALSE, FALSE, sizeof(Stretch));
    if (cover->others->len >= MAX_OTHERS)
        return false;
    g_array_insert_val(cover->others, find(cover, old.off), old);
    cover->first = off;
    cover->end = end;
    return true;
}

bool
vd_cover_add(VdCover *cover, uint64_t off, uint64_t len)
{
    uint64_t end = off + len;
    guint i = find(cover, off);

    if (cover->others && i < cover->others->len && nth(cover, i)->off < end)
        return false;
    if (off < cover->end && cover->first < end)
        return false;
    cover->bytes += len;
    if (cover->first == cover->end) {
        cover->first = off;
        cover->end = end;
        return true;
    }
    if (off == cover->end) {
        cover->end = end;
        return true;
    }
    return begin_anew(cover, off, end);
}

void
vd_cover_clear(VdCover *cover)
{
    if (cover->others)
        g_array_unref(cover->others);
    *cover = (VdCover){0};
}
