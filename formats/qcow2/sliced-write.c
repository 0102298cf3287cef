/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/sliced-write.c - changed tables back to the file.
 *
 * What is written is a copy taken at one moment: changes that come later may
 * name places whose data or refcounts are not there yet.
 *
 * Concurrency: one batch of a table at a time.
 */
#include "formats/qcow2/sliced.h"

#define PIECES_IN_FLIGHT 8

typedef struct {
    VdNode *file;
    uint64_t off;
    const uint8_t *bytes;
    size_t len;
} Piece;

static uint32_t
upper_index(const Qcow2Sliced *sl, const VdTable *slice)
{
    return (uint32_t) (slice->slots - sl->slices);
}

static uint64_t
place_of(const Qcow2Sliced *sl, const VdTable *slice)
{
    return qcow2_sliced_table(sl, upper_index(sl, slice)) +
           ((uint64_t) slice->index << sl->slice_bits);
}

static gint
compare_slices(gconstpointer a, gconstpointer b)
{
    const VdTable *x = *(VdTable *const *) a;
    const VdTable *y = *(VdTable *const *) b;

    if (x->slots != y->slots)
        return x->slots < y->slots ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static void
take_slices(Qcow2Batch *batch)
{
    Qcow2Sliced *sl = batch->sl;
    size_t size = (size_t) 1 << sl->slice_bits;

    batch->slices = sl->dirty;
    sl->dirty = g_ptr_array_new();
    g_ptr_array_sort(batch->slices, compare_slices);
    batch->bytes = g_malloc(batch->slices->len * size);
    batch->places = g_new(uint64_t, batch->slices->len);
    for (unsigned i = 0; i < batch->slices->len; i++) {
        VdTable *slice = g_ptr_array_index(batch->slices, i);

        memcpy(batch->bytes + i * size, slice->words, size);
        batch->places[i] = place_of(sl, slice);
        slice->pins++;
        vd_table_mark(slice, false);
    }
}

static void
take_upper(Qcow2Batch *batch)
{
    Qcow2Sliced *sl = batch->sl;

    batch->off = sl->off;
    batch->n = sl->n;
    batch->from = sl->dirty_from;
    batch->to = sl->dirty_to;
    sl->dirty_from = sl->dirty_to = 0;
    batch->upper = g_new(uint64_t, MAX(batch->to - batch->from, 1));
    for (uint32_t i = batch->from; i < batch->to; i++)
        batch->upper[i - batch->from] = GUINT64_TO_BE(sl->upper[i]);
}

void
qcow2_batch_take(Qcow2Batch *batch, Qcow2Sliced *sl)
{
    *batch = (Qcow2Batch){.sl = sl};
    take_slices(batch);
    take_upper(batch);
}

static bool
piece_co_write(void *arg, GError **error)
{
    const Piece *piece = arg;

    return vd_node_co_pwrite(piece->file, piece->off, piece->bytes, piece->len,
                             error);
}

/* Slices that lie behind one another, as one piece of up to 64 KiB. */
static unsigned
run_length(const Qcow2Batch *batch, unsigned i)
{
    uint64_t size = UINT64_C(1) << batch->sl->slice_bits;
    unsigned n = 1;

    while (i + n < batch->slices->len && n * size < (64u << 10) &&
           batch->places[i + n] == batch->places[i] + n * size)
        n++;
    return n;
}

bool
qcow2_batch_co_write_lower(const Qcow2Batch *batch, GError **error)
{
    g_autoptr(VioCoGroup) group = vio_co_group_new(PIECES_IN_FLIGHT);
    size_t size = (size_t) 1 << batch->sl->slice_bits;

    for (unsigned i = 0, n;
         i < batch->slices->len && !vio_co_group_failed(group); i += n) {
        Piece *piece = g_new(Piece, 1);

        n = run_length(batch, i);
        *piece = (Piece){.file = batch->sl->file,
                         .off = batch->places[i],
                         .bytes = batch->bytes + i * size,
                         .len = n * size};
        vio_co_group_spawn(group, piece_co_write, piece, g_free);
    }
    return vio_co_group_join(group, error);
}

bool
qcow2_batch_co_write_upper(const Qcow2Batch *batch, GError **error)
{
    uint32_t n = batch->to - batch->from;

    return !n || vd_node_co_pwrite(batch->sl->file,
                                   batch->off + batch->from * sizeof(uint64_t),
                                   batch->upper, n * sizeof(uint64_t), error);
}

void
qcow2_batch_release(Qcow2Batch *batch)
{
    Qcow2Sliced *sl = batch->sl;

    for (unsigned i = 0; i < batch->slices->len; i++) {
        VdTable *slice = g_ptr_array_index(batch->slices, i);

        slice->pins--;
        if (!batch->written)
            qcow2_sliced_mark(sl, slice);
    }
    if (!batch->written)
        for (uint32_t i = batch->from; i < batch->to; i++)
            qcow2_sliced_set_upper(sl, i, sl->upper[i]);
    g_ptr_array_unref(batch->slices);
    g_free(batch->places);
    g_free(batch->bytes);
    g_free(batch->upper);
}
