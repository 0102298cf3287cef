/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/l2.c - L1 and L2 tables in memory.
 *
 * Concurrency: one loop.  Who needs a slice that is on its way waits for that
 * read.
 */
#include "formats/qcow2/l2.h"

#include <inttypes.h>

#define L1_ENTRY_BYTES 8

typedef struct {
    uint32_t l1, slice;
    VioCoQueue waiters;
} SliceLoad;

static unsigned
entry_bytes(const Qcow2Tables *tables)
{
    return tables->extended ? 16 : 8;
}

static uint32_t
slice_bytes(const Qcow2Tables *tables)
{
    return (uint32_t) MIN(qcow2_cluster_bytes(tables->hdr), QCOW2_SLICE_BYTES);
}

static uint32_t
slices_of_table(const Qcow2Tables *tables)
{
    return (uint32_t) (qcow2_cluster_bytes(tables->hdr) / slice_bytes(tables));
}

/* -- life ------------------------------------------------------------------ */

static bool
tables_co_read_l1(Qcow2Tables *tables, uint64_t off, GError **error)
{
    uint64_t bytes = tables->n_l1 * (uint64_t) L1_ENTRY_BYTES;
    uint64_t size = vd_node_size(tables->file);

    if (off > size || bytes > size - off)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: the L1 table of %u entries at byte %" PRIu64
                        " ends behind the file, which has %" PRIu64 " bytes",
                        vd_node_name(tables->file), tables->n_l1, off, size);
    if (bytes && !vd_node_co_pread(tables->file, off, tables->l1, bytes, error))
        return vd_prefix(error, "reading the L1 table: ");
    for (uint32_t i = 0; i < tables->n_l1; i++)
        tables->l1[i] = GUINT64_FROM_BE(tables->l1[i]);
    return true;
}

Qcow2Tables *
qcow2_tables_co_open(VdNode *file, const Qcow2Header *hdr, uint64_t off,
                     uint32_t n, GError **error)
{
    Qcow2Tables *tables = g_new0(Qcow2Tables, 1);

    tables->file = file;
    tables->hdr = hdr;
    tables->extended = hdr->incompatible & QCOW2_INCOMPAT_EXTENDED_L2;
    tables->external = hdr->incompatible & QCOW2_INCOMPAT_DATA_FILE;
    tables->l2_shift = 2 * hdr->cluster_bits - (tables->extended ? 4 : 3);
    tables->slice_shift =
        (unsigned) g_bit_storage(slice_bytes(tables) / entry_bytes(tables)) - 1;
    tables->cache = vmdk_table_cache_ref(vd_node_loop(file));
    tables->n_l1 = n;
    tables->l1 = g_try_new0(uint64_t, MAX(n, 1));
    tables->slices = g_try_new0(VmdkTable **, MAX(n, 1));
    if (!tables->l1 || !tables->slices)
        (void) vd_throw(error, VD_ERROR_NO_MEMORY,
                        "%s: no memory for an L1 table of %u entries",
                        vd_node_name(file), n);
    if (!tables->l1 || !tables->slices ||
        !tables_co_read_l1(tables, off, error))
        g_clear_pointer(&tables, qcow2_tables_free);
    return tables;
}

static void
drop_slices(Qcow2Tables *tables, uint32_t l1)
{
    for (uint32_t i = 0; i < slices_of_table(tables); i++)
        if (tables->slices[l1][i])
            vmdk_table_cache_drop(tables->cache, tables->slices[l1][i]);
    g_clear_pointer(&tables->slices[l1], g_free);
}

void
qcow2_tables_free(Qcow2Tables *tables)
{
    if (!tables)
        return;
    g_assert(g_queue_is_empty(&tables->loads));
    for (uint32_t i = 0; tables->slices && i < tables->n_l1; i++)
        if (tables->slices[i])
            drop_slices(tables, i);
    vmdk_table_cache_unref(tables->cache);
    g_free(tables->slices);
    g_free(tables->l1);
    g_free(tables);
}

/* -- looking up ------------------------------------------------------------ */

typedef struct {
    uint32_t l1, slice, entry;
} Place;

static Place
place_of(const Qcow2Tables *tables, uint64_t off)
{
    uint64_t in_table = off & ((UINT64_C(1) << tables->l2_shift) - 1);
    uint64_t cluster = in_table >> tables->hdr->cluster_bits;

    return (Place){
        .l1 = (uint32_t) (off >> tables->l2_shift),
        .slice = (uint32_t) (cluster >> tables->slice_shift),
        .entry = (uint32_t) (cluster & ((1u << tables->slice_shift) - 1))};
}

