/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/l1-move.c - a longer L1 table.
 *
 *   its place is counted - table in the new place - barrier - the header names
 *   it - barrier - the old place is given up
 *
 * Concurrency: no change of the disk is in flight, so no table is changed.
 */
#include "formats/qcow2/resize.h"

static uint64_t
table_clusters(const Qcow2State *s, uint64_t n)
{
    uint64_t cluster = qcow2_cluster_bytes(&s->hdr);

    return (n * 8 + cluster - 1) / cluster;
}

static bool
l1_co_write(Qcow2State *s, uint64_t off, uint64_t clusters, GError **error)
{
    const Qcow2Sliced *sl = s->tables->sliced;
    uint64_t bytes = clusters << s->hdr.cluster_bits;
    g_autofree uint8_t *raw = g_malloc0(bytes);

    for (uint32_t i = 0; i < sl->n; i++)
        vio_put_be64(raw + UINT64_C(8) * i, sl->upper[i]);
    return vd_node_co_pwrite(s->file, off, raw, bytes, error) &&
           vd_node_co_flush(s->file, error);
}

static bool
l1_co_switch(Qcow2State *s, uint64_t off, uint32_t n, GError **error)
{
    uint64_t old_off = s->hdr.l1_off;
    uint32_t old_n = s->hdr.n_l1;
    bool ok;

    vio_co_mutex_lock(&s->flush_lock);
    s->hdr.l1_off = off;
    s->hdr.n_l1 = n;
    ok = qcow2_co_store_header(s, error) && vd_node_co_flush(s->file, error);
    if (ok) {
        s->tables->sliced->off = off;
    } else {
        s->hdr.l1_off = old_off;
        s->hdr.n_l1 = old_n;
        (void) qcow2_co_store_header(s, NULL); /* the first failure counts */
    }
    vio_co_mutex_unlock(&s->flush_lock);
    return ok;
}

bool
qcow2_co_move_l1(Qcow2State *s, uint32_t n, GError **error)
{
    uint64_t clusters = table_clusters(s, n), off;
    uint64_t old_off = s->hdr.l1_off;
    uint64_t old_clusters = table_clusters(s, s->hdr.n_l1);

    if (!qcow2_co_allocate_all(s->refcounts, clusters, &off, error))
        return false;
    if (!qcow2_co_sync(s, error) || !l1_co_write(s, off, clusters, error) ||
        !l1_co_switch(s, off, n, error)) {
        qcow2_give_up(s->refcounts, off, clusters << s->hdr.cluster_bits);
        return false;
    }
    qcow2_give_up(s->refcounts, old_off, old_clusters << s->hdr.cluster_bits);
    return qcow2_sliced_grow(s->tables->sliced, n, error);
}
