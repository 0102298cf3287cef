/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/l2.c - entries of L2 tables.
 *
 * Concurrency: one loop; yields to load slices.
 */
#include "formats/qcow2/l2.h"

Qcow2Tables *
qcow2_tables_co_open(VdNode *file, const Qcow2Header *hdr, uint64_t off,
                     uint32_t n, GError **error)
{
    Qcow2Sliced *sliced =
        qcow2_sliced_co_open(file, hdr, off, n, "L1 table", "L2 table", error);
    Qcow2Tables *tables;

    if (!sliced)
        return NULL;
    tables = g_new0(Qcow2Tables, 1);
    tables->hdr = hdr;
    tables->sliced = sliced;
    tables->extended = hdr->incompatible & QCOW2_INCOMPAT_EXTENDED_L2;
    tables->external = hdr->incompatible & QCOW2_INCOMPAT_DATA_FILE;
    tables->l2_shift = 2 * hdr->cluster_bits - (tables->extended ? 4 : 3);
    return tables;
}

void
qcow2_tables_free(Qcow2Tables *tables)
{
    if (!tables)
        return;
    qcow2_sliced_free(tables->sliced);
    g_free(tables);
}

/* Byte of the entry for @off in its table. */
static uint32_t
entry_at(const Qcow2Tables *tables, uint64_t off)
{
    uint64_t in_table = off & (qcow2_l2_bytes(tables) - 1);
    uint64_t index = in_table >> tables->hdr->cluster_bits;

    return (uint32_t) (index << (tables->extended ? 4 : 3));
}

static void
take_entry(const Qcow2Tables *tables, const uint8_t *p, Qcow2Entry *entry)
{
    *entry = (Qcow2Entry){.word = vio_get_be64(p)};
    if (tables->extended)
        entry->bitmap = vio_get_be64(p + 8);
}

bool
qcow2_tables_peek(const Qcow2Tables *tables, uint64_t off, Qcow2Entry *entry)
{
    uint32_t l1 = qcow2_l1_of(tables, off);
    uint8_t *p;

    if (!qcow2_sliced_table(tables->sliced, l1)) {
        *entry = (Qcow2Entry){0};
        return true;
    }
    if (!qcow2_sliced_peek(tables->sliced, l1, entry_at(tables, off), &p))
        return false;
    take_entry(tables, p, entry);
    return true;
}

bool
qcow2_tables_co_get(Qcow2Tables *tables, uint64_t off, Qcow2Entry *entry,
                    GError **error)
{
    uint8_t *p;

    while (!qcow2_tables_peek(tables, off, entry))
        if (!qcow2_sliced_co_get(tables->sliced, qcow2_l1_of(tables, off),
                                 entry_at(tables, off), &p, error))
            return false;
    return true;
}

bool
qcow2_tables_co_set(Qcow2Tables *tables, uint64_t off, const Qcow2Entry *entry,
                    GError **error)
{
    uint8_t *p;
    VdTable *slice =
        qcow2_sliced_co_get(tables->sliced, qcow2_l1_of(tables, off),
                            entry_at(tables, off), &p, error);

    if (!slice)
        return false;
    vio_put_be64(p, entry->word);
    if (tables->extended)
        vio_put_be64(p + 8, entry->bitmap);
    qcow2_sliced_mark(tables->sliced, slice);
    return true;
}
