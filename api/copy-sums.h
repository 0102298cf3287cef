/* SPDX-License-Identifier: BSD-3-Clause */
/* api/copy-sums.h - what a copy leaves behind for its verification, for
 * api/copy*.c only. */
#pragma once

#include "api/disk.h"
#include "io/digest.h"

#define VD_SUM_BYTES (UINT64_C(1) << 20) /* at most, of one digest */

/* Data: [off, off + len) of the target has this digest. */
typedef struct VdSum {
    uint64_t off;
    uint32_t len; /* <= VD_SUM_BYTES */
    VioDigest digest;
} VdSum;

typedef struct VdSumZero {
    uint64_t off, len;
} VdSumZero;

struct VdCopySums {
    GArray *data;   /* of VdSum, in any order; no two overlap */
    GArray *zeroes; /* of VdSumZero, ascending; where data overlap them, these
                       are zero there, too */
};

/* What is known to be zero, in ascending order; NULL @sums is nothing to do. */
void vd_sums_add_zero(VdCopySums *sums, uint64_t off, uint64_t len);
/* @digests: as vd_sums_digest() made them for @len bytes. */
void vd_sums_add_data(VdCopySums *sums, uint64_t off, uint64_t len,
                      const VioDigest *digests);

/* One for each VD_SUM_BYTES of @len bytes, or what is left of them: on a
 * worker. */
void vd_sums_digest(const uint8_t *buf, uint64_t len, VioDigest *digests);
