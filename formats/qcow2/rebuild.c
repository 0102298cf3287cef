/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/rebuild.c - refcounts, all of them anew.
 *
 *   ... the file as it is ... | refcount table | refcount blocks
 *
 * Behind the end, so nothing is lost wherever it stops; the header names them
 * when they are durable.  Only blocks with something to count are made.
 *
 * Concurrency: nobody changes the image meanwhile.
 */
#include "formats/qcow2/check.h"

#include <inttypes.h>

typedef struct {
    Qcow2State *s;
    const uint32_t *users;
    uint64_t n; /* clusters of the file before */
    unsigned order;
    uint64_t per_block;         /* clusters that a block counts */
    uint64_t n_table, n_blocks; /* clusters of each */
    uint64_t n_entries;         /* of the table, that matter */
} Rebuild;

static uint64_t
divide_up(uint64_t n, uint64_t unit)
{
    return (n + unit - 1) / unit;
}

static uint64_t
end_of_all(const Rebuild *r)
{
    return r->n + r->n_table + r->n_blocks;
}

/* -- layout ---------------------------------------------------------------- */

static bool
has_users(const Rebuild *r, uint64_t block)
{
    uint64_t end = MIN((block + 1) * r->per_block, r->n);

    if ((block + 1) * r->per_block > r->n)
        return true; /* the new places */
    for (uint64_t i = block * r->per_block; i < end; i++)
        if (r->users[i])
            return true;
    return false;
}

/* Blocks count themselves and their table, which names them all. */
static bool
rebuild_lay_out(Rebuild *r, GError **error)
{
    uint64_t cluster = qcow2_cluster_bytes(&r->s->hdr);
    uint64_t before, old = 0;

    for (uint64_t i = 0; i < r->n / r->per_block; i++)
        old += has_users(r, i);
    r->n_table = r->n_blocks = 1;
    do {
        before = r->n_table + r->n_blocks;
        r->n_entries = divide_up(end_of_all(r), r->per_block);
        r->n_blocks = old + (r->n_entries - r->n / r->per_block);
        r->n_table = MAX(divide_up(r->n_entries * 8, cluster), 1);
    } while (before != r->n_table + r->n_blocks);
    if (r->n_table * cluster <= QCOW2_MAX_REFTABLE_BYTES)
        return true;
    return vd_throw(error, VD_ERROR_LIMIT,
                    "%s: the refcount table would exceed 8 MiB",
                    vd_node_name(r->s->file));
}

static bool
rebuild_check_width(const Rebuild *r, GError **error)
{
    uint64_t max = qcow2_refcount_max(r->order);

    for (uint64_t i = 0; i < r->n; i++)
        if (r->users[i] > max)
            return vd_throw(error, VD_ERROR_LIMIT,
                            "%s: the cluster at byte %" PRIu64
                            " has %u users, more than refcounts of %u bits "
                            "can count",
                            vd_node_name(r->s->file),
                            i << r->s->hdr.cluster_bits, r->users[i],
                            1u << r->order);
    return true;
}

/* -- writing --------------------------------------------------------------- */

static uint64_t
count_of(const Rebuild *r, uint64_t cluster)
{
    if (cluster < r->n)
        return r->users[cluster];
    return cluster < end_of_all(r) ? 1 : 0;
}

static bool
rebuild_co_write_block(const Rebuild *r, uint64_t block, uint64_t place,
                       uint8_t *raw, GError **error)
{
    size_t cluster = qcow2_cluster_bytes(&r->s->hdr);

    memset(raw, 0, cluster);
    for (uint64_t i = 0; i < r->per_block; i++) {
        uint64_t count = count_of(r, block * r->per_block + i);

        if (count)
            qcow2_refcount_put(raw, r->order, i, count);
    }
    return vd_node_co_pwrite(r->s->file, place, raw, cluster, error);
}

static bool
rebuild_co_write(const Rebuild *r, GError **error)
{
    const Qcow2Header *hdr = &r->s->hdr;
    size_t cluster = qcow2_cluster_bytes(hdr);
    g_autofree uint8_t *table = g_malloc0(r->n_table * cluster);
    g_autofree uint8_t *raw = g_malloc(cluster);
    uint64_t place = (r->n + r->n_table) << hdr->cluster_bits;

    for (uint64_t i = 0; i < r->n_entries; i++) {
        if (!has_users(r, i))
            continue;
        vio_put_be64(table + 8 * i, place);
        if (!rebuild_co_write_block(r, i, place, raw, error))
            return false;
        place += cluster;
    }
    return vd_node_co_pwrite(r->s->file, r->n << hdr->cluster_bits, table,
                             r->n_table * cluster, error);
}

bool
qcow2_co_write_refcounts(Qcow2State *s, const Qcow2Survey *survey,
                         unsigned order, Qcow2Header *hdr, GError **error)
{
    Rebuild r = {.s = s,
                 .users = survey->users,
                 .n = survey->n,
                 .order = order,
                 .per_block = UINT64_C(1) << (s->hdr.cluster_bits + 3 - order)};

    if (!rebuild_check_width(&r, error) || !rebuild_lay_out(&r, error) ||
        !rebuild_co_write(&r, error) || !vd_node_co_flush(s->file, error))
        return false;
    hdr->reftable_off = r.n << s->hdr.cluster_bits;
    hdr->reftable_clusters = (uint32_t) r.n_table;
    hdr->refcount_order = order;
    return true;
}