static void
take_entry(const Qcow2Tables *tables, const VmdkTable *slice, uint32_t i,
           Qcow2Entry *entry)
{
    const uint8_t *p =
        (const uint8_t *) slice->gte + (size_t) i * entry_bytes(tables);

    *entry = (Qcow2Entry){.word = vd_get_be64(p)};
    if (tables->extended)
        entry->bitmap = vd_get_be64(p + 8);
}

bool
qcow2_tables_peek(const Qcow2Tables *tables, uint64_t off, Qcow2Entry *entry)
{
    Place at = place_of(tables, off);
    VmdkTable *slice;

    if (at.l1 >= tables->n_l1 || !(tables->l1[at.l1] & QCOW2_OFF_MASK)) {
        *entry = (Qcow2Entry){0};
        return true;
    }
    slice = tables->slices[at.l1] ? tables->slices[at.l1][at.slice] : NULL;
    if (!slice)
        return false;
    if (!slice->referenced)
        slice->referenced = true;
    take_entry(tables, slice, at.entry, entry);
    return true;
}

/* -- loading --------------------------------------------------------------- */

static SliceLoad *
find_load(Qcow2Tables *tables, Place at)
{
    for (GList *l = tables->loads.head; l; l = l->next) {
        SliceLoad *load = l->data;

        if (load->l1 == at.l1 && load->slice == at.slice)
            return load;
    }
    return NULL;
}

static bool
check_table_place(const Qcow2Tables *tables, uint32_t l1, GError **error)
{
    uint64_t word = tables->l1[l1], off = word & QCOW2_OFF_MASK;
    uint64_t cluster = qcow2_cluster_bytes(tables->hdr);

    if (!(word & ~QCOW2_COPIED & ~QCOW2_OFF_MASK) && !(off & (cluster - 1)) &&
        off < vd_node_size(tables->file))
        return true;
    return vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: entry %u of the L1 table is 0x%" PRIx64
                    ", which names no L2 table in the file",
                    vd_node_name(tables->file), l1, word);
}

static void
install(Qcow2Tables *tables, Place at, const uint8_t *raw)
{
    uint32_t bytes = slice_bytes(tables);
    VmdkTable *slice = vmdk_table_cache_add_at(
        tables->cache, &tables->slices[at.l1], at.slice, bytes);

    memcpy(slice->gte, raw, bytes);
    tables->slices[at.l1][at.slice] = slice;
}

/* A table whose end is not in the file has no entries there. */
static bool
slice_co_read(Qcow2Tables *tables, Place at, uint8_t *raw, GError **error)
{
    uint32_t bytes = slice_bytes(tables);
    uint64_t off =
        (tables->l1[at.l1] & QCOW2_OFF_MASK) + (uint64_t) at.slice * bytes;
    struct iovec iov;
    VioVec dst = vio_vec_from_buf(&iov, raw, bytes);

    return vd_node_co_preadv_eof(tables->file, off, &dst, error) ||
           vd_prefix(error, "reading an L2 table: ");
}

static bool
slice_co_load(Qcow2Tables *tables, Place at, GError **error)
{
    g_autofree uint8_t *raw = g_malloc(slice_bytes(tables));
    SliceLoad load = {.l1 = at.l1, .slice = at.slice};
    bool ok;

    if (!check_table_place(tables, at.l1, error))
        return false;
    if (!tables->slices[at.l1])
        tables->slices[at.l1] = g_new0(VmdkTable *, slices_of_table(tables));
    g_queue_push_tail(&tables->loads, &load);
    ok = slice_co_read(tables, at, raw, error);
    if (ok)
        install(tables, at, raw);
    g_queue_remove(&tables->loads, &load);
    vio_co_queue_wake_all(&load.waiters);
    return ok;
}

bool
qcow2_tables_co_get(Qcow2Tables *tables, uint64_t off, Qcow2Entry *entry,
                    GError **error)
{
    while (!qcow2_tables_peek(tables, off, entry)) {
        Place at = place_of(tables, off);
        SliceLoad *load = find_load(tables, at);

        if (load)
            vio_co_queue_wait(&load->waiters);
        else if (!slice_co_load(tables, at, error))
            return false;
    }
    return true;
}
