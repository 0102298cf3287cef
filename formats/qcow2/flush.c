/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/flush.c - tables to the file, in order.
 *
 *   copy what is dirty
 *   refcount blocks [ - barrier - refcount table [ - barrier - header ] ]
 *   barrier: data and counts of all that tables will name are durable
 *   L2 tables [ - barrier - L1 table ]
 *   [ barrier - counts of what was given up go down: in the next round ]
 *
 * The barrier behind it is the caller's: vd_node_co_flush() of the disk goes on
 * to the files.
 *
 * Concurrency: one at a time, under flush_lock; data go on meanwhile.
 */
#include "formats/qcow2/qcow2.h"

static bool
qcow2_co_barrier(Qcow2State *s, GError **error)
{
    return vd_node_co_flush(s->file, error) &&
           (s->data == s->file || vd_node_co_flush(s->data, error));
}

bool
qcow2_co_store_header(Qcow2State *s, GError **error)
{
    uint8_t raw[QCOW2_HEADER_BYTES];
    size_t len =
        s->hdr.version < 3 ? QCOW2_HEADER_V2_BYTES : QCOW2_HEADER_V3_BYTES;

    /* What is behind 104 bytes does not change. */
    qcow2_header_encode(&s->hdr, raw);
    return vd_node_co_pwrite(s->file, 0, raw, len, error);
}

/* The header in memory is as it is in the file: it does not name what nobody
 * has written yet. */
static bool
qcow2_co_name_reftable(Qcow2State *s, const Qcow2Batch *counts, GError **error)
{
    uint64_t old_off = s->hdr.reftable_off;
    uint32_t old_clusters = s->hdr.reftable_clusters;

    s->hdr.reftable_off = counts->off;
    s->hdr.reftable_clusters = counts->n >> (s->hdr.cluster_bits - 3);
    if (qcow2_co_store_header(s, error))
        return true;
    s->hdr.reftable_off = old_off;
    s->hdr.reftable_clusters = old_clusters;
    return false;
}

/* A table that moved is named by the header once it is there. */
static bool
qcow2_co_store_reftable(Qcow2State *s, const Qcow2Batch *counts, GError **error)
{
    if (counts->from == counts->to)
        return true;
    return qcow2_co_barrier(s, error) &&
           qcow2_batch_co_write_upper(counts, error) &&
           (counts->off == s->hdr.reftable_off ||
            (qcow2_co_barrier(s, error) &&
             qcow2_co_name_reftable(s, counts, error)));
}

static bool
qcow2_co_store_tables(Qcow2State *s, const Qcow2Batch *tables, GError **error)
{
    return qcow2_batch_co_write_lower(tables, error) &&
           (tables->from == tables->to ||
            (qcow2_co_barrier(s, error) &&
             qcow2_batch_co_write_upper(tables, error)));
}

static bool
qcow2_co_write_round(Qcow2State *s, GError **error)
{
    Qcow2Refcounts *rc = s->refcounts;
    Qcow2Batch counts, tables;
    bool ok;

    qcow2_batch_take(&tables, s->tables->sliced);
    qcow2_batch_take(&counts, rc->sliced);
    ok = qcow2_batch_co_write_lower(&counts, error) &&
         qcow2_co_store_reftable(s, &counts, error) &&
         qcow2_co_barrier(s, error) && qcow2_co_store_tables(s, &tables, error);
    counts.written = tables.written = ok;
    qcow2_batch_release(&tables);
    qcow2_batch_release(&counts);
    return ok;
}

/* What is given up is taken together with the tables that let go of it. */
static bool
qcow2_co_flush_locked(Qcow2State *s, GError **error)
{
    Qcow2Refcounts *rc = s->refcounts;
    g_autoptr(GArray) freed = NULL;

    if (!qcow2_refcounts_co_settle(rc, error))
        return false;
    freed = rc->freed;
    rc->freed = g_array_new(FALSE, FALSE, sizeof(Qcow2Range));
    if (((qcow2_sliced_is_dirty(s->tables->sliced) ||
          qcow2_sliced_is_dirty(rc->sliced)) &&
         !qcow2_co_write_round(s, error)) ||
        (freed->len && !qcow2_co_barrier(s, error))) {
        g_array_append_vals(rc->freed, freed->data, freed->len);
        return false;
    }
    qcow2_rest(rc, freed);
    return qcow2_co_release(rc, error);
}

