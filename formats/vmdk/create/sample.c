/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/create/sample.c - how well does a disk compress?
 *
 * All grains with data are divided into as many strata of one size as the
 * sample has grains, and of each stratum one is taken, at a place that looks
 * random (or what repeats on the disk would be met always or never) but is the
 * same each time.
 *
 * Concurrency: grains are read side by side and compressed on worker threads;
 * sums do not depend on their order.
 */
#include "formats/vmdk/create/sample.h"

#include "formats/vmdk/stream/stream.h"
#include "io/buffer.h"
#include "io/offload.h"
#include "io/zero.h"

#include <string.h>

#define SAMPLE_GRAIN (VMDK_GRAIN_SECTORS * (size_t) VMDK_SECTOR)
/* Fewer say little, and these take a moment. */
#define SAMPLE_AT_LEAST 64
#define SAMPLE_IN_FLIGHT 16

struct VmdkSample {
    VdNode *source;
    uint64_t total, n; /* grains with data, of them in the sample */
    int level;
    uint64_t rank;  /* of the next grain that passes */
    uint64_t taken; /* strata that are done */
    uint64_t bytes; /* of their records */
    VioCoGroup *group;
};

typedef struct {
    VmdkSample *sample;
    uint64_t off;
    uint8_t *buf; /* a grain, and room for its record */
    size_t len;   /* of the record; 0 = there will be none */
    GError *error;
} SampleGrain;

VmdkSample *
vmdk_sample_new(VdNode *source, uint64_t total, unsigned percent, int level)
{
    VmdkSample *sample = g_new0(VmdkSample, 1);
    uint64_t wanted = total / 100 * percent + total % 100 * percent / 100;

    sample->source = source;
    sample->total = total;
    sample->n = MIN(total, MAX(wanted, SAMPLE_AT_LEAST));
    sample->level = level;
    sample->group = vio_co_group_new(SAMPLE_IN_FLIGHT);
    return sample;
}

/* A number below @below that looks random (the finalizer of SplitMix64). */
static uint64_t
sample_dice(uint64_t seed, uint64_t below)
{
    uint64_t x = seed * G_GUINT64_CONSTANT(0x9e3779b97f4a7c15);

    x = (x ^ (x >> 30)) * G_GUINT64_CONSTANT(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * G_GUINT64_CONSTANT(0x94d049bb133111eb);
    return (x ^ (x >> 31)) % below;
}

/* Where stratum @i begins: the first ones are a grain larger if they cannot
 * all be equal. */
static uint64_t
stratum_start(const VmdkSample *sample, uint64_t i)
{
    return i * (sample->total / sample->n) + MIN(i, sample->total % sample->n);
}

/* Rank of the grain that stands for stratum @i. */
static uint64_t
stratum_pick(const VmdkSample *sample, uint64_t i)
{
    uint64_t start = stratum_start(sample, i);

    return start + sample_dice(i + 1, stratum_start(sample, i + 1) - start);
}

/* On a worker. */
static void
sample_encode(void *opaque)
{
    SampleGrain *grain = opaque;

    if (vio_is_zero(grain->buf, SAMPLE_GRAIN))
        return;
    grain->len = vmdk_stream_record_bound();
    if (!vmdk_stream_encode(grain->off, grain->buf, SAMPLE_GRAIN,
                            grain->sample->level, grain->buf + SAMPLE_GRAIN,
                            &grain->len, &grain->error))
        grain->len = 0;
}

static bool
sample_co_read(SampleGrain *grain, GError **error)
{
    VdNode *source = grain->sample->source;
    uint64_t size = vd_node_size(source);
    size_t have = grain->off < size ? MIN(SAMPLE_GRAIN, size - grain->off) : 0;

    memset(grain->buf + have, 0, SAMPLE_GRAIN - have);
    return have == 0 ||
           vd_node_co_pread(source, grain->off, grain->buf, have, error);
}

static bool
sample_co_grain(void *arg, GError **error)
{
    SampleGrain *grain = arg;
    VioLoop *loop = vio_co_loop();
    size_t room = SAMPLE_GRAIN + vmdk_stream_record_bound();
    bool ok;

    grain->buf = vio_co_buffer_get(loop, room);
    ok = sample_co_read(grain, error);
    if (ok)
        vio_co_offload(loop, sample_encode, grain);
    vio_buffer_put(loop, grain->buf, room);
    if (grain->error != NULL) {
        g_propagate_error(error, grain->error);
        return false;
    }
    grain->sample->bytes += grain->len;
    return ok;
}

void
vmdk_sample_co_pass(VmdkSample *sample, uint64_t first, uint64_t n)
{
    while (sample->taken < sample->n && !vio_co_group_failed(sample->group)) {
        uint64_t pick = stratum_pick(sample, sample->taken);
        SampleGrain *grain;

        if (pick - sample->rank >= n)
            break;
        grain = g_new0(SampleGrain, 1);
        grain->sample = sample;
        grain->off = (first + pick - sample->rank) * SAMPLE_GRAIN;
        vio_co_group_spawn(sample->group, sample_co_grain, grain, g_free);
        sample->taken++;
    }
    sample->rank += n;
}

/* Of what the sampled grains take, to whole sectors. */
static uint64_t
sample_extrapolate(const VmdkSample *sample)
{
    double each;

    if (sample->taken == 0)
        return 0;
    each = (double) sample->bytes / (double) sample->taken;
    return (uint64_t) (each * (double) sample->total / VMDK_SECTOR + 0.5) *
           VMDK_SECTOR;
}

bool
vmdk_sample_co_end(VmdkSample *sample, uint64_t *bytes, GError **error)
{
    bool ok = vio_co_group_join(sample->group, error);

    if (ok)
        *bytes = sample_extrapolate(sample);
    vio_co_group_free(sample->group);
    g_free(sample);
    return ok;
}
