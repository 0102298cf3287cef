/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/stream/cache.c - inflated grains, least recently used out.
 *
 * Grains that are loading or in use stay, even above the limit: there are
 * never more of them than requests in flight.
 *
 * Concurrency: one loop; nothing here yields.
 */
#include "formats/vmdk/stream/reader.h"

VmdkStreamGrain *
vmdk_stream_cache_find(const VmdkStreamReader *reader, uint64_t record)
{
    return g_hash_table_lookup(reader->grains, &record);
}

static void
grain_free(VmdkStreamGrain *grain)
{
    g_clear_error(&grain->error);
    g_free(grain->data);
    g_free(grain);
}

static void
cache_drop(VmdkStreamReader *reader, VmdkStreamGrain *grain)
{
    (void) g_hash_table_remove(reader->grains, &grain->record);
    g_queue_unlink(&reader->lru, &grain->link);
}

static void
cache_trim(VmdkStreamReader *reader)
{
    GList *link = reader->lru.tail;

    while (link && reader->lru.length > reader->max_grains) {
        VmdkStreamGrain *grain = link->data;

        link = link->prev;
        if (grain->refs > 0)
            continue;
        cache_drop(reader, grain);
        grain_free(grain);
    }
}

VmdkStreamGrain *
vmdk_stream_cache_add(VmdkStreamReader *reader, uint64_t record)
{
    VmdkStreamGrain *grain = g_new0(VmdkStreamGrain, 1);

    grain->record = record;
    grain->loading = true;
    grain->refs = 1;
    grain->data = g_malloc(reader->grain_bytes);
    grain->link.data = grain;
    g_queue_push_head_link(&reader->lru, &grain->link);
    g_hash_table_insert(reader->grains, &grain->record, grain);
    cache_trim(reader);
    return grain;
}

void
vmdk_stream_cache_touch(VmdkStreamReader *reader, VmdkStreamGrain *grain)
{
    if (reader->lru.head == &grain->link)
        return;
    g_queue_unlink(&reader->lru, &grain->link);
    g_queue_push_head_link(&reader->lru, &grain->link);
}

void
vmdk_stream_cache_loaded(VmdkStreamReader *reader, VmdkStreamGrain *grain,
                         GError *error)
{
    grain->loading = false;
    grain->error = error;
    if (error)
        cache_drop(reader, grain); /* who asks again tries again */
    vio_co_queue_wake_all(&grain->waiters);
}

void
vmdk_stream_cache_unref(VmdkStreamReader *reader, VmdkStreamGrain *grain)
{
    if (--grain->refs > 0)
        return;
    if (grain->error)
        grain_free(grain);
    else
        cache_trim(reader);
}

void
vmdk_stream_cache_clear(VmdkStreamReader *reader)
{
    VmdkStreamGrain *grain;

    while (reader->lru.head) {
        grain = reader->lru.head->data;
        g_assert(grain->refs == 0);
        cache_drop(reader, grain);
        grain_free(grain);
    }
}
