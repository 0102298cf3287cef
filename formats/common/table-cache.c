/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/common/table-cache.c - tables of an image in memory, bounded in
 * bytes.
 *
 * A clock: tables stand in a ring, a look-up sets a bit, the hand takes the
 * first one without it.  Dirty and pinned tables are passed over, so the
 * limit may be exceeded by what the writers have not written back; they see
 * to that.
 *
 * Concurrency: a cache belongs to its loop.  Only the list of caches is shared
 * by threads, under its mutex.
 */
#include "formats/common/table-cache.h"

#include <pthread.h>

struct VdTableCache {
    VioLoop *loop;
    unsigned refs;
    VdTable *hand;
    size_t bytes, dirty_bytes, limit;
    unsigned n_tables;
};

static pthread_mutex_t caches_lock = PTHREAD_MUTEX_INITIALIZER;
static GHashTable *caches; /* VioLoop -> VdTableCache */

VdTableCache *
vd_table_cache_ref(VioLoop *loop)
{
    VdTableCache *cache;

    (void) pthread_mutex_lock(&caches_lock);
    if (!caches)
        caches = g_hash_table_new(NULL, NULL);
    cache = g_hash_table_lookup(caches, loop);
    if (!cache) {
        cache = g_new0(VdTableCache, 1);
        cache->loop = loop;
        cache->limit = VD_TABLE_CACHE_BYTES;
        g_hash_table_insert(caches, loop, cache);
    }
    cache->refs++;
    (void) pthread_mutex_unlock(&caches_lock);
    return cache;
}

void
vd_table_cache_unref(VdTableCache *cache)
{
    bool last;

    (void) pthread_mutex_lock(&caches_lock);
    last = --cache->refs == 0;
    if (last) {
        g_hash_table_remove(caches, cache->loop);
        if (g_hash_table_size(caches) == 0)
            g_clear_pointer(&caches, g_hash_table_unref);
    }
    (void) pthread_mutex_unlock(&caches_lock);
    if (!last)
        return;
    g_assert(!cache->hand);
    g_free(cache);
}

static size_t
table_bytes(const VdTable *table)
{
    return sizeof(VdTable) + table->bytes;
}

static void
ring_insert(VdTableCache *cache, VdTable *table)
{
    if (!cache->hand) {
        table->next = table->prev = table;
        cache->hand = table;
        return;
    }
    /* Behind the hand: the last to be looked at. */
    table->next = cache->hand;
    table->prev = cache->hand->prev;
    table->prev->next = table;
    cache->hand->prev = table;
}

static void
ring_remove(VdTableCache *cache, VdTable *table)
{
    table->prev->next = table->next;
    table->next->prev = table->prev;
    if (cache->hand == table)
        cache->hand = table->next == table ? NULL : table->next;
}

void
vd_table_cache_drop(VdTableCache *cache, VdTable *table)
{
    g_assert(!table->pins);
    vd_table_mark(table, false);
    ring_remove(cache, table);
    cache->bytes -= table_bytes(table);
    cache->n_tables--;
    g_free(table);
}

void
vd_table_mark(VdTable *table, bool dirty)
{
    VdTableCache *cache = table->cache;

    if (table->dirty == dirty)
        return;
    table->dirty = dirty;
    if (dirty)
        cache->dirty_bytes += table_bytes(table);
    else
        cache->dirty_bytes -= table_bytes(table);
}

/* Twice around the ring at most: the first round takes the bits away. */
static void
make_room(VdTableCache *cache, size_t needed)
{
    for (unsigned steps = 2 * cache->n_tables;
         steps && cache->hand && cache->bytes + needed > cache->limit;
         steps--) {
        VdTable *table = cache->hand;

        cache->hand = table->next;
        if (table->dirty || table->pins)
            continue;
        if (table->referenced) {
            table->referenced = false;
            continue;
        }
        (*table->slots)[table->index] = NULL;
        vd_table_cache_drop(cache, table);
    }
}

VdTable *
vd_table_cache_add(VdTableCache *cache, VdTable ***slots, uint32_t index,
                   uint32_t bytes)
{
    VdTable *table;

    make_room(cache, sizeof(VdTable) + bytes);
    table = g_malloc(sizeof(VdTable) + bytes);
    *table = (VdTable){.cache = cache,
                       .slots = slots,
                       .index = index,
                       .bytes = bytes,
                       .referenced = true};
    ring_insert(cache, table);
    cache->bytes += table_bytes(table);
    cache->n_tables++;
    return table;
}

size_t
vd_table_cache_dirty_bytes(const VdTableCache *cache)
{
    return cache->dirty_bytes;
}

size_t
vd_table_cache_bytes(const VdTableCache *cache)
{
    return cache->bytes;
}

void
vd_table_cache_set_limit(VdTableCache *cache, size_t bytes)
{
    cache->limit = bytes ? bytes : VD_TABLE_CACHE_BYTES;
}
