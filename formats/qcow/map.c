/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow/map.c - where the bytes of a qcow image, version 1, are.
 *
 * Concurrency: yields only to load a table.  Nothing changes, so of two that
 * load the same one the later finds that it is there.
 */
#include "formats/qcow/qcow.h"

#include "io/bytes.h"

#include <inttypes.h>
#include <string.h>

/* -- tables ---------------------------------------------------------------- */

static uint32_t
l1_of(const QcowState *s, uint64_t off)
{
    return (uint32_t) (off >> qcow_l2_shift(&s->hdr));
}

static uint32_t
table_bytes(const QcowState *s)
{
    return 8u << s->hdr.l2_bits;
}

static bool
table_co_load(QcowState *s, uint32_t i, GError **error)
{
    g_autofree uint8_t *raw = g_malloc(table_bytes(s));
    struct iovec iov;
    VioVec dst = vio_vec_from_buf(&iov, raw, table_bytes(s));
    VdTable *table;

    if (s->l1[i] >= vd_node_size(s->file))
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: entry %u of the L1 table is 0x%" PRIx64
                        ", which names no L2 table in the file",
                        vd_node_name(s->file), i, s->l1[i]);
    if (!vd_node_co_preadv_eof(s->file, s->l1[i], &dst, error))
        return vd_prefix(error, "reading an L2 table: ");
    if (s->tables[i])
        return true;
    table = vd_table_cache_add(s->cache, &s->tables, i, table_bytes(s));
    memcpy(table->words, raw, table_bytes(s));
    s->tables[i] = table;
    return true;
}

/* If the table is in memory, or there is none. */
static bool
peek(const QcowState *s, uint64_t off, uint64_t *entry)
{
    uint32_t i = l1_of(s, off);
    uint64_t in_table = off & ((UINT64_C(1) << qcow_l2_shift(&s->hdr)) - 1);

    *entry = 0;
    if (!s->l1[i])
        return true;
    if (!s->tables[i])
        return false;
    s->tables[i]->referenced = true;
    *entry = vio_get_be64((const uint8_t *) s->tables[i]->words +
                          8 * (in_table >> s->hdr.cluster_bits));
    return true;
}

bool
qcow_co_entry(QcowState *s, uint64_t off, uint64_t *entry, GError **error)
{
    while (!peek(s, off, entry))
        if (!table_co_load(s, l1_of(s, off), error))
            return false;
    return true;
}

/* -- runs ------------------------------------------------------------------ */

static uint64_t
next_cluster(const QcowState *s, uint64_t off)
{
    unsigned shift =
        s->l1[l1_of(s, off)] ? s->hdr.cluster_bits : qcow_l2_shift(&s->hdr);

    return ((off >> shift) + 1) << shift;
}

/* How far from @off on entries are absent, or name what lies behind @first. */
static uint64_t
extend(const QcowState *s, uint64_t off, uint64_t end, uint64_t first)
{
    uint64_t cluster = qcow_cluster_bytes(&s->hdr),
             start = off & ~(cluster - 1);

    for (off = next_cluster(s, off); off < end; off = next_cluster(s, off)) {
        uint64_t entry;

        if (!peek(s, off, &entry) ||
            entry != (first ? first + (off - start) : 0))
            return off;
    }
    return end;
}

/* What the file lacks at its end is zero. */
static void
set_data(const QcowState *s, uint64_t place, VdRun *run)
{
    uint64_t size = vd_node_size(s->file);

    run->kind = VD_RUN_DATA;
    run->child = s->file;
    run->child_off = place;
    if (place < size) {
        run->len = MIN(run->len, size - place);
        return;
    }
    run->kind = VD_RUN_ZERO;
    run->allocated = true;
}

bool
qcow_co_map(VdNode *node, uint64_t off, uint64_t len, unsigned want, VdRun *run,
            GError **error)
{
    QcowState *s = vd_node_state(node);
    uint64_t cluster = qcow_cluster_bytes(&s->hdr), entry;
    uint64_t within = off & (cluster - 1);
    uint32_t packed;

    if (!qcow_co_entry(s, off, &entry, error))
        return false;
    *run = (VdRun){.kind = VD_RUN_PARENT, .len = MIN(len, cluster - within)};
    if (entry & QCOW_COMPRESSED) {
        run->kind = VD_RUN_ENCODED;
        run->child = s->file;
        qcow_entry_packed(&s->hdr, entry, &run->child_off, &packed);
        return true;
    }
    run->len = extend(s, off, off + len, entry) - off;
    if (entry)
        set_data(s, entry + within, run);
    return true;
}
