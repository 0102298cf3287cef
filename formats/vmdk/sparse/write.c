/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/write.c - writing, and placing new grains.
 *
 * Grains that exist are written in place, with no lock at all.  For grains
 * that do not:
 *
 *   lock the grains - look again - make sure of the tables - reserve a place
 *   for the whole run at once - one data write - set the entries - unlock
 *
 * The entries stay in memory until a flush (flush.c), so a crash leaks
 * grains but never shows one that was not written.  Requests for different
 * grains never wait for one another.
 *
 * Where places come from is told in space.c: those that were given up before,
 * else behind the end of the file, where it is a hole and zeroes need no
 * writing, only bytes of the parent do.
 *
 * Concurrency: one loop; the range lock is the only lock held over a yield.
 */
#include "formats/vmdk/sparse/sparse.h"

#include <string.h>

#include "block/spans.h"
#include "io/zero.h"

#define FILL_MAX (1u << 20) /* bytes of a parent that are read in one piece */

static uint64_t
round_down(const VmdkSparse *sp, uint64_t off)
{
    return off & ~(sp->grain_bytes - 1);
}

static uint64_t
round_up(const VmdkSparse *sp, uint64_t off)
{
    return (off + sp->grain_bytes - 1) & ~(sp->grain_bytes - 1);
}

/* -- once
 * ---------------------------------------------------------------------- */

bool
vmdk_sparse_co_mark_unclean(VmdkExtent *e, GError **error)
{
    VmdkSparse *sp = e->sparse;
    bool ok;

    if (G_LIKELY(sp->marked))
        return true;
    if (sp->header_unknown)
        return vd_throw(error, VD_ERROR_IO,
                        "%s: the header could not be written; it must be "
                        "opened again",
                        vd_node_name(e->file));
    vio_co_mutex_lock(&sp->flush_lock);
    /* No barrier: what could go wrong are tables, and those are written
     * behind one. */
    ok = sp->marked || vmdk_sparse_co_store_mark(e, true, error);
    vio_co_mutex_unlock(&sp->flush_lock);
    return ok;
}

bool
vmdk_sparse_co_relieve(VmdkExtent *e, GError **error)
{
    VmdkState *s = e->state;

    if (G_LIKELY(vd_table_cache_dirty_bytes(s->cache) <= VMDK_DIRTY_BYTES))
        return true;
    for (unsigned i = 0; i < s->n_extents; i++) {
        VmdkExtent *other = &s->extents[i];

        if (other->ops->co_flush && !other->ops->co_flush(other, error))
            return false;
    }
    return true;
}

/* -- tables
 * --------------------------------------------------------------------- */

/* Directory entry 1 without entries that could say the same: above a parent a
 * table in its place would have to name 4096 grains of zeroes. */
static bool
refuse_zero_table(const VmdkExtent *e, uint32_t index, GError **error)
{
    return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                    "%s: entry %u of the grain directory is 1 (zeroes), for "
                    "which no grain table can stand above a parent; this part "
                    "can only be read",
                    vd_node_name(e->file), index);
}

/* A table that the directory lacks. */
static bool
place_table(VmdkExtent *e, uint32_t index, GError **error)
{
    VmdkSparse *sp = e->sparse;
    uint64_t copies = sp->tables->rgd ? 2 : 1;
    uint64_t bytes = copies * sp->tables->gt_sectors * VMDK_SECTOR;
    VmdkPlace place;

    if (sp->tables->gd[index] == VMDK_GTE_ZERO && !sp->tables->zero_gte &&
        vmdk_has_parent(e->state))
        return refuse_zero_table(e, index, error);
    bytes = (bytes + sp->place_unit - 1) & ~(sp->place_unit - 1);
    if (!vmdk_sparse_reserve_new(e, bytes, &place, error))
        return false;
    vmdk_tables_place(sp->tables, index, (uint32_t) (place.off / VMDK_SECTOR));
    return true;
}

