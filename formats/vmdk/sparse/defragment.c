/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/defragment.c - the grains of an extent in the order of
 * the disk, one behind the other, in place.
 *
 * Window by window from the front, 64 MiB each:
 *
 *   what lies in the window and belongs elsewhere moves to the far end of the
 *   free places - durable - the grains that belong here move here - durable
 *
 * There is always a window of free places behind: the first time at the end of
 * the file, later where the last window's grains came from.  So the file grows
 * by no more than that.
 *
 * Which grain is where is noted in an array, four bytes a place: 16 MiB for
 * 256 GiB of grains.
 *
 * Concurrency: as compact.c.
 */
#include "formats/vmdk/sparse/pack.h"

#define MAX_PLACES (UINT64_C(64) << 20) /* 256 MiB of notes */
#define NOBODY UINT32_MAX

typedef struct {
    VmdkPack *p;
    uint32_t *owner; /* grain of the disk, by place from p->first on */
    uint64_t n_owners;
    GArray *wanted; /* of uint32_t: grains of the next windows, ascending */
    uint64_t next;  /* the first place that has not got its grain */
    uint64_t window;
} Defragment;

/* -- who is where -----------------------------------------------------------
 */

static uint32_t *
owner_of(const Defragment *d, uint64_t place)
{
    g_assert(place - d->p->first < d->n_owners);
    return &d->owner[place - d->p->first];
}

static bool
note_table(VmdkExtent *e, const VdTable *table, uint32_t n, void *arg,
           GError **error)
{
    const Defragment *d = arg;
    uint32_t first = table->index * e->sparse->hdr.gtes_per_gt;

    for (uint32_t i = 0; i < n; i++) {
        uint32_t entry = vmdk_table_entry(table, i);

        if (entry > VMDK_GTE_ZERO)
            *owner_of(d, entry / e->sparse->grain_sectors) = first + i;
    }
    return true;
}

static bool
defragment_co_note_owners(Defragment *d, GError **error)
{
    VmdkExtent *e = d->p->e;
    const VmdkSparse *sp = e->sparse;
    uint64_t packed = vmdk_pack_end(d->p, vmdk_places_count(d->p->used));
    uint64_t end = MAX(sp->next >> sp->grain_shift, packed + d->window);

    /* Metadata behind the grains take room from the window. */
    d->n_owners = end + vmdk_places_count(d->p->meta) - d->p->first;
    if (d->n_owners > MAX_PLACES ||
        sp->hdr.capacity_sectors / sp->grain_sectors >= NOBODY)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "%s: %" G_GUINT64_FORMAT " places of a disk of "
                        "%" G_GUINT64_FORMAT
                        " bytes are more than can be put in order",
                        vd_node_name(e->file), d->n_owners, e->len);
    d->owner = g_try_new(uint32_t, d->n_owners);
    if (!d->owner)
        return vd_throw(error, VD_ERROR_NO_MEMORY,
                        "%s: no memory to note %" G_GUINT64_FORMAT " places",
                        vd_node_name(e->file), d->n_owners);
    for (uint64_t i = 0; i < d->n_owners; i++)
        d->owner[i] = NOBODY;
    return vmdk_sparse_co_walk_all(e, note_table, d, error);
}

/* -- one window -------------------------------------------------------------
 */

static void
add_move(Defragment *d, uint32_t grain, uint64_t from, uint64_t to)
{
    vmdk_pack_add(d->p, (uint64_t) grain << d->p->e->sparse->grain_shift, from,
                  to);
    *owner_of(d, from) = NOBODY;
    *owner_of(d, to) = grain;
}

static gint
compare_places(gconstpointer a, gconstpointer b)
{
    const uint64_t *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}

/* @n places behind @end, the farthest ones; the file grows if there are too
 * few. */
static bool
find_far_places(Defragment *d, uint64_t end, uint64_t n, GArray *places,
                GError **error)
{
    VmdkSparse *sp = d->p->e->sparse;
    VmdkPlace space;

    while (n--) {
        uint64_t first, place, len;

        len = vmdk_places_previous(sp->free, UINT64_MAX, &first);
        if (len && first + len > end) {
            place = first + len - 1;
            vmdk_places_remove(sp->free, place, 1);
        } else {
            if (!vmdk_sparse_reserve_new(d->p->e, sp->grain_bytes, &space,
                                         error))
                return false;
            place = space.off >> sp->grain_shift;
        }
        g_array_append_val(places, place);
    }
    g_array_sort(places, compare_places);
    return true;
}

