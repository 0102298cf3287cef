/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/blocks/new.c - what new images of large blocks have in common.
 *
 * Concurrency: yields for I/O.
 */
#include "formats/blocks/new.h"

#define PIECE_BYTES (1u << 20)
/* A copy writes whole blocks of this size. */
#define COPY_BLOCK 4096

static uint64_t
value_of(const VdBlocksFill *fill, uint64_t entry)
{
    uint64_t every = fill->interleave;

    if (!every)
        return fill->first + entry * fill->step;
    if (entry % (every + 1) == every)
        return 0;
    return fill->first + (entry - entry / (every + 1)) * fill->step;
}

bool
vd_blocks_co_fill_interleaved(VdNode *file, const VdPagesLayout *table,
                              const VdBlocksFill *fill, GError **error)
{
    uint64_t per_piece = PIECE_BYTES / table->entry_bytes;
    g_autofree uint8_t *piece = g_malloc(PIECE_BYTES);

    if (!fill->first && !fill->step)
        return true;
    for (uint64_t i = 0; i < table->n; i += per_piece) {
        uint64_t n = MIN(per_piece, table->n - i);

        for (uint64_t k = 0; k < n; k++)
            vd_pages_encode(table, piece + k * table->entry_bytes,
                            value_of(fill, i + k));
        if (!vd_node_co_pwrite(file, table->off + i * table->entry_bytes, piece,
                               n * table->entry_bytes, error))
            return false;
    }
    return true;
}

bool
vd_blocks_co_fill_table(VdNode *file, const VdPagesLayout *table,
                        uint64_t first, uint64_t step, GError **error)
{
    VdBlocksFill fill = {.first = first, .step = step};

    return vd_blocks_co_fill_interleaved(file, table, &fill, error);
}

bool
vd_blocks_co_count(const VdMeasureSpec *spec, uint64_t block_bytes, uint64_t *n,
                   GError **error)
{
    uint64_t off = 0, len = 0, next = 0;

    *n = 0;
    do {
        uint64_t first, last;

        if (!spec->co_next(spec->arg, &off, &len, error))
            return false;
        if (!len)
            break;
        first = MAX(off / COPY_BLOCK * COPY_BLOCK / block_bytes, next);
        last = (off + len - 1) / block_bytes;
        if (last < first)
            continue;
        *n += last - first + 1;
        next = last + 1;
    } while (len);
    return true;
}