bool
vmdk_sparse_co_place_tables(VmdkExtent *e, uint64_t off, uint64_t len,
                            GError **error)
{
    VmdkSparse *sp = e->sparse;
    uint32_t last = vmdk_sparse_table_of(sp, off + len - 1);

    if (G_UNLIKELY(!sp->next) && !vmdk_sparse_co_find_end(e, error))
        return false;
    for (uint32_t i = vmdk_sparse_table_of(sp, off); i <= last; i++) {
        if (!vmdk_tables_co_get_rw(sp->tables, i, error))
            return false;
        if (vmdk_tables_is_missing(sp->tables, i) && !place_table(e, i, error))
            return false;
    }
    return true;
}

/* Entries of the grains from @off on: those that @place is for. */
static bool
sparse_co_set_entries(VmdkExtent *e, uint64_t off, const VmdkPlace *place,
                      GError **error)
{
    VmdkSparse *sp = e->sparse;
    uint32_t sector = (uint32_t) (place->off / VMDK_SECTOR);

    for (uint64_t len = place->len, part; len; off += part, len -= part) {
        VdTable *table = vmdk_tables_co_get_rw(
            sp->tables, vmdk_sparse_table_of(sp, off), error);
        uint32_t i = vmdk_sparse_entry_of(sp, off);

        if (!table)
            return false;
        part = MIN(len, vmdk_sparse_table_rest(sp, off));
        for (uint64_t n = part >> sp->grain_shift; n; n--, i++) {
            vmdk_tables_set(table, i, sector);
            sector += (uint32_t) sp->hdr.grain_sectors;
        }
    }
    return true;
}

bool
vmdk_sparse_co_assign(VmdkExtent *e, uint64_t off, const VmdkPlace *place,
                      GError **error)
{
    for (uint64_t done = 0; done < place->len;) {
        uint64_t rest = vmdk_sparse_table_rest(e->sparse, off + done);
        VmdkPlace part = {.off = place->off + done,
                          .len = MIN(rest, place->len - done)};

        if (!vmdk_sparse_co_place_tables(e, off + done, part.len, error) ||
            !sparse_co_set_entries(e, off + done, &part, error) ||
            !vmdk_sparse_co_relieve(e, error))
            return false;
        done += part.len;
    }
    return true;
}

/* One sector at the end of a hole, so that the file reaches this far. */
static bool
sparse_co_put_zeroes(VmdkExtent *e, const VmdkPlace *place, GError **error)
{
    static const uint8_t zeroes[VMDK_SECTOR];
    bool ok = vmdk_sparse_co_make_zero(e, place, error) &&
              vd_node_co_pwrite(e->file, place->off + place->len - VMDK_SECTOR,
                                zeroes, VMDK_SECTOR, error);

    if (!ok)
        vmdk_sparse_unreserve(e, place);
    return ok;
}

bool
vmdk_sparse_co_allocate_zero(VmdkExtent *e, uint64_t off, uint64_t len,
                             GError **error)
{
    VmdkPlace place;

    if (!vmdk_sparse_co_place_tables(e, off, len, error))
        return false;
    for (uint64_t done = 0; done < len; done += place.len)
        if (!vmdk_sparse_reserve(e, len - done, &place, error) ||
            !sparse_co_put_zeroes(e, &place, error) ||
            !sparse_co_set_entries(e, off + done, &place, error))
            return false;
    return true;
}

/* -- bytes around a request
 * ------------------------------------------------------- */

/* What a first write to grains leaves uncovered at both ends. */
typedef struct {
    uint8_t *head, *tail; /* NULL = zeroes: nothing to write */
    size_t head_len, tail_len;
} Fill;

static void
fill_clear(Fill *fill)
{
    g_free(fill->head);
    g_free(fill->tail);
}

