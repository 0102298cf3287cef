/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/decoded.c - compressed clusters, and some of them as they were
 * last inflated.
 *
 * Requests are smaller than clusters, so neighbours come back soon.  The key is
 * the L2 entry: what is written anew gets another place, and its entry with it.
 *
 * Concurrency: one loop; a cluster is inflated on a worker by the first who
 * asks, others wait for it.
 */
#include "formats/qcow2/qcow2.h"

#include <inttypes.h>

#define CACHE_BYTES (8u << 20)
#define CACHE_MIN 4

typedef struct {
    uint64_t word; /* key */
    uint8_t *bytes;
    unsigned users; /* > 0: stays */
    bool loading, stale;
    GError *error;
    VioCoQueue waiters;
    GList link;
} Cluster;

struct Qcow2Decoded {
    Qcow2State *s;
    GHashTable *clusters; /* &word -> Cluster */
    GQueue lru;           /* most recent first */
    unsigned max;
};

Qcow2Decoded *
qcow2_decoded_new(Qcow2State *s)
{
    Qcow2Decoded *decoded = g_new0(Qcow2Decoded, 1);

    decoded->s = s;
    decoded->clusters = g_hash_table_new(g_int64_hash, g_int64_equal);
    decoded->max =
        (unsigned) MAX(CACHE_BYTES >> s->hdr.cluster_bits, CACHE_MIN);
    decoded->max = MIN(decoded->max, 256);
    return decoded;
}

static void
cluster_free(Cluster *cluster)
{
    g_clear_error(&cluster->error);
    g_free(cluster->bytes);
    g_free(cluster);
}

static void
forget(Qcow2Decoded *decoded, Cluster *cluster)
{
    (void) g_hash_table_remove(decoded->clusters, &cluster->word);
    g_queue_unlink(&decoded->lru, &cluster->link);
    cluster->stale = true;
    if (!cluster->users)
        cluster_free(cluster);
}

void
qcow2_decoded_free(Qcow2Decoded *decoded)
{
    if (!decoded)
        return;
    while (decoded->lru.tail)
        forget(decoded, decoded->lru.tail->data);
    g_hash_table_unref(decoded->clusters);
    g_free(decoded);
}

void
qcow2_decoded_forget(Qcow2Decoded *decoded, uint64_t word)
{
    Cluster *cluster = g_hash_table_lookup(decoded->clusters, &word);

    if (cluster)
        forget(decoded, cluster);
}

static void
make_room(Qcow2Decoded *decoded)
{
    GList *l = decoded->lru.tail;

    while (l && decoded->lru.length >= decoded->max) {
        Cluster *cluster = l->data;

        l = l->prev;
        if (!cluster->users)
            forget(decoded, cluster);
    }
}

/* -- loading --------------------------------------------------------------- */

static bool
cluster_co_load(Qcow2Decoded *decoded, Cluster *cluster, GError **error)
{
    Qcow2State *s = decoded->s;
    uint64_t off = 0;
    uint32_t len = 0;
    g_autofree uint8_t *packed = NULL;
    struct iovec iov;
    VioVec dst;

    qcow2_entry_packed(&s->hdr, cluster->word, &off, &len);
    packed = g_malloc(len);
    dst = vio_vec_from_buf(&iov, packed, len);
    if (!vd_node_co_preadv_eof(s->file, off, &dst, error))
        return false;
    /* Bytes behind the stream are those of others. */
    if (vd_codec_co_inflate_whole(vd_node_loop(s->node), qcow2_codec(&s->hdr),
                                  packed, len, cluster->bytes,
                                  qcow2_cluster_bytes(&s->hdr), error))
        return true;
    return vd_prefix(
        error, "%s: the compressed cluster at byte %" PRIu64 " (%u bytes): ",
        vd_node_name(s->file), off, len);
}

static Cluster *
cluster_co_new(Qcow2Decoded *decoded, uint64_t word)
{
    Cluster *cluster = g_new0(Cluster, 1);

    make_room(decoded);
    cluster->word = word;
    cluster->bytes = g_malloc(qcow2_cluster_bytes(&decoded->s->hdr));
    cluster->loading = true;
    cluster->users = 1;
    cluster->link.data = cluster;
    g_queue_push_head_link(&decoded->lru, &cluster->link);
    g_hash_table_insert(decoded->clusters, &cluster->word, cluster);
    (void) cluster_co_load(decoded, cluster, &cluster->error);
    cluster->loading = false;
    vio_co_queue_wake_all(&cluster->waiters);
    return cluster;
}

static Cluster *
cluster_co_get(Qcow2Decoded *decoded, uint64_t word)
{
    Cluster *cluster = g_hash_table_lookup(decoded->clusters, &word);

    if (!cluster)
        return cluster_co_new(decoded, word);
    cluster->users++;
    while (cluster->loading)
        vio_co_queue_wait(&cluster->waiters);
    if (!cluster->stale) {
        g_queue_unlink(&decoded->lru, &cluster->link);
        g_queue_push_head_link(&decoded->lru, &cluster->link);
    }
    return cluster;
}

static void
cluster_put(Qcow2Decoded *decoded, Cluster *cluster)
{
    cluster->users--;
    if (cluster->error && !cluster->stale)
        forget(decoded, cluster);
    else if (cluster->stale && !cluster->users)
        cluster_free(cluster);
}

bool
qcow2_co_decode(VdNode *node, uint64_t off, const VdRun *run, const VioVec *dst,
                GError **error)
{
    Qcow2State *s = vd_node_state(node);
    uint64_t within = off & (qcow2_cluster_bytes(&s->hdr) - 1);
    Qcow2Entry entry;
    Cluster *cluster;
    bool ok;

    if (!qcow2_tables_co_get(s->tables, off, &entry, error))
        return false;
    if (!(entry.word & QCOW2_COMPRESSED)) /* written meanwhile */
        return vd_node_co_preadv(node, off, dst, error);
    cluster = cluster_co_get(s->decoded, entry.word);
    ok = !cluster->error;
    if (ok)
        vio_vec_copy_in(dst, cluster->bytes + within);
    else if (error)
        *error = g_error_copy(cluster->error);
    cluster_put(s->decoded, cluster);
    return ok;
}
