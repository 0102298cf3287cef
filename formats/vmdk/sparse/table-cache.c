/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/table-cache.c - grain tables in memory, bounded in bytes.
 *
 * A clock: tables stand in a ring, a look-up sets a bit, the hand takes the
 * first one without it.  Dirty and pinned tables are passed over, so the
 * limit may be exceeded by what the writers have not written back; they see
 * to that (tables.h).
 *
 * Concurrency: a cache belongs to its loop.  Only the list of caches is shared
 * by threads, under its mutex.
 */
#include "formats/vmdk/sparse/table-cache.h"

#include <pthread.h>

#include "formats/vmdk/sparse/tables.h"

struct VmdkTableCache {
    VioLoop *loop;
    unsigned refs;
    VmdkTable *hand;
    size_t bytes, dirty_bytes, limit;
    unsigned n_tables;
};

static pthread_mutex_t caches_lock = PTHREAD_MUTEX_INITIALIZER;
static GHashTable *caches; /* VioLoop -> VmdkTableCache */

VmdkTableCache *
vmdk_table_cache_ref(VioLoop *loop)
{
    VmdkTableCache *cache;

    (void) pthread_mutex_lock(&caches_lock);
    if (!caches)
        caches = g_hash_table_new(NULL, NULL);
    cache = g_hash_table_lookup(caches, loop);
    if (!cache) {
        cache = g_new0(VmdkTableCache, 1);
        cache->loop = loop;
        cache->limit = VMDK_TABLE_CACHE_BYTES;
        g_hash_table_insert(caches, loop, cache);
    }
    cache->refs++;
    (void) pthread_mutex_unlock(&caches_lock);
    return cache;
}

void
vmdk_table_cache_unref(VmdkTableCache *cache)
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
table_bytes(const VmdkTable *table)
{
    return sizeof(VmdkTable) + table->bytes;
}

static void
ring_insert(VmdkTableCache *cache, VmdkTable *table)
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
ring_remove(VmdkTableCache *cache, VmdkTable *table)
{
    table->prev->next = table->next;
    table->next->prev = table->prev;
    if (cache->hand == table)
        cache->hand = table->next == table ? NULL : table->next;
}

void
vmdk_table_cache_drop(VmdkTableCache *cache, VmdkTable *table)
{
    g_assert(!table->pins);
    vmdk_table_mark(table, false);
    ring_remove(cache, table);
    cache->bytes -= table_bytes(table);
    cache->n_tables--;
    g_free(table);
}

void
vmdk_table_mark(VmdkTable *table, bool dirty)
{
    VmdkTableCache *cache = table->cache;

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
make_room(VmdkTableCache *cache, size_t needed)
{
    for (unsigned steps = 2 * cache->n_tables;
         steps && cache->hand && cache->bytes + needed > cache->limit;
         steps--) {
        VmdkTable *table = cache->hand;

        cache->hand = table->next;
        if (table->dirty || table->pins)
            continue;
        if (table->referenced) {
            table->referenced = false;
            continue;
        }
        (*table->slots)[table->index] = NULL;
        vmdk_table_cache_drop(cache, table);
    }
}

VmdkTable *
vmdk_table_cache_add_at(VmdkTableCache *cache, VmdkTable ***slots,
                        uint32_t index, uint32_t bytes)
{
    VmdkTable *table;

    make_room(cache, sizeof(VmdkTable) + bytes);
    table = g_malloc(sizeof(VmdkTable) + bytes);
    *table = (VmdkTable){.cache = cache,
                         .slots = slots,
                         .index = index,
                         .bytes = bytes,
                         .referenced = true};
    ring_insert(cache, table);
    cache->bytes += table_bytes(table);
    cache->n_tables++;
    return table;
}

VmdkTable *
vmdk_table_cache_add(VmdkTableCache *cache, VmdkTables *owner, uint32_t index,
                     uint32_t entries)
{
    VmdkTable *table = vmdk_table_cache_add_at(
        cache, &owner->slot, index, entries * (uint32_t) sizeof(uint32_t));

    table->owner = owner;
    return table;
}

size_t
vmdk_table_cache_dirty_bytes(const VmdkTableCache *cache)
{
    return cache->dirty_bytes;
}

size_t
vmdk_table_cache_bytes(const VmdkTableCache *cache)
{
    return cache->bytes;
}

void
vmdk_table_cache_set_limit(VmdkTableCache *cache, size_t bytes)
{
    cache->limit = bytes ? bytes : VMDK_TABLE_CACHE_BYTES;
}
