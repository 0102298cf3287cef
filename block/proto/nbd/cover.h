/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/nbd/cover.h - which bytes of a read have come. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Zero-initialised is empty. */
typedef struct NbdCover {
    uint64_t first, end; /* the stretch that grows: usually all there is */
    GArray *others;      /* of stretches, ascending; NULL = none */
    uint64_t bytes;
} NbdCover;

/* [off, off + len) has come, len > 0.  False if some of it had come before,
 * or if the pieces lie so scattered that they are not worth remembering. */
bool nbd_cover_add(NbdCover *cover, uint64_t off, uint64_t len);
void nbd_cover_clear(NbdCover *cover);
