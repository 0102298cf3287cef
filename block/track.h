/* SPDX-License-Identifier: BSD-3-Clause */
/* block/track.h - writes in flight on one node, for the core itself.
 *
 * Ordinary writes never wait for one another.  A serialising one (it reads,
 * then writes bytes that nobody asked it to write) waits for those that
 * overlap and makes later ones wait for it.  Records live on the stacks of
 * the requests: nothing is allocated.
 */
#pragma once

#include "io/sync.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct VdTracked {
    struct VdTracked *prev, *next;
    uint64_t off, end;
    bool serialising;
    VioCoQueue waiters;
} VdTracked;

typedef struct VdTrackList {
    VdTracked *first, *last; /* in the order of arrival */
    unsigned n_serialising;
} VdTrackList; /* zero-initialised is empty */

/* Yields while an earlier request conflicts. */
void vd_track_co_begin(VdTrackList *list, VdTracked *req, uint64_t off,
                       uint64_t end, bool serialising);
void vd_track_end(VdTrackList *list, VdTracked *req);
