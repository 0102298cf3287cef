/* SPDX-License-Identifier: BSD-3-Clause */
/* api/differences.c - ranges that differ, joined and told in ascending order.
 *
 * Concurrency: one loop.
 */
#include "api/differences.h"

#include "io/zero.h"

#include <string.h>

/* Compared at once; most of what is compared is equal. */
#define DIFFERENCES_STRIDE 4096

void
vd_differences_init(VdDifferences *list, VioLoop *loop, VdDifferenceFunc func,
                    void *opaque)
{
    *list = (VdDifferences){
        .loop = loop,
        .func = func,
        .opaque = opaque,
        .found = vd_differences_found_new(),
    };
}

void
vd_differences_clear(VdDifferences *list)
{
    g_clear_pointer(&list->found, g_array_unref);
}

GArray *
vd_differences_found_new(void)
{
    return g_array_new(FALSE, FALSE, sizeof(VdDifference));
}

void
vd_differences_append(GArray *found, const VdDifference *range)
{
    VdDifference *last =
        found->len > 0 ? &g_array_index(found, VdDifference, found->len - 1)
                       : NULL;

    if (last != NULL && last->off + last->len >= range->off &&
        last->status == range->status)
        last->len = MAX(last->len, range->off + range->len - last->off);
    else
        g_array_append_vals(found, range, 1);
}

/* -- finding -----------------------------------------------------------------
 */

static bool
differences_same(const uint8_t *a, const uint8_t *b, size_t len)
{
    return b != NULL ? memcmp(a, b, len) == 0 : vio_is_zero(a, len);
}

size_t
vd_differences_first(const uint8_t *a, const uint8_t *b, size_t len)
{
    size_t pos = 0;

    while (len - pos > DIFFERENCES_STRIDE &&
           differences_same(a + pos, b != NULL ? b + pos : NULL,
                            DIFFERENCES_STRIDE))
        pos += DIFFERENCES_STRIDE;
    while (pos < len && a[pos] == (b != NULL ? b[pos] : 0))
        pos++;
    return pos;
}

void
vd_differences_find(GArray *found, const uint8_t *a, const uint8_t *b,
                    size_t len, uint64_t off, uint64_t size)
{
    const uint64_t granule = VD_DIFFERENCE_GRANULE;
    size_t pos = 0;

    while (pos < len) {
        VdDifference range;

        pos += vd_differences_first(a + pos, b != NULL ? b + pos : NULL,
                                    len - pos);
        if (pos >= len)
            break;
        range.first = off + pos;
        range.off = range.first - range.first % granule;
        range.len = MIN(granule, size - range.off);
        range.status = false;
        vd_differences_append(found, &range);
        pos = MIN(len, range.off + range.len - off);
    }
}

/* -- telling -----------------------------------------------------------------
 */

static void
differences_tell(void *opaque)
{
    VdDifferences *list = opaque;

    for (size_t i = 0; i < list->n_due; i++)
        list->func(&g_array_index(list->found, VdDifference, i), list->opaque);
    if (list->n_due > 0)
        g_array_remove_range(list->found, 0, list->n_due);
    vio_co_queue_wake_all(&list->told);
}

static void
differences_co_tell(VdDifferences *list, size_t n)
{
    if (n == 0)
        return;
    list->n_due = n;
    vio_loop_defer(list->loop, differences_tell, list);
    vio_co_queue_wait(&list->told);
}

void
vd_differences_co_add(VdDifferences *list, const GArray *found)
{
    for (size_t i = 0; i < found->len; i++)
        vd_differences_append(list->found,
                              &g_array_index(found, VdDifference, i));
    differences_co_tell(list, MAX(list->found->len, 1) - 1);
}

void
vd_differences_co_finish(VdDifferences *list)
{
    differences_co_tell(list, list->found->len);
}
