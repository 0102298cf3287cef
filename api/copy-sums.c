/* SPDX-License-Identifier: BSD-3-Clause */
/* api/copy-sums.c - what a copy has read, kept as digests.
 *
 * Data cost 32 bytes a piece of up to 1 MiB, zeroes 16 bytes a stretch.
 *
 * Concurrency: digests are made anywhere, all else is for the loop of the copy.
 */
#include "api/copy-sums.h"

VdCopySums *
vd_copy_sums_new(void)
{
    VdCopySums *sums = g_new(VdCopySums, 1);

    sums->data = g_array_new(FALSE, FALSE, sizeof(VdSum));
    sums->zeroes = g_array_new(FALSE, FALSE, sizeof(VdSumZero));
    return sums;
}

void
vd_copy_sums_free(VdCopySums *sums)
{
    if (sums == NULL)
        return;
    g_array_unref(sums->data);
    g_array_unref(sums->zeroes);
    g_free(sums);
}

void
vd_sums_add_zero(VdCopySums *sums, uint64_t off, uint64_t len)
{
    VdSumZero zero = {off, len}, *last;

    if (sums == NULL)
        return;
    if (sums->zeroes->len > 0) {
        last = &g_array_index(sums->zeroes, VdSumZero, sums->zeroes->len - 1);
        if (last->off + last->len == off) {
            last->len += len;
            return;
        }
    }
    g_array_append_val(sums->zeroes, zero);
}

void
vd_sums_digest(const uint8_t *buf, uint64_t len, VioDigest *digests)
{
    for (uint64_t pos = 0; pos < len; pos += VD_SUM_BYTES)
        *digests++ = vio_digest(buf + pos, MIN(len - pos, VD_SUM_BYTES));
}

void
vd_sums_add_data(VdCopySums *sums, uint64_t off, uint64_t len,
                 const VioDigest *digests)
{
    for (uint64_t pos = 0; pos < len; pos += VD_SUM_BYTES) {
        VdSum sum = {.off = off + pos,
                     .len = (uint32_t) MIN(len - pos, VD_SUM_BYTES),
                     .digest = *digests++};

        g_array_append_val(sums->data, sum);
    }
}
