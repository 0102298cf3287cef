/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/relayout.c - an extent's metadata in other places.
 *
 * Products want both directories with all of their tables in one piece in
 * front of the grains.  More tables need more room there, which grains may be
 * in, and the new ones come to lie on the old ones.  So they are written twice:
 *
 *   1. copy the grains that are in the way behind the end of the file
 *   2. write new tables behind those, naming them where they are now
 *   - barrier - header: capacity, directories, first grain: all at once -
 *   3. write the same tables to the front, where nothing is in use any more
 *   - barrier - header -
 *   4. cut off what 2 has written
 *
 * At any moment one set of tables is whole and durable, and the header names
 * it.  Only a crash between the two headers leaves the tables at the end.
 *
 * Reads go on all the while: they use the old tables until the new ones are
 * named, and are outlasted before anything that they may have looked up gets
 * another meaning.
 *
 * Concurrency: no change in flight; under flush_lock.
 */
#include "formats/vmdk/sparse/relayout.h"
#include "formats/vmdk/sparse/move.h"
#include "formats/vmdk/sparse/new-file.h"

typedef struct {
    VmdkExtent *e;
    VmdkHeader at_end, final;
    uint64_t old_size; /* of the file */
    uint64_t old_next; /* where new grains went */
    uint64_t keep_end; /* bytes that the file will have */
    uint64_t place;    /* of the tables at the end */
    GArray *moves;     /* of VmdkMove */
    GHashTable *moved; /* sector -> sector */
} Relayout;

/* -- grains in the way
 * ------------------------------------------------------------- */

static bool
note_table(VmdkExtent *e, const VdTable *table, uint32_t n, void *arg,
           GError **error)
{
    Relayout *r = arg;

    for (uint32_t i = 0; i < n; i++) {
        uint32_t entry = vmdk_table_entry(table, i);

        if (entry > VMDK_GTE_ZERO && entry < r->final.overhead_sectors)
            g_hash_table_add(r->moved, GUINT_TO_POINTER(entry));
    }
    return true;
}

static gint
compare_moves(gconstpointer a, gconstpointer b)
{
    const VmdkMove *x = a, *y = b;

    return x->from < y->from ? -1 : x->from > y->from;
}

/* In the order that they have; two entries of one grain stay so. */
static void
plan_moves(Relayout *r)
{
    GHashTableIter iter;
    gpointer key;

    g_hash_table_iter_init(&iter, r->moved);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        VmdkMove move = {.from =
                             (uint64_t) GPOINTER_TO_UINT(key) * VMDK_SECTOR};

        g_array_append_val(r->moves, move);
    }
    g_array_sort(r->moves, compare_moves);
}

static void
place_moves(Relayout *r, uint64_t place)
{
    for (unsigned i = 0; i < r->moves->len; i++) {
        VmdkMove *move = &g_array_index(r->moves, VmdkMove, i);

        move->to = place + i * r->e->sparse->grain_bytes;
        g_hash_table_insert(
            r->moved, GUINT_TO_POINTER((guint) (move->from / VMDK_SECTOR)),
            GUINT_TO_POINTER((guint) (move->to / VMDK_SECTOR)));
    }
}

/* -- places
 * ------------------------------------------------------------------------ */

static uint64_t
tables_bytes(const VmdkHeader *hdr)
{
    uint64_t end = vmdk_header_gt_sector(hdr, vmdk_header_n_gts(hdr));

    return (end - hdr->rgd_sector) * VMDK_SECTOR;
}

/* Behind everything: the moved grains, then the tables. */
static bool
relayout_co_reserve(Relayout *r, GError **error)
{
    VmdkSparse *sp = r->e->sparse;
    uint64_t front = r->final.overhead_sectors * VMDK_SECTOR;
    uint64_t moved = r->moves->len * sp->grain_bytes, place;

    sp->next = MAX(sp->next, front);
    r->keep_end = sp->next + moved;
    if (!vmdk_sparse_co_reserve_end(r->e, moved + tables_bytes(&r->final),
                                    &place, error)) {
        sp->next = r->old_next;
        return false;
    }
    place_moves(r, place);
    r->place = place + moved;
    r->at_end = r->final;
    vmdk_header_place_tables(&r->at_end, r->place / VMDK_SECTOR);
    return true;
}

/* -- a set of tables
 * --------------------------------------------------------------- */

static bool
relayout_co_write(Relayout *r, const VmdkHeader *hdr, GHashTable *moved,
                  GError **error)
{
    return vmdk_layout_co_write_directories(r->e->file, hdr, error) &&
           vmdk_tables_co_copy(r->e, hdr, moved, error);
}

static void
use_tables(VmdkExtent *e, VmdkTables *tables)
{
    VmdkSparse *sp = e->sparse;

    sp->tables = tables;
    sp->slot = tables->slot;
    sp->empty = tables->empty;
}

