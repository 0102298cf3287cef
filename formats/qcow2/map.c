/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/map.c - where the bytes of a qcow2 image are.
 *
 * Concurrency: yields only to load the first slice of a table.
 */
#include "formats/qcow2/qcow2.h"

#include <inttypes.h>

static bool
refuse_entry(const Qcow2State *s, uint64_t off, const Qcow2Entry *entry,
             GError **error)
{
    return vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: the L2 entry for byte %" PRIu64 " is 0x%" PRIx64
                    ", which must not be",
                    vd_node_name(s->file), off, entry->word);
}

/* Behind tables that are not there at all: as far as that goes. */
static uint64_t
next_unit(const Qcow2Tables *tables, uint64_t off)
{
    uint64_t l1 = qcow2_l1_of(tables, off);
    uint64_t unit = qcow2_unit_bytes(tables);

    if (!qcow2_sliced_table(tables->sliced, (uint32_t) l1))
        return (l1 + 1) << tables->l2_shift;
    return (off & ~(unit - 1)) + unit;
}

/* How far from @off on everything is @kind, data behind one another; @place: of
 * the byte at @off. */
static uint64_t
extend(const Qcow2Tables *tables, uint64_t off, uint64_t end, Qcow2Kind kind,
       uint64_t place)
{
    uint64_t cluster = qcow2_cluster_bytes(tables->hdr), start = off;

    for (off = next_unit(tables, off); off < end;
         off = next_unit(tables, off)) {
        Qcow2Entry entry;
        uint64_t at = 0;

        if (!qcow2_tables_peek(tables, off, &entry) ||
            qcow2_entry_kind(tables, &entry, off, &at) != kind)
            return off;
        if ((kind == QCOW2_DATA || kind == QCOW2_ZERO_PLACE) &&
            at + (off & (cluster - 1)) != place + (off - start))
            return off;
    }
    return end;
}

/* What the file lacks at its end is zero. */
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

static void
fill_run(const Qcow2State *s, Qcow2Kind kind, uint64_t place, VdRun *run)
{
    switch (kind) {
    case QCOW2_DATA:
        run->kind = VD_RUN_DATA;
        run->child = s->data;
        run->child_off = place;
        clamp_to_file(run);
        break;
    case QCOW2_ZERO_PLACE:
        run->kind = VD_RUN_ZERO;
        run->allocated = true;
        run->child = s->data;
        run->child_off = place;
        break;
    case QCOW2_ZEROES:
        run->kind = VD_RUN_ZERO;
        break;
    default:
        run->kind = VD_RUN_PARENT;
    }
}

bool
qcow2_co_map(VdNode *node, uint64_t off, uint64_t len, unsigned want,
             VdRun *run, GError **error)
{
    Qcow2State *s = vd_node_state(node);
    uint64_t cluster = qcow2_cluster_bytes(&s->hdr), place = 0;
    uint64_t within = off & (cluster - 1);
    Qcow2Entry entry;
    Qcow2Kind kind;

    if (!qcow2_tables_co_get(s->tables, off, &entry, error))
        return false;
    kind = qcow2_entry_kind(s->tables, &entry, off, &place);
    if (kind == QCOW2_BAD)
        return refuse_entry(s, off, &entry, error);
    *run = (VdRun){.len = MIN(len, cluster - within)};
    if (kind == QCOW2_PACKED) {
        uint32_t packed;

        run->kind = VD_RUN_ENCODED;
        run->child = s->file;
        qcow2_entry_packed(&s->hdr, entry.word, &run->child_off, &packed);
        return true;
    }
    place += within;
    run->len = extend(s->tables, off, off + len, kind, place) - off;
    fill_run(s, kind, place, run);
    return true;
}
