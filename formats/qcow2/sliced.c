/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/sliced.c - tables of two levels in memory.
 *
 * Concurrency: one loop.  Who needs a slice that is on its way waits for that
 * read.
 */
#include "formats/qcow2/sliced.h"

#include <inttypes.h>

typedef struct {
    uint32_t i, slice;
    VioCoQueue waiters;
} SliceLoad;

static uint32_t
slice_bytes(const Qcow2Sliced *sl)
{
    return 1u << sl->slice_bits;
}

static uint32_t
slices_of_table(const Qcow2Sliced *sl)
{
    return 1u << (sl->cluster_bits - sl->slice_bits);
}

/* -- life ------------------------------------------------------------------ */

static bool
sliced_co_read_upper(Qcow2Sliced *sl, GError **error)
{
    uint64_t bytes = sl->n * sizeof(uint64_t);
    uint64_t size = vd_node_size(sl->file);

    if (sl->off > size || bytes > size - sl->off)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: the %s of %u entries at byte %" PRIu64
                        " ends behind the file, which has %" PRIu64 " bytes",
                        vd_node_name(sl->file), sl->upper_name, sl->n, sl->off,
                        size);
    if (bytes && !vd_node_co_pread(sl->file, sl->off, sl->upper, bytes, error))
        return vd_prefix(error, "reading the %s: ", sl->upper_name);
    for (uint32_t i = 0; i < sl->n; i++)
        sl->upper[i] = GUINT64_FROM_BE(sl->upper[i]);
    return true;
}

static bool
no_memory(const Qcow2Sliced *sl, uint32_t n, GError **error)
{
    return vd_throw(error, VD_ERROR_NO_MEMORY,
                    "%s: no memory for a %s of %u entries",
                    vd_node_name(sl->file), sl->upper_name, n);
}

Qcow2Sliced *
qcow2_sliced_co_open(VdNode *file, const Qcow2Header *hdr, uint64_t off,
                     uint32_t n, const char *upper_name, const char *lower_name,
                     GError **error)
{
    Qcow2Sliced *sl = g_new0(Qcow2Sliced, 1);
    bool ok;

    sl->file = file;
    sl->cluster_bits = hdr->cluster_bits;
    sl->slice_bits =
        MIN(hdr->cluster_bits, (unsigned) g_bit_storage(QCOW2_SLICE_BYTES) - 1);
    sl->upper_name = upper_name;
    sl->lower_name = lower_name;
    sl->off = off;
    sl->cache = vd_table_cache_ref(vd_node_loop(file));
    sl->dirty = g_ptr_array_new();
    sl->n = n;
    sl->upper = g_try_new0(uint64_t, MAX(n, 1));
    sl->slices = g_try_new0(VdTable **, MAX(n, 1));
    ok = sl->upper && sl->slices ? sliced_co_read_upper(sl, error)
                                 : no_memory(sl, n, error);
    if (!ok)
        g_clear_pointer(&sl, qcow2_sliced_free);
    return sl;
}

static void
drop_slice(Qcow2Sliced *sl, VdTable *slice)
{
    if (slice->dirty)
        (void) g_ptr_array_remove_fast(sl->dirty, slice);
    vd_table_cache_drop(sl->cache, slice);
}

void
qcow2_sliced_drop(Qcow2Sliced *sl, uint32_t i)
{
    for (uint32_t k = 0; sl->slices[i] && k < slices_of_table(sl); k++)
        if (sl->slices[i][k])
            drop_slice(sl, sl->slices[i][k]);
    g_clear_pointer(&sl->slices[i], g_free);
}

void
qcow2_sliced_free(Qcow2Sliced *sl)
{
    if (!sl)
        return;
    g_assert(g_queue_is_empty(&sl->loads));
    for (uint32_t i = 0; sl->slices && i < sl->n; i++)
        qcow2_sliced_drop(sl, i);
    vd_table_cache_unref(sl->cache);
    g_ptr_array_unref(sl->dirty);
    g_free(sl->slices);
    g_free(sl->upper);
    g_free(sl);
}

/* -- loading --------------------------------------------------------------- */

static SliceLoad *
find_load(Qcow2Sliced *sl, uint32_t i, uint32_t slice)
{
    for (GList *l = sl->loads.head; l; l = l->next) {
        SliceLoad *load = l->data;

        if (load->i == i && load->slice == slice)
            return load;
    }
    return NULL;
}

static bool
check_place(const Qcow2Sliced *sl, uint32_t i, GError **error)
{
    uint64_t word = sl->upper[i], off = word & QCOW2_OFF_MASK;

    if (!(word & ~QCOW2_COPIED & ~QCOW2_OFF_MASK) &&
        !(off & ((UINT64_C(1) << sl->cluster_bits) - 1)) &&
        off < vd_node_size(sl->file))
        return true;
    return vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: entry %u of the %s is 0x%" PRIx64
                    ", which names no %s in the file",
                    vd_node_name(sl->file), i, sl->upper_name, word,
                    sl->lower_name);
}

static VdTable *
install(Qcow2Sliced *sl, uint32_t i, uint32_t slice, const uint8_t *raw)
{
    VdTable *table =
        vd_table_cache_add(sl->cache, &sl->slices[i], slice, slice_bytes(sl));

    memcpy(table->words, raw, slice_bytes(sl));
    sl->slices[i][slice] = table;
    return table;
}

