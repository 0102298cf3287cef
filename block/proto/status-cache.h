/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/status-cache.h - what a server has told about holes.
 *
 * Questions are long and all of the answer is kept, what lies behind the range
 * asked for included: a round trip for thousands of stretches, not for one.
 * They get longer as long as the answers are used up, and shorter again if
 * these get old before that.  What is in the way of an own change is forgotten.
 *
 * Concurrency: one loop.  An answer that a change overtook (@changes) is for
 * the request that asked, and not to be kept.
 */
#pragma once

#include "block/driver.h"

typedef struct VdStretch {
    uint64_t end;
    bool hole, zero;
} VdStretch;

/* [off, end) is described by @stretches.  Zero-initialised is empty. */
typedef struct VdStatusCache {
    uint64_t off, end;
    GArray *stretches; /* of VdStretch, ascending and seamless */
    uint64_t asked;    /* bytes that the question was about */
    uint64_t used;     /* bytes from @off on that somebody has looked up */
    uint64_t changes;
    uint64_t until_ns; /* then it is too old */
} VdStatusCache;

void vd_status_clear(VdStatusCache *cache);
/* Bytes are going to be, or have been, changed. */
void vd_status_changed(VdStatusCache *cache, uint64_t off, uint64_t len);

/* How much to ask about from @off on, at most @longest; a multiple of @unit
 * unless that is none. */
uint64_t vd_status_next_ask(const VdStatusCache *cache, uint64_t off,
                            uint64_t unit, uint64_t longest);

/* Up to @end it is so.  What is like the stretch before it joins that. */
void vd_status_append(GArray *stretches, uint64_t end, bool hole, bool zero);
/* @cache says that of what begins at @off; takes a reference. */
void vd_status_fill(VdStatusCache *cache, uint64_t off, GArray *stretches);
/* @fresh in the place of @cache, if nothing was changed since that counted
 * @changes; else @fresh is cleared. */
void vd_status_keep(VdStatusCache *cache, VdStatusCache *fresh,
                    uint64_t changes);

/* Ask what is at @off: fill @fresh, or *@known is false: nobody tells. */
typedef bool (*VdStatusFill)(void *client, uint64_t off, VdStatusCache *fresh,
                             bool *known, GError **error);
/* For co_map: sets @run, which describes [off, ...) as it is without any of
 * this, to what @cache says of it, or @co_fill does, which is kept. */
bool vd_status_co_map(VdStatusCache *cache, uint64_t off, uint64_t end,
                      uint64_t align, VdStatusFill co_fill, void *client,
                      VdRun *run, GError **error);

bool vd_status_holds(const VdStatusCache *cache, uint64_t off);
/* What it says of @off, which it holds, in whole blocks of @align; up to @end.
 */
void vd_status_set_run(VdStatusCache *cache, uint64_t off, uint64_t end,
                       uint64_t align, VdRun *run);