bool
qcow2_co_flush_to_os(VdNode *node, GError **error)
{
    Qcow2State *s = vd_node_state(node);
    bool ok;

    if (!s->begun)
        return true;
    vio_co_mutex_lock(&s->flush_lock);
    ok = qcow2_co_flush_locked(s, error);
    vio_co_mutex_unlock(&s->flush_lock);
    return ok;
}

/* The last cluster of a file that we made longer becomes whole: there are
 * readers that make up what a file lacks.  Only once nobody else makes it
 * longer.  What has a fixed size never became longer. */
static bool
qcow2_co_complete_cluster(Qcow2State *s, GError **error)
{
    uint64_t size = vd_node_size(s->file);
    uint64_t part = size & (qcow2_cluster_bytes(&s->hdr) - 1);

    return !part || size == s->file_bytes ||
           vd_node_co_truncate(s->file,
                               size - part + qcow2_cluster_bytes(&s->hdr),
                               VD_PREALLOC_OFF, error);
}

bool
qcow2_co_sync(Qcow2State *s, GError **error)
{
    return qcow2_co_flush_to_os(s->node, error) && qcow2_co_barrier(s, error);
}

/* No request is on its way any more, so what rests can go, too. */
bool
qcow2_co_finish(VdNode *node, GError **error)
{
    Qcow2State *s = vd_node_state(node);

    for (unsigned round = 0; s->begun && round < 4; round++) {
        if (!qcow2_co_flush_to_os(node, error))
            return false;
        if (!s->refcounts->resting->len && !s->refcounts->freed->len &&
            !qcow2_sliced_is_dirty(s->refcounts->sliced))
            break;
    }
    return !s->begun || qcow2_co_complete_cluster(s, error);
}

/* -- the first change ------------------------------------------------------ */

/* Features that do not survive a writer who does not know them. */
static bool
qcow2_co_clear_features(Qcow2State *s, uint64_t kept, GError **error)
{
    uint64_t before = s->hdr.autoclear;

    kept &= before;
    if (before == kept)
        return true;
    s->hdr.autoclear = kept;
    if (!qcow2_co_store_header(s, error) || !vd_node_co_flush(s->file, error)) {
        s->hdr.autoclear = before; /* the next change has to do it */
        return false;
    }
    if (!(kept & QCOW2_AUTOCLEAR_BITMAPS))
        g_clear_pointer(&s->bitmaps, g_ptr_array_unref);
    return true;
}

static bool
qcow2_co_begin_keeping(Qcow2State *s, uint64_t kept, GError **error)
{
    bool ok;

    if (!s->refcounts)
        return qcow2_refuse_writing(s, error);
    vio_co_mutex_lock(&s->flush_lock);
    ok = (s->begun || qcow2_co_is_sound(s, error)) &&
         qcow2_co_clear_features(s, kept, error);
    s->begun |= ok;
    vio_co_mutex_unlock(&s->flush_lock);
    return ok;
}

bool
qcow2_co_begin_tables(Qcow2State *s, GError **error)
{
    return s->begun || qcow2_co_begin_keeping(s,
                                              QCOW2_AUTOCLEAR_DATA_FILE_RAW |
                                                  QCOW2_AUTOCLEAR_BITMAPS,
                                              error);
}

bool
qcow2_co_begin(Qcow2State *s, GError **error)
{
    if (G_LIKELY(s->begun && !(s->hdr.autoclear & QCOW2_AUTOCLEAR_BITMAPS)))
        return true;
    return qcow2_co_begin_keeping(s, QCOW2_AUTOCLEAR_DATA_FILE_RAW, error);
}

/* More changed slices than this (16 MiB) are written by who makes them. */
#define DIRTY_SLICES_MAX 4096

bool
qcow2_co_relieve(Qcow2State *s, GError **error)
{
    return s->tables->sliced->dirty->len + s->refcounts->sliced->dirty->len <=
               DIRTY_SLICES_MAX ||
           qcow2_co_flush_to_os(s->node, error);
}
