/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/preallocate.c - places for a disk that grows.
 *
 * The file is made longer first, the way the user wants it; places come from
 * there only, so that they hold zeroes.
 *
 * Concurrency: no change of the disk is in flight.
 */
#include "formats/qcow2/resize.h"

static Qcow2Entry
placed_entry(const Qcow2State *s, uint64_t place)
{
    return (Qcow2Entry){.word = place | QCOW2_COPIED,
                        .bitmap = s->tables->extended ? UINT32_MAX : 0};
}

/* Clusters of one table, or the first of them. */
static bool
places_co_add(Qcow2State *s, uint64_t off, uint64_t want, uint64_t *got,
              GError **error)
{
    uint64_t cluster = qcow2_cluster_bytes(&s->hdr), place = off;

    *got = want;
    if (!qcow2_co_own_table(s, off, error) ||
        (!s->tables->external &&
         !qcow2_co_allocate(s->refcounts, want, &place, got, error)))
        return false;
    for (uint64_t i = 0; i < *got; i++) {
        Qcow2Entry entry = placed_entry(s, place + i * cluster);

        if (!qcow2_co_replace(s, off + i * cluster, &entry, error))
            return false;
    }
    return true;
}

static bool
places_co_add_all(Qcow2State *s, uint64_t off, uint64_t end,
                  const VdResize *how, GError **error)
{
    uint64_t cluster = qcow2_cluster_bytes(&s->hdr), got;

    for (; off < end; off += got * cluster) {
        uint64_t stop = MIN(end, (off | (qcow2_l2_bytes(s->tables) - 1)) + 1);

        if (!places_co_add(s, off, (stop - off + cluster - 1) / cluster, &got,
                           error) ||
            !qcow2_co_relieve(s, error))
            return false;
        if (how->advance)
            how->advance(how->arg, got * cluster);
    }
    return true;
}

/* Behind cluster @first: data, tables, and what counts them, at most.  The
 * refcount table may move several times on its way to the size it needs. */
static uint64_t
clusters_needed(const Qcow2State *s, uint64_t first, uint64_t len)
{
    uint64_t cluster = qcow2_cluster_bytes(&s->hdr);
    uint64_t n = (len + cluster - 1) / cluster;
    uint64_t blocks;

    n += len / qcow2_l2_bytes(s->tables) + 2;
    n += (n >> s->refcounts->block_shift) + 2;
    blocks = (first + n) >> s->refcounts->block_shift;
    return n + 6 * (blocks * 8 / cluster + 1);
}

static bool
preallocate_co_file(Qcow2State *s, uint64_t off, uint64_t end,
                    const VdResize *how, GError **error)
{
    Qcow2Refcounts *rc = s->refcounts;
    uint64_t cluster = qcow2_cluster_bytes(&s->hdr), cursor = rc->cursor;
    uint64_t first = (vd_node_size(s->file) + cluster - 1) / cluster;
    VdPrealloc mode =
        how->prealloc == VD_PREALLOC_METADATA ? VD_PREALLOC_OFF : how->prealloc;
    bool ok;

    if (!vd_node_co_truncate(
            s->file, (first + clusters_needed(s, first, end - off)) * cluster,
            mode, error))
        return false;
    rc->cursor = MAX(cursor, first);
    ok = places_co_add_all(s, off, end, how, error);
    rc->cursor = MIN(cursor, first);
    return ok && (mode != VD_PREALLOC_OFF || qcow2_co_trim(s, error));
}

/* Where the guest has it, in a file of the same length. */
static bool
preallocate_co_data_file(Qcow2State *s, uint64_t off, uint64_t end,
                         const VdResize *how, GError **error)
{
    VdPrealloc mode =
        how->prealloc == VD_PREALLOC_METADATA ? VD_PREALLOC_OFF : how->prealloc;

    if (vd_node_size(s->data) < end &&
        !vd_node_co_truncate(s->data, end, mode, error))
        return false;
    return how->prealloc == VD_PREALLOC_OFF ||
           places_co_add_all(s, off, end, how, error);
}

bool
qcow2_co_preallocate(Qcow2State *s, uint64_t off, uint64_t end,
                     const VdResize *how, GError **error)
{
    if (s->tables->external)
        return preallocate_co_data_file(s, off, end, how, error);
    return how->prealloc == VD_PREALLOC_OFF || off >= end ||
           preallocate_co_file(s, off, end, how, error);
}