/* A table whose end is not in the file has zeroes there. */
static bool
slice_co_read(Qcow2Sliced *sl, uint32_t i, uint32_t slice, uint8_t *raw,
              GError **error)
{
    uint64_t off =
        qcow2_sliced_table(sl, i) + ((uint64_t) slice << sl->slice_bits);
    struct iovec iov;
    VioVec dst = vio_vec_from_buf(&iov, raw, slice_bytes(sl));

    return vd_node_co_preadv_eof(sl->file, off, &dst, error) ||
           vd_prefix(error, "reading a %s: ", sl->lower_name);
}

static bool
slice_co_load(Qcow2Sliced *sl, uint32_t i, uint32_t slice, GError **error)
{
    g_autofree uint8_t *raw = g_malloc(slice_bytes(sl));
    SliceLoad load = {.i = i, .slice = slice};
    bool ok;

    if (!check_place(sl, i, error))
        return false;
    if (!sl->slices[i])
        sl->slices[i] = g_new0(VdTable *, slices_of_table(sl));
    g_queue_push_tail(&sl->loads, &load);
    ok = slice_co_read(sl, i, slice, raw, error);
    if (ok)
        (void) install(sl, i, slice, raw);
    g_queue_remove(&sl->loads, &load);
    vio_co_queue_wake_all(&load.waiters);
    return ok;
}

VdTable *
qcow2_sliced_co_get(Qcow2Sliced *sl, uint32_t i, uint32_t at, uint8_t **p,
                    GError **error)
{
    VdTable *slice;

    while (!(slice = qcow2_sliced_peek(sl, i, at, p))) {
        SliceLoad *load = find_load(sl, i, at >> sl->slice_bits);

        if (load)
            vio_co_queue_wait(&load->waiters);
        else if (!slice_co_load(sl, i, at >> sl->slice_bits, error))
            return NULL;
    }
    return slice;
}

/* -- changing -------------------------------------------------------------- */

void
qcow2_sliced_mark(Qcow2Sliced *sl, VdTable *slice)
{
    if (slice->dirty)
        return;
    vd_table_mark(slice, true);
    g_ptr_array_add(sl->dirty, slice);
}

void
qcow2_sliced_set_upper(Qcow2Sliced *sl, uint32_t i, uint64_t word)
{
    sl->upper[i] = word;
    if (sl->dirty_from == sl->dirty_to)
        sl->dirty_from = sl->dirty_to = i;
    sl->dirty_from = MIN(sl->dirty_from, i);
    sl->dirty_to = MAX(sl->dirty_to, i + 1);
}

void
qcow2_sliced_add(Qcow2Sliced *sl, uint32_t i, uint64_t word)
{
    g_autofree uint8_t *zeroes = g_malloc0(slice_bytes(sl));

    qcow2_sliced_drop(sl, i);
    sl->slices[i] = g_new0(VdTable *, slices_of_table(sl));
    for (uint32_t k = 0; k < slices_of_table(sl); k++)
        qcow2_sliced_mark(sl, install(sl, i, k, zeroes));
    qcow2_sliced_set_upper(sl, i, word);
}

/* Slices of table @i are loaded and stay; *n: so many do. */
static bool
sliced_co_pin(Qcow2Sliced *sl, uint32_t i, uint32_t *n, GError **error)
{
    uint8_t *p;

    for (*n = 0; *n < slices_of_table(sl); ++*n) {
        VdTable *slice =
            qcow2_sliced_co_get(sl, i, *n << sl->slice_bits, &p, error);

        if (!slice)
            return false;
        slice->pins++;
    }
    return true;
}

/* All of them change at once: a flush that came in between would write some to
 * the old place, and then nobody to the new one. */
bool
qcow2_sliced_co_move(Qcow2Sliced *sl, uint32_t i, uint64_t word, GError **error)
{
    uint32_t n;
    bool ok = sliced_co_pin(sl, i, &n, error);

    for (uint32_t k = 0; k < n; k++) {
        VdTable *slice = sl->slices[i][k];

        slice->pins--;
        if (ok)
            qcow2_sliced_mark(sl, slice);
    }
    if (ok)
        qcow2_sliced_set_upper(sl, i, word);
    return ok;
}

bool
qcow2_sliced_grow(Qcow2Sliced *sl, uint32_t n, GError **error)
{
    uint64_t *upper = g_try_new0(uint64_t, n);
    VdTable ***slices = g_try_new0(VdTable **, n);

    if (!upper || !slices) {
        g_free(upper);
        g_free(slices);
        return no_memory(sl, n, error);
    }
    memcpy(upper, sl->upper, sl->n * sizeof(*upper));
    memcpy(slices, sl->slices, sl->n * sizeof(*slices));
    /* Slices know where the pointers to them are. */
    for (uint32_t i = 0; i < sl->n; i++)
        for (uint32_t k = 0; slices[i] && k < slices_of_table(sl); k++)
            if (slices[i][k])
                slices[i][k]->slots = &slices[i];
    g_free(sl->upper);
    g_free(sl->slices);
    sl->upper = upper;
    sl->slices = slices;
    sl->n = n;
    return true;
}
