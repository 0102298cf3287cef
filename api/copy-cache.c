/* SPDX-License-Identifier: BSD-3-Clause */
/* api/copy-cache.c - a large copy does not push everything else out of memory.
 *
 * Once a copy has more data than a quarter of the memory that is available,
 * what it reads and writes no longer stays in the page cache.  Smaller ones do:
 * whoever converts an image uses it next, and memory is much faster.
 *
 * VDISK_COPY_CACHED=BYTES is another limit, for tests.
 *
 * Concurrency: nothing here yields.
 */
#include "api/copy.h"

#include "block/leaves.h"
#include "block/proto/file-cache.h"

#include <stdio.h>

#define CACHE_SHARE 4

/* Bytes; UINT64_MAX = not known. */
static uint64_t
cache_available(void)
{
    FILE *file = fopen("/proc/meminfo", "re");
    uint64_t kib, bytes = UINT64_MAX;
    char line[128];

    while (file && fgets(line, sizeof(line), file))
        if (sscanf(line, "MemAvailable: %" G_GUINT64_FORMAT, &kib) == 1)
            bytes = MIN(kib, UINT64_MAX >> 10) << 10;
    if (file)
        (void) fclose(file); /* was only read */
    return bytes;
}

static uint64_t
cache_limit(void)
{
    const char *forced = g_getenv("VDISK_COPY_CACHED");
    uint64_t available;

    if (forced)
        return g_ascii_strtoull(forced, NULL, 10);
    available = cache_available();
    return available == UINT64_MAX ? available : available / CACHE_SHARE;
}

static void
cache_set_leaf(VdNode *leaf, void *opaque)
{
    const VdCopy *c = opaque;

    vd_file_set_uncached(leaf, c->uncached);
}

static void
cache_set(VdCopy *c, bool uncached)
{
    if (c->uncached == uncached)
        return;
    c->uncached = uncached;
    for (unsigned i = 0; i < c->n_sources; i++)
        vd_node_each_leaf(c->sources[i].disk->node, cache_set_leaf, c);
    vd_node_each_leaf(c->target->node, cache_set_leaf, c);
}

void
vd_copy_cache_begin(VdCopy *c)
{
    c->cache_limit = cache_limit();
}

void
vd_copy_cache_note(VdCopy *c)
{
    if (c->plan.data > c->cache_limit)
        cache_set(c, true);
}

/* The disks may live on, and be used otherwise. */
void
vd_copy_cache_end(VdCopy *c)
{
    cache_set(c, false);
}
