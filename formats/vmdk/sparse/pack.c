/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/pack.c - moving grains in batches.
 *
 * A batch is moved, made durable, and its old places are free before the next
 * one begins: a place that is given to a grain is one that nothing on disk
 * names and nobody reads.
 *
 * Concurrency: nobody else changes the extent; readers are waited for.
 */
#include "formats/vmdk/sparse/pack.h"

static uint64_t pack_bytes = VMDK_PACK_BYTES;

void
vmdk_pack_set_bytes(uint64_t bytes)
{
    pack_bytes = bytes ? bytes : VMDK_PACK_BYTES;
}

uint64_t
vmdk_pack_batch(const VmdkPack *p)
{
    return MAX(1, pack_bytes >> p->e->sparse->grain_shift);
}

uint64_t
vmdk_pack_end(const VmdkPack *p, uint64_t n)
{
    uint64_t place = p->first;

    while (n) {
        uint64_t gap = vmdk_places_gap(p->meta, place, n), first;

        place += gap;
        n -= gap;
        if (n)
            place += vmdk_places_next(p->meta, place, UINT64_MAX, &first);
    }
    return place;
}

bool
vmdk_pack_co_settle(VmdkExtent *e, GError **error)
{
    bool ok = vmdk_sparse_co_flush(e, error);

    while (ok && e->sparse->resting->len) {
        vd_node_co_settle(e->state->node);
        ok = vmdk_sparse_co_flush(e, error);
    }
    return ok;
}

void
vmdk_pack_add(VmdkPack *p, uint64_t off, uint64_t from, uint64_t to)
{
    unsigned shift = p->e->sparse->grain_shift;
    VmdkMove move = {.off = off, .from = from << shift, .to = to << shift};

    g_array_append_val(p->moves, move);
}

static void
note_moved(VmdkPack *p, const VmdkMove *move)
{
    unsigned shift = p->e->sparse->grain_shift;

    vmdk_places_remove(p->used, move->from >> shift, 1);
    (void) vmdk_places_add(p->used, move->to >> shift, 1);
    p->job->result->moved_clusters++;
}

static bool
pack_co_batch(VmdkPack *p, const VmdkMove *moves, size_t n, size_t *moved,
              GError **error)
{
    bool ok = vmdk_sparse_co_move(p->e, moves, n, true, moved, error);

    for (size_t i = 0; i < *moved; i++)
        note_moved(p, &moves[i]);
    vmdk_compact_tell(p->job, n * p->e->sparse->grain_bytes);
    return ok && vmdk_pack_co_settle(p->e, error);
}

bool
vmdk_pack_co_run(VmdkPack *p, GError **error)
{
    const VmdkMove *moves = (const VmdkMove *) (void *) p->moves->data;
    uint64_t grain = p->e->sparse->grain_bytes;
    size_t most = (size_t) vmdk_pack_batch(p), done = 0;
    bool ok = true;

    while (ok && done < p->moves->len) {
        size_t n = MIN(most, p->moves->len - done), moved = 0;

        ok = vmdk_compact_goes_on(p->job, error) &&
             pack_co_batch(p, moves + done, n, &moved, error);
        done += moved;
    }
    for (size_t i = done; i < p->moves->len; i++) {
        VmdkPlace place = {.off = moves[i].to, .len = grain};

        vmdk_sparse_unreserve(p->e, &place);
    }
    g_array_set_size(p->moves, 0);
    return ok;
}
