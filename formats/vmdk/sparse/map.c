/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/map.c - where the bytes of a sparse extent are.
 *
 * The hot path of every read, and thirty of them in a row on a chain of thirty
 * links: one look-up is two loads when the table is in memory.  The answer is
 * the longest stretch that tables in memory prove: contiguous grains, or
 * grains of the same kind; tables without entries count as a whole.
 *
 * Concurrency: yields only to load the first table.
 */
#include "formats/vmdk/sparse/sparse.h"

/* What follows @entry in a run of the same kind; behind the last sector that
 * an entry can name there is nothing. */
static inline uint64_t
successor(const VmdkSparse *sp, uint64_t entry)
{
    return entry > VMDK_GTE_ZERO ? entry + sp->grain_sectors : entry;
}

/* Where the tables without entries end that the one of @pos begins, as far as
 * that is known without looking at each. */
static uint64_t
empty_end(const VmdkSparse *sp, uint64_t pos)
{
    const VmdkTables *tables = sp->tables;
    uint32_t index = vmdk_sparse_table_of(sp, pos);
    uint64_t next = index + UINT64_C(1);

    if (!tables->slot[index])
        next = (uint64_t) tables->hole_first + tables->hole_n;
    return next << sp->table_shift;
}

/* How far the run that has reached @pos with @wanted as its next entry goes
 * on, below @end. */
static uint64_t
extend(const VmdkSparse *sp, uint64_t pos, uint64_t end, uint64_t wanted)
{
    while (pos < end) {
        VdTable *table =
            vmdk_tables_peek(sp->tables, vmdk_sparse_table_of(sp, pos));
        uint64_t stop = MIN(end, pos + vmdk_sparse_table_rest(sp, pos));
        uint32_t i;

        if (!table)
            return pos;
        if (table == sp->tables->empty) {
            if (wanted != VMDK_GTE_ABSENT)
                return pos;
            pos = MIN(end, empty_end(sp, pos));
            continue;
        }
        for (i = vmdk_sparse_entry_of(sp, pos); pos < stop; i++) {
            uint32_t entry = vmdk_table_entry(table, i);

            if (entry != wanted || entry == VMDK_GTE_BAD)
                return pos;
            wanted = successor(sp, wanted);
            pos += sp->grain_bytes;
        }
    }
    return end;
}

static bool
refuse_entry(const VmdkExtent *e, uint64_t off, GError **error)
{
    return vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: the grain table entry for byte %" G_GUINT64_FORMAT
                    " of the extent names no place in the file",
                    vd_node_name(e->file), off);
}

static inline void
fill_run(const VmdkExtent *e, uint64_t off, uint32_t entry, VdRun *run)
{
    const VmdkSparse *sp = e->sparse;

    run->child = NULL;
    run->child_off = 0;
    run->allocated = false;
    if (entry > VMDK_GTE_ZERO) {
        run->kind = sp->reader ? VD_RUN_ENCODED : VD_RUN_DATA;
        run->child = e->file;
        run->child_off = (uint64_t) entry * VMDK_SECTOR;
        if (!sp->reader)
            run->child_off += off & (sp->grain_bytes - 1);
    } else {
        run->kind = entry == VMDK_GTE_ZERO ? VD_RUN_ZERO : VD_RUN_PARENT;
    }
}

/* A run of grains, from a table that is not empty. */
static bool
lookup_entry(const VmdkExtent *e, uint64_t off, uint64_t len, uint32_t entry,
             VdRun *run, GError **error)
{
    const VmdkSparse *sp = e->sparse;
    uint64_t span = sp->grain_bytes - (off & (sp->grain_bytes - 1));

    if (G_UNLIKELY(entry == VMDK_GTE_BAD))
        return refuse_entry(e, off, error);
    fill_run(e, off, entry, run);
    if (span >= len)
        run->len = len;
    else if (run->kind == VD_RUN_ENCODED)
        run->len = span;
    else
        run->len =
            extend(sp, off + span, off + len, successor(sp, entry)) - off;
    return true;
}

bool
vmdk_sparse_co_lookup(VmdkExtent *e, uint64_t off, uint64_t len, VdRun *run,
                      GError **error)
{
    const VmdkSparse *sp = e->sparse;
    uint32_t index = vmdk_sparse_table_of(sp, off);
    VdTable *table = sp->slot[index];

    if (G_UNLIKELY(!table)) {
        table = vmdk_tables_co_get(sp->tables, index, error);
        if (!table)
            return false;
    }
    if (table == sp->empty) {
        uint64_t rest = vmdk_sparse_table_rest(sp, off);

        *run = (VdRun){.kind = VD_RUN_PARENT, .len = len};
        if (G_UNLIKELY(rest < len))
            run->len = extend(sp, off + rest, off + len, VMDK_GTE_ABSENT) - off;
        return true;
    }
    if (!table->referenced)
        table->referenced = true;
    return lookup_entry(e, off, len,
                        vmdk_table_entry(table, vmdk_sparse_entry_of(sp, off)),
                        run, error);
}

/* A run of grains that reaches behind the end of the file: the last grain may
 * be short, and what it lacks is zero. */
static void
clamp_to_file(VdRun *run)
{
    uint64_t size = vd_node_size(run->child);

    if (run->child_off >= size) {
        run->kind = VD_RUN_ZERO;
        run->allocated = true;
    } else {
        run->len = MIN(run->len, size - run->child_off);
    }
}

bool
vmdk_sparse_co_map(VmdkExtent *e, uint64_t off, uint64_t len, VdRun *run,
                   GError **error)
{
    if (!vmdk_sparse_co_lookup(e, off, len, run, error))
        return false;
    if (run->kind == VD_RUN_DATA)
        clamp_to_file(run);
    return true;
}
