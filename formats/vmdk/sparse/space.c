/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/space.c - the space of an extent's file: where new grains
 * go, and what becomes of places that were given up.
 *
 *   freed    no entry in memory names it, one on disk may
 *      | the tables are durable (flush.c)
 *   resting  requests that looked it up before may still be on their way
 *      | they have ended (block/epoch.h); the space is punched
 *   free     a new grain may have it; what is free at the end of the file when
 *            the extent is closed is cut off
 *
 * A new grain takes a free place if there is one, and else goes behind the end
 * of the file, which is a hole.  A free place may hold anything: who does not
 * write all of it makes it zero first.
 *
 * Places are only given up if each grain has one of its own.  Where two entries
 * name one place (the image is corrupt) punching it would cost the other one.
 *
 * Concurrency: one loop; places move on under flush_lock.
 */
#include "formats/vmdk/sparse/sparse.h"

#include "block/open.h"

/* Highest place that an entry can name, in bytes. */
#define PLACE_LIMIT ((uint64_t) UINT32_MAX * VMDK_SECTOR)

/* -- new places -------------------------------------------------------------
 */

bool
vmdk_sparse_reserve_new(VmdkExtent *e, uint64_t bytes, VmdkPlace *place,
                        GError **error)
{
    VmdkSparse *sp = e->sparse;

    if (sp->next > PLACE_LIMIT || bytes > PLACE_LIMIT - sp->next)
        return vd_throw(error, VD_ERROR_NO_SPACE,
                        "%s: %" G_GUINT64_FORMAT " more bytes behind "
                        "%" G_GUINT64_FORMAT
                        " would exceed the 2 TiB that a sparse extent's file "
                        "may have",
                        vd_node_name(e->file), bytes, sp->next);
    *place = (VmdkPlace){.off = sp->next, .len = bytes, .hole = true};
    sp->next += bytes;
    sp->grown = true;
    return true;
}

bool
vmdk_sparse_reserve(VmdkExtent *e, uint64_t bytes, VmdkPlace *place,
                    GError **error)
{
    VmdkSparse *sp = e->sparse;
    uint64_t per_grain = sp->grain_bytes >> sp->place_shift, first = 0;
    uint64_t n = vmdk_places_take(sp->free, bytes >> sp->place_shift, &first);
    uint64_t rest = n % per_grain;

    n -= rest;
    (void) vmdk_places_add(sp->free, first + n, rest);
    if (!n)
        return vmdk_sparse_reserve_new(e, bytes, place, error);
    *place = (VmdkPlace){.off = first << sp->place_shift,
                         .len = n << sp->place_shift};
    return true;
}

void
vmdk_sparse_unreserve(VmdkExtent *e, const VmdkPlace *place)
{
    VmdkSparse *sp = e->sparse;

    (void) vmdk_places_add(sp->free, place->off >> sp->place_shift,
                           place->len >> sp->place_shift);
}

bool
vmdk_sparse_co_make_zero(VmdkExtent *e, const VmdkPlace *place, GError **error)
{
    uint64_t size = vd_node_size(e->file);

    if (place->hole || place->off >= size)
        return true;
    return vd_node_co_write_zeroes(e->file, place->off,
                                   MIN(place->len, size - place->off),
                                   VD_REQ_MAY_UNMAP, error);
}

/* -- giving up --------------------------------------------------------------
 */

static bool
sparse_co_has_own_places(VmdkExtent *e)
{
    VmdkPlaces *used;
    bool ok;

    if (vd_node_env(e->state->node)->tx)
        return true; /* all grains are of our own making */
    used = vmdk_places_new();
    ok = vmdk_sparse_co_survey(e, used, NULL);
    vmdk_places_free(used);
    return ok;
}

bool
vmdk_sparse_co_may_give_up(VmdkExtent *e)
{
    VmdkSparse *sp = e->sparse;

    if (G_LIKELY(sp->giving_up != VMDK_GIVING_UP_UNKNOWN))
        return sp->giving_up == VMDK_GIVING_UP_YES;
    if (!sp->next && !vmdk_sparse_co_find_end(e, NULL))
        return false;
    vio_co_mutex_lock(&sp->flush_lock);
    if (sp->giving_up == VMDK_GIVING_UP_UNKNOWN)
        sp->giving_up = sparse_co_has_own_places(e) ? VMDK_GIVING_UP_YES
                                                    : VMDK_GIVING_UP_NO;
    vio_co_mutex_unlock(&sp->flush_lock);
    return sp->giving_up == VMDK_GIVING_UP_YES;
}

void
vmdk_sparse_give_up(VmdkExtent *e, uint64_t off, uint64_t len)
{
    GArray *freed = e->sparse->freed;
    VmdkRange range = {.off = off, .len = len};
    VmdkRange *last =
        freed->len ? &g_array_index(freed, VmdkRange, freed->len - 1) : NULL;

    if (last && last->off + last->len == off)
        last->len += len;
    else
        g_array_append_val(freed, range);
}

void
vmdk_sparse_rest(VmdkExtent *e, const GArray *freed)
{
    VmdkSparse *sp = e->sparse;
    uint64_t epoch = vd_node_epoch(e->state->node);

    for (unsigned i = 0; i < freed->len; i++) {
        VmdkRange range = g_array_index(freed, VmdkRange, i);

        range.epoch = epoch;
        g_array_append_val(sp->resting, range);
    }
}

/* The space may go.  Only advice: a file that cannot do it, or fails to, keeps
 * the space. */
static void
sparse_co_punch(VmdkExtent *e, const VmdkRange *range)
{
    uint64_t size = vd_node_size(e->file);

    if (range->off < size)
        (void) vd_node_co_discard(e->file, range->off,
                                  MIN(range->len, size - range->off), NULL);
}

void
vmdk_sparse_co_release(VmdkExtent *e)
{
    VmdkSparse *sp = e->sparse;
    uint64_t now = vd_node_epoch(e->state->node);
    unsigned n = 0;

    /* The oldest come first; new ones are added only by who holds the lock. */
    for (; n < sp->resting->len; n++) {
        VmdkRange range = g_array_index(sp->resting, VmdkRange, n);

        if (range.epoch + 2 > now)
            break;
        sparse_co_punch(e, &range);
        (void) vmdk_places_add(sp->free, range.off >> sp->place_shift,
                               range.len >> sp->place_shift);
    }
    g_array_remove_range(sp->resting, 0, n);
}

/* -- the end of the file ----------------------------------------------------
 */

/* A file that cannot become shorter keeps the space. */
static bool
sparse_co_cut(VmdkExtent *e, uint64_t size, GError **error)
{
    GError *cause = NULL;

    if (vd_node_size(e->file) <= size ||
        vd_node_co_truncate(e->file, size, VD_PREALLOC_OFF, &cause))
        return true;
    if (!vd_error_is(cause, VD_ERROR_NOT_SUPPORTED)) {
        g_propagate_error(error, cause);
        return false;
    }
    g_error_free(cause);
    return true;
}

bool
vmdk_sparse_co_trim(VmdkExtent *e, GError **error)
{
    VmdkSparse *sp = e->sparse;
    uint64_t end = sp->next >> sp->place_shift, first = 0;
    uint64_t n = vmdk_places_previous(sp->free, end, &first);

    if (!n || first + n != end)
        return true;
    if (!sparse_co_cut(e, first << sp->place_shift, error))
        return false;
    vmdk_places_remove(sp->free, first, n);
    sp->next = first << sp->place_shift;
    return true;
}
