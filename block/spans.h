/* SPDX-License-Identifier: BSD-3-Clause */
/* block/spans.h - a write whose parts go different ways, side by side.
 *
 * A format says what of it goes one way, and writes that.
 *
 * Concurrency: as the format's functions allow.
 */
#pragma once

#include "block/driver.h"

typedef struct VdSpan {
    void *format; /* whatever the format's functions work on */
    uint64_t off; /* in the disk */
    VioVec src;
    unsigned way;   /* the format's own ... */
    uint64_t place; /* ... and so is this */
} VdSpan;

typedef struct VdSpanFuncs {
    /* Shorten span->src, which is not empty, to what goes one way, and note
     * which; way and place are 0. */
    bool (*co_cut)(VdSpan *span, GError **error);
    /* Things may have changed since it was cut, as far as the format's locks
     * allow. */
    bool (*co_write)(const VdSpan *span, GError **error);
} VdSpanFuncs;

/* All of @src to @off.  In one piece if it goes one way. */
bool vd_spans_co_write(const VdSpanFuncs *funcs, void *format, uint64_t off,
                       const VioVec *src, GError **error);
