/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/cover.h - which bytes of a read have come. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Zero-initialised is empty. */
typedef struct VdCover {
    uint64_t first, end; /* the stretch that grows: usually all there is */
    GArray *others;      /* of stretches, ascending; NULL = none */
    uint64_t bytes;
} VdCover;

/* [off, off + len) has come, len > 0.  False if some of it had come before,
 * or if the pieces lie so scattered that they are not worth remembering. */
bool vd_cover_add(VdCover *cover, uint64_t off, uint64_t len);
void vd_cover_clear(VdCover *cover);
