/* SPDX-License-Identifier: BSD-3-Clause */
/* block/chain-skip.c - where in a long chain to begin to look.
 *
 * One byte a granule: the distance of the first link that has anything to say
 * about it, 0 for not asked yet.  The bytes stand in chunks, the chunks in a
 * table of fixed size where a new one takes the place of an old one, so that
 * memory stays below 600 KiB whatever the size of the disk.
 *
 * Concurrency: finding out may yield.  Two coroutines that find out about one
 * granule come to the same answer, as links below the top do not change; a
 * chunk is looked up anew after the yield.
 */
#include "block/chain-skip.h"

#include "block/chain-internal.h"
#include "block/node-internal.h"
#include "block/open.h"

#include <string.h>

#define SKIP_MIN_LINKS 4 /* below the top; shorter chains are walked faster */
#define SKIP_GRANULE_SHIFT 16
#define SKIP_GRANULE (UINT64_C(1) << SKIP_GRANULE_SHIFT)
#define SKIP_CHUNK_GRANULES 512 /* 32 MiB of the disk */
#define SKIP_CHUNKS 1024        /* 32 GiB of it, if they lie together */

G_STATIC_ASSERT(VD_MAX_CHAIN <= 256); /* distances fit into a byte */

typedef struct {
    uint64_t number_plus_1; /* of the chunk that is here, 0 = none */
    uint8_t first[SKIP_CHUNK_GRANULES];
} SkipChunk;

struct VdChainSkip {
    unsigned n_links; /* top included; 0: not worth it */
    VdNode **links;
    SkipChunk *chunks;
};

static unsigned
skip_count_links(const VdNode *top)
{
    unsigned n = 0;

    for (const VdNode *link = top; link; link = link->parent)
        n++;
    return n;
}

static VdChainSkip *
skip_new(VdNode *top)
{
    VdChainSkip *skip = g_new0(VdChainSkip, 1);
    unsigned n = skip_count_links(top);

    if (n <= SKIP_MIN_LINKS)
        return skip;
    skip->n_links = n;
    skip->links = g_new(VdNode *, n);
    for (unsigned i = 0; i < n; i++, top = top->parent)
        skip->links[i] = top;
    skip->chunks = g_new0(SkipChunk, SKIP_CHUNKS);
    return skip;
}

void
vd_chain_skip_free(VdChainSkip *skip)
{
    if (!skip)
        return;
    g_free(skip->links);
    g_free(skip->chunks);
    g_free(skip);
}

void
vd_chain_forget(VdNode *top)
{
    vd_chain_skip_free(g_steal_pointer(&top->skip));
}

bool
vd_chain_skip_covers(VdNode *top, uint64_t off, uint64_t len)
{
    if (!top->parent || (off ^ (off + len - 1)) >> SKIP_GRANULE_SHIFT != 0)
        return false;
    if (G_UNLIKELY(!top->skip))
        top->skip = skip_new(top);
    return top->skip->n_links != 0;
}

static uint8_t *
skip_entry(VdChainSkip *skip, uint64_t granule)
{
    uint64_t number = granule / SKIP_CHUNK_GRANULES;
    SkipChunk *chunk = &skip->chunks[number % SKIP_CHUNKS];

    if (G_UNLIKELY(chunk->number_plus_1 != number + 1)) {
        memset(chunk->first, 0, sizeof(chunk->first));
        chunk->number_plus_1 = number + 1;
    }
    return &chunk->first[granule % SKIP_CHUNK_GRANULES];
}

/* Does @link leave all of the granule at @start to its parent?  Where it cannot
 * tell it does not: whoever needs those very bytes asks again. */
static bool
skip_co_is_silent(VdNode *link, uint64_t start)
{
    VdChainRun run;

    if (start >= link->size || link->size - start < SKIP_GRANULE)
        return false; /* it ends here: that says something */
    for (uint64_t done = 0; done < SKIP_GRANULE; done += run.run.len)
        if (!vd_chain_co_map_link(link, start + done, SKIP_GRANULE - done,
                                  VD_WANT_DEFAULT, &run, NULL) ||
            run.run.kind != VD_RUN_PARENT)
            return false;
    return true;
}

static unsigned
skip_co_find(const VdChainSkip *skip, uint64_t start)
{
    unsigned last = skip->n_links - 1, i = 1;

    while (i < last && skip_co_is_silent(skip->links[i], start))
        i++;
    return i;
}

VdNode *
vd_chain_co_skip(VdNode *top, uint64_t off, unsigned *depth)
{
    VdChainSkip *skip = top->skip;
    uint64_t granule = off >> SKIP_GRANULE_SHIFT;
    unsigned first = *skip_entry(skip, granule);

    if (G_UNLIKELY(first == 0)) {
        first = skip_co_find(skip, granule << SKIP_GRANULE_SHIFT);
        *skip_entry(skip, granule) = (uint8_t) first;
    }
    *depth = first;
    return skip->links[first];
}
