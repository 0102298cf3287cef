/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/stream/inflate.h - inflating grains on the worker threads.
 *
 * A hand-over to a worker costs as much as a good part of a grain, so jobs
 * that wait at the same time go over together.
 *
 * Concurrency: one loop.
 */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "io/offload.h"
#include "io/sync.h"

typedef struct VmdkInflateJob {
    const uint8_t *src; /* compressed data; both stay until it is done */
    size_t src_len;
    uint8_t *dst; /* one grain */
    size_t grain_bytes;
    size_t used;   /* out: of the grain; the rest is zero */
    GError *error; /* out: NULL = good */
    bool done;
} VmdkInflateJob;

typedef struct VmdkInflater {
    VioLoop *loop;
    GQueue pending;   /* of VmdkInflateJob, oldest first */
    unsigned batches; /* on workers now */
    VioCoQueue turn;  /* whose jobs wait, here or on a worker */
} VmdkInflater;       /* zero-initialised but for the loop */

/* Yields until all @n jobs are done. */
void vmdk_inflater_co_run(VmdkInflater *inflater, VmdkInflateJob *jobs,
                          size_t n);