/* The places of the window; d->next is behind them. */
static uint64_t *
take_targets(Defragment *d, uint64_t n)
{
    uint64_t *target = g_new(uint64_t, n);

    for (uint64_t i = 0; i < n; i++) {
        uint64_t first;

        if (!vmdk_places_gap(d->p->meta, d->next, 1))
            d->next +=
                vmdk_places_next(d->p->meta, d->next, UINT64_MAX, &first);
        target[i] = d->next++;
    }
    return target;
}

static void
give_back(Defragment *d, const GArray *places)
{
    for (unsigned i = 0; i < places->len; i++)
        (void) vmdk_places_add(d->p->e->sparse->free,
                               g_array_index(places, uint64_t, i), 1);
}

/* Whoever lies in the window and belongs elsewhere. */
static bool
window_co_clear(Defragment *d, const uint32_t *grain, const uint64_t *target,
                uint64_t n, GError **error)
{
    g_autoptr(GArray) places = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    uint64_t evicted = 0, at = 0;

    for (uint64_t i = 0; i < n; i++)
        evicted += *owner_of(d, target[i]) != NOBODY &&
                   *owner_of(d, target[i]) != grain[i];
    if (!find_far_places(d, d->next, evicted, places, error)) {
        give_back(d, places);
        return false;
    }
    for (uint64_t i = 0; i < n; i++) {
        uint32_t owner = *owner_of(d, target[i]);

        if (owner != NOBODY && owner != grain[i])
            add_move(d, owner, target[i],
                     g_array_index(places, uint64_t, at++));
    }
    return vmdk_pack_co_run(d->p, error);
}

static bool
find_co_place(const Defragment *d, uint32_t grain, uint64_t *place,
              GError **error)
{
    VmdkExtent *e = d->p->e;
    unsigned shift = e->sparse->grain_shift;
    VdRun run;

    if (!vmdk_sparse_co_lookup(e, (uint64_t) grain << shift, 1, &run, error))
        return false;
    *place = run.child_off >> shift;
    return true;
}

/* Whoever belongs into the window, which is clear. */
static bool
window_co_fill(Defragment *d, const uint32_t *grain, const uint64_t *target,
               uint64_t n, GError **error)
{
    bool ok = true;

    for (uint64_t i = 0; ok && i < n; i++) {
        uint64_t place = 0;

        if (*owner_of(d, target[i]) == grain[i])
            continue;
        ok = find_co_place(d, grain[i], &place, error);
        if (!ok)
            break;
        vmdk_places_remove(d->p->e->sparse->free, target[i], 1);
        add_move(d, grain[i], place, target[i]);
    }
    return vmdk_pack_co_run(d->p, ok ? error : NULL) && ok;
}

static bool
defragment_co_window(Defragment *d, const uint32_t *grain, uint64_t n,
                     GError **error)
{
    g_autofree uint64_t *target = take_targets(d, n);

    return vmdk_compact_goes_on(d->p->job, error) &&
           window_co_clear(d, grain, target, n, error) &&
           window_co_fill(d, grain, target, n, error);
}

/* -- the extent -------------------------------------------------------------
 */

static bool
defragment_co_windows(Defragment *d, bool last, GError **error)
{
    uint64_t done = 0;

    while (d->wanted->len - done >= d->window ||
           (last && done < d->wanted->len)) {
        uint64_t n = MIN(d->window, d->wanted->len - done);

        if (!defragment_co_window(d, &g_array_index(d->wanted, uint32_t, done),
                                  n, error))
            return false;
        done += n;
    }
    g_array_remove_range(d->wanted, 0, (guint) done);
    return true;
}

static bool
order_co_table(VmdkExtent *e, const VdTable *table, uint32_t n, void *arg,
               GError **error)
{
    Defragment *d = arg;
    uint32_t first = table->index * e->sparse->hdr.gtes_per_gt;

    for (uint32_t i = 0; i < n; i++) {
        uint32_t grain = first + i;

        if (vmdk_table_entry(table, i) > VMDK_GTE_ZERO)
            g_array_append_val(d->wanted, grain);
    }
    return defragment_co_windows(d, false, error);
}

bool
vmdk_pack_co_defragment(VmdkPack *p, GError **error)
{
    Defragment d = {
        .p = p,
        .next = p->first,
        .window = vmdk_pack_batch(p),
        .wanted = g_array_new(FALSE, FALSE, sizeof(uint32_t)),
    };
    bool ok = defragment_co_note_owners(&d, error) &&
              vmdk_sparse_co_walk_all(p->e, order_co_table, &d, error) &&
              defragment_co_windows(&d, true, error);

    g_array_unref(d.wanted);
    g_free(d.owner);
    return ok;
}
