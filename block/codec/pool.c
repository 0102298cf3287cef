/* SPDX-License-Identifier: BSD-3-Clause */
/* block/codec/pool.c - idle codec contexts, kept for the next job.
 *
 * A context takes 11 KiB to 9 MiB and is costly to set up, so each kind
 * (library, frame, level) has a list of idle ones, last in, first out, as
 * long as there may be workers.
 *
 * Concurrency: any thread; one lock, held for a few instructions (of pthread,
 * as ThreadSanitizer does not see through those of GLib).
 */
#include "block/codec/backend.h"

#include <pthread.h>

#define POOL_MAX_IDLE 16 /* per kind: the most workers a loop has */
#define POOL_MAX_SLOTS 128

struct VdCodecSlot {
    const VdCodecBackend *backend;
    VdCodecFrame frame;
    int level;
    unsigned n_idle;
    void *idle[POOL_MAX_IDLE];
};

static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;
static VdCodecSlot pool_slots[POOL_MAX_SLOTS];
static unsigned pool_n_slots;

static VdCodecSlot *
pool_slot_locked(const VdCodecBackend *backend, VdCodecFrame frame, int level)
{
    VdCodecSlot *slot = pool_slots;

    for (; slot < pool_slots + pool_n_slots; slot++)
        if (slot->backend == backend && slot->frame == frame &&
            slot->level == level)
            return slot;

    /* 4 libraries: 12 + 9 + 3 levels in at most 3 frames, 10 levels of
     * Zstandard, and 4 inflaters. */
    g_assert(pool_n_slots < POOL_MAX_SLOTS);
    pool_n_slots++;
    *slot = (VdCodecSlot){.backend = backend, .frame = frame, .level = level};
    return slot;
}

void *
vd_codec_pool_get(const VdCodecBackend *backend, VdCodecFrame frame, int level,
                  VdCodecSlot **slot)
{
    void *ctx = NULL;

    if (level == 0)
        frame = VD_CODEC_ZLIB;
    pthread_mutex_lock(&pool_lock);
    *slot = pool_slot_locked(backend, frame, level);
    if ((*slot)->n_idle > 0)
        ctx = (*slot)->idle[--(*slot)->n_idle];
    pthread_mutex_unlock(&pool_lock);

    if (ctx)
        return ctx;
    return level == 0 ? backend->inflater_new()
                      : backend->deflater_new(frame, level);
}

void
vd_codec_pool_put(VdCodecSlot *slot, void *ctx)
{
    pthread_mutex_lock(&pool_lock);
    if (slot->n_idle < POOL_MAX_IDLE) {
        slot->idle[slot->n_idle++] = ctx;
        ctx = NULL;
    }
    pthread_mutex_unlock(&pool_lock);

    if (!ctx)
        return;
    if (slot->level == 0)
        slot->backend->inflater_free(ctx);
    else
        slot->backend->deflater_free(ctx);
}