/* One end: up to FILL_MAX into *buf, larger ones straight to the new place. */
static bool
sparse_co_fill_end(VmdkExtent *e, uint64_t off, size_t *len, uint64_t place,
                   uint8_t **buf, GError **error)
{
    bool whole = *len <= FILL_MAX;
    size_t left = *len;

    while (left) {
        size_t part = MIN(left, FILL_MAX);
        g_autofree uint8_t *bytes = g_malloc(part);

        if (!vmdk_extent_co_read_parent(e, off, bytes, part, error))
            return false;
        if (vio_is_zero(bytes, part))
            g_clear_pointer(&bytes, g_free);
        else if (!whole &&
                 !vd_node_co_pwrite(e->file, place, bytes, part, error))
            return false;
        if (whole)
            *buf = g_steal_pointer(&bytes);
        off += part;
        place += part;
        left -= part;
    }
    if (!*buf)
        *len = 0;
    return true;
}

/* The bytes of the parent around [off, off + len). */
static bool
sparse_co_fill_from_parent(VmdkExtent *e, uint64_t off, uint64_t len,
                           uint64_t place, Fill *fill, GError **error)
{
    const VmdkSparse *sp = e->sparse;
    uint64_t first = round_down(sp, off), end = off + len;
    uint64_t last = MIN(round_up(sp, end), e->len);

    fill->head_len = (size_t) (off - first);
    fill->tail_len = (size_t) (last - end);
    return sparse_co_fill_end(e, first, &fill->head_len, place, &fill->head,
                              error) &&
           sparse_co_fill_end(e, end, &fill->tail_len, place + (end - first),
                              &fill->tail, error);
}

/* @src with the ends around it, in one write to @at. */
static bool
sparse_co_write_filled(VmdkExtent *e, uint64_t at, const VioVec *src,
                       const Fill *fill, GError **error)
{
    int n = vio_vec_count(src);
    g_autofree struct iovec *iov = NULL;
    VioVec all;

    if (!fill->head_len && !fill->tail_len)
        return vd_node_co_pwritev(e->file, at, src, 0, error);
    iov = g_new(struct iovec, (gsize) n + 2);
    iov[0] = (struct iovec){fill->head, fill->head_len};
    n = 1 + vio_vec_fill(src, iov + 1, n, NULL);
    iov[n++] = (struct iovec){fill->tail, fill->tail_len};
    all = vio_vec_from_iov(iov, n);
    return vd_node_co_pwritev(e->file, at - fill->head_len, &all, 0, error);
}

/* -- allocating
 * --------------------------------------------------------------------- */

/* @src to its @place.  What neither it nor the parent fills is zero there. */
static bool
sparse_co_put(VmdkExtent *e, uint64_t off, const VioVec *src,
              const VmdkPlace *place, bool from_parent, GError **error)
{
    const VmdkSparse *sp = e->sparse;
    uint64_t skip = off - round_down(sp, off), end = off + src->len;
    bool fills = !skip && (src->len == place->len || end == e->len);
    Fill fill = {0};
    bool ok =
        (fills || vmdk_sparse_co_make_zero(e, place, error)) &&
        (!from_parent || sparse_co_fill_from_parent(
                             e, off, src->len, place->off, &fill, error)) &&
        sparse_co_write_filled(e, place->off + skip, src, &fill, error);

    fill_clear(&fill);
    return ok;
}

/* Data and entries for the beginning of @src at @off, as much as there is a
 * place for; none of its grains exists, all of them are locked. */
static bool
sparse_co_allocate(VmdkExtent *e, uint64_t off, const VioVec *src,
                   bool from_parent, size_t *done, GError **error)
{
    VmdkSparse *sp = e->sparse;
    uint64_t first = round_down(sp, off);
    uint64_t len = round_up(sp, off + src->len) - first;
    VmdkPlace place;
    VioVec part;

    if (!vmdk_sparse_co_place_tables(e, off, src->len, error) ||
        !vmdk_sparse_reserve(e, len, &place, error))
        return false;
    *done = (size_t) MIN(src->len, first + place.len - off);
    part = vio_vec_slice(src, 0, *done);
    if (sparse_co_put(e, off, &part, &place, from_parent, error))
        return sparse_co_set_entries(e, first, &place, error);
    vmdk_sparse_unreserve(e, &place);
    return false;
}