bool
vmdk_sparse_co_switch_tables(VmdkExtent *e, const VmdkHeader *hdr,
                             GError **error)
{
    VmdkTables *old = e->sparse->tables, *new;

    new = vmdk_tables_co_open(e->file, hdr, error);
    if (!new)
        return false;
    if (!vmdk_sparse_co_switch_header(e, hdr, error)) {
        vmdk_tables_free(new);
        return false;
    }
    use_tables(e, new);
    vd_node_co_settle(e->state->node);
    vmdk_tables_free(old);
    return true;
}

/* Where the final tables go there are old ones, and old grains.  What is left
 * in front of the grains has no use. */
static bool
relayout_co_clear_front(Relayout *r, GError **error)
{
    VdNode *file = r->e->file;
    uint64_t first = r->final.rgd_sector * VMDK_SECTOR;
    uint64_t end = MIN(first + tables_bytes(&r->final), r->old_size);
    uint64_t rest = MIN(r->final.overhead_sectors * VMDK_SECTOR, r->old_size);

    return (first >= end || vd_node_co_write_zeroes(file, first, end - first,
                                                    VD_REQ_MAY_UNMAP, error)) &&
           (end >= rest || vd_node_co_discard(file, end, rest - end, error));
}

/* -- all of it
 * --------------------------------------------------------------------- */

static bool
relayout_co_to_end(Relayout *r, GError **error)
{
    bool ok = vmdk_sparse_co_copy(r->e, (VmdkMove *) (void *) r->moves->data,
                                  r->moves->len, error) &&
              relayout_co_write(r, &r->at_end, r->moved, error) &&
              vmdk_sparse_co_switch_tables(r->e, &r->at_end, error);

    /* What cannot be cut off is space lost. */
    if (!ok)
        (void) vmdk_sparse_co_cut_end(r->e, r->old_size, r->old_next, NULL);
    return ok;
}

static bool
relayout_co_to_front(Relayout *r, GError **error)
{
    VmdkSparse *sp = r->e->sparse;

    /* Nothing will be free in there. */
    vmdk_places_remove(sp->free, 0,
                       r->final.overhead_sectors / r->final.grain_sectors);
    return relayout_co_clear_front(r, error) &&
           relayout_co_write(r, &r->final, NULL, error) &&
           vmdk_sparse_co_switch_tables(r->e, &r->final, error) &&
           vmdk_sparse_co_cut_end(r->e, r->keep_end, r->keep_end, error);
}

static bool
check_layout(const Relayout *r, const VmdkHeader *old, GError **error)
{
    const VmdkHeader *hdr = &r->final;
    uint64_t end = hdr->rgd_sector + 2 * tables_bytes(hdr) / VMDK_SECTOR;

    if (vmdk_header_n_gts(hdr) > VMDK_MAX_GD_ENTRIES)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "%s: %" G_GUINT64_FORMAT
                        " sectors would need more than %u grain tables",
                        vd_node_name(r->e->file), hdr->capacity_sectors,
                        VMDK_MAX_GD_ENTRIES);
    if (hdr->rgd_sector > MAX(old->overhead_sectors, 1 + VMDK_DESC_SECTORS) ||
        end > UINT32_MAX)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: its metadata are not laid out in a way that could "
                        "be extended",
                        vd_node_name(r->e->file));
    return true;
}

static bool
relayout_co_run(Relayout *r, GError **error)
{
    if (!vmdk_sparse_co_walk(r->e, note_table, r, error))
        return false;
    plan_moves(r);
    return relayout_co_reserve(r, error) && relayout_co_to_end(r, error) &&
           relayout_co_to_front(r, error);
}

bool
vmdk_sparse_co_relayout(VmdkExtent *e, uint64_t capacity_sectors,
                        GError **error)
{
    VmdkSparse *sp = e->sparse;
    Relayout r = {.e = e,
                  .final = sp->hdr,
                  .old_size = vd_node_size(e->file),
                  .old_next = sp->next};
    bool ok;

    if (e->file == e->state->file) {
        r.final.desc_sector = e->state->header.desc_sector;
        r.final.desc_sectors = e->state->header.desc_sectors;
    }
    vmdk_header_relayout(&r.final, capacity_sectors);
    /* A disk that becomes shorter keeps its grains where they are. */
    r.final.overhead_sectors = MAX(r.final.overhead_sectors,
                                   capacity_sectors < sp->hdr.capacity_sectors
                                       ? sp->hdr.overhead_sectors
                                       : 0);
    if (!check_layout(&r, &sp->hdr, error))
        return false;
    r.moves = g_array_new(FALSE, FALSE, sizeof(VmdkMove));
    r.moved = g_hash_table_new(NULL, NULL);
    ok = relayout_co_run(&r, error);
    g_hash_table_unref(r.moved);
    g_array_unref(r.moves);
    return ok;
}