/* The first part of @src that lacks grains; *done = 0 if another request has
 * just given it some. */
static bool
sparse_co_allocate_some(VmdkExtent *e, uint64_t off, const VioVec *src,
                        size_t *done, GError **error)
{
    VmdkSparse *sp = e->sparse;
    uint64_t first = round_down(sp, off);
    uint64_t last = round_up(sp, off + src->len);
    VioRange *range =
        vio_range_co_lock(sp->allocating, first, last - first, true);
    VdRun run;
    bool ok = vmdk_sparse_co_lookup(e, off, src->len, &run, error);

    *done = 0;
    if (ok && run.kind != VD_RUN_DATA) {
        VioVec part = vio_vec_slice(src, 0, (size_t) run.len);

        ok = sparse_co_allocate(e, off, &part,
                                run.kind == VD_RUN_PARENT &&
                                    vmdk_has_parent(e->state),
                                done, error);
    }
    vio_range_unlock(sp->allocating, range);
    return ok;
}

/* -- writing
 * ------------------------------------------------------------------------- */

bool
vmdk_sparse_co_check_trust(VmdkExtent *e, uint64_t off, uint64_t len,
                           GError **error)
{
    VmdkTables *tables = e->sparse->tables;
    uint32_t last = vmdk_sparse_table_of(e->sparse, off + len - 1);

    for (uint32_t i = vmdk_sparse_table_of(e->sparse, off); i <= last; i++) {
        const VdTable *table = vmdk_tables_peek(tables, i);

        if (table && table->damaged && !vmdk_tables_co_get_rw(tables, i, error))
            return false;
    }
    return true;
}

static bool
sparse_co_write_in_place(VmdkExtent *e, uint64_t off, const VdRun *run,
                         const VioVec *src, GError **error)
{
    return vmdk_sparse_co_check_trust(e, off, run->len, error) &&
           vd_node_co_pwritev(e->file, run->child_off, src, 0, error);
}

static bool
sparse_co_write_span(VmdkExtent *e, uint64_t off, const VioVec *src,
                     GError **error)
{
    for (size_t done = 0, n; done < src->len; done += n) {
        VioVec rest = vio_vec_slice(src, done, src->len - done);
        VdRun run;

        if (!vmdk_sparse_co_lookup(e, off + done, rest.len, &run, error))
            return false;
        if (run.kind == VD_RUN_DATA) {
            VioVec part = vio_vec_slice(&rest, 0, (size_t) run.len);

            n = part.len;
            if (!sparse_co_write_in_place(e, off + done, &run, &part, error))
                return false;
        } else if (!sparse_co_allocate_some(e, off + done, &rest, &n, error)) {
            return false;
        }
    }
    return true;
}

static bool
span_co_write(const VdSpan *span, GError **error)
{
    return sparse_co_write_span(span->format, span->off, &span->src, error);
}

/* When it is written its grains are looked up again. */
static bool
span_co_cut(VdSpan *span, GError **error)
{
    VdRun run;

    if (!vmdk_sparse_co_lookup(span->format, span->off, span->src.len, &run,
                               error))
        return false;
    span->src = vio_vec_slice(&span->src, 0, (size_t) run.len);
    return true;
}

static const VdSpanFuncs span_funcs = {span_co_cut, span_co_write};

bool
vmdk_sparse_co_write(VmdkExtent *e, uint64_t off, const VioVec *src,
                     GError **error)
{
    return vmdk_sparse_co_mark_unclean(e, error) &&
           vd_spans_co_write(&span_funcs, e, off, src, error) &&
           vmdk_sparse_co_relieve(e, error);
}
