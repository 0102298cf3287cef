/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/tree.c - all clusters that one L1 table leads to.
 *
 * Concurrency: one loop; nobody changes the tree or the counts meanwhile.
 */
#include "formats/qcow2/tree.h"

#include <inttypes.h>

typedef bool (*Visit)(Qcow2State *s, uint64_t cluster, GError **error);

typedef struct {
    Qcow2State *s;
    Qcow2Tables *tables;
    Visit visit;
    uint64_t done, limit; /* calls of visit */
} Walk;

/* -- walking --------------------------------------------------------------- */

static bool
walk_co_visit(Walk *walk, uint64_t off, uint64_t len, GError **error)
{
    unsigned bits = walk->s->hdr.cluster_bits;
    uint64_t last = (off + len - 1) >> bits;

    for (uint64_t i = off >> bits; i <= last; i++) {
        if (walk->done == walk->limit)
            return true;
        if (!walk->visit(walk->s, i, error))
            return false;
        walk->done++;
    }
    return true;
}

static bool
refuse_entry(const Qcow2State *s, uint64_t off, const Qcow2Entry *entry,
             GError **error)
{
    return vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: the L2 entry for byte %" PRIu64 " is 0x%" PRIx64
                    ", which must not be",
                    vd_node_name(s->file), off, entry->word);
}

static bool
entry_co_walk(Walk *walk, uint64_t off, const Qcow2Entry *entry, GError **error)
{
    Qcow2State *s = walk->s;
    uint64_t place = 0;
    uint32_t len = 0;

    switch (qcow2_entry_kind(walk->tables, entry, off, &place)) {
    case QCOW2_BAD:
        return refuse_entry(s, off, entry, error);
    case QCOW2_PACKED:
        qcow2_entry_packed(&s->hdr, entry->word, &place, &len);
        return walk_co_visit(walk, place, len, error);
    default:
        return !qcow2_entry_is_placed(walk->tables, entry) ||
               walk_co_visit(walk, place, 1, error);
    }
}

static bool
table_co_walk(Walk *walk, uint32_t l1, GError **error)
{
    const Qcow2Tables *tables = walk->tables;
    uint64_t off = (uint64_t) l1 << tables->l2_shift;
    uint64_t end = off + qcow2_l2_bytes(tables);

    for (; off < end && walk->done < walk->limit;
         off += qcow2_cluster_bytes(tables->hdr)) {
        Qcow2Entry entry;

        if (!qcow2_tables_co_get(walk->tables, off, &entry, error) ||
            ((entry.word || entry.bitmap) &&
             !entry_co_walk(walk, off, &entry, error)))
            return false;
    }
    return true;
}

static bool
tree_co_walk(Walk *walk, GError **error)
{
    const Qcow2Sliced *sl = walk->tables->sliced;

    for (uint32_t i = 0; i < sl->n && walk->done < walk->limit; i++) {
        uint64_t place = qcow2_sliced_table(sl, i);

        if (place && (!table_co_walk(walk, i, error) ||
                      !walk_co_visit(walk, place, 1, error) ||
                      !qcow2_co_relieve(walk->s, error)))
            return false;
    }
    return true;
}

/* -- what is done with them ------------------------------------------------ */

static bool
cluster_co_check(Qcow2State *s, uint64_t cluster, GError **error)
{
    uint64_t count = 0;

    if (!qcow2_refcount_co_get(s->refcounts, cluster, &count, error))
        return false;
    return count ||
           vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: the cluster at byte %" PRIu64
                    " is used, but its refcount is 0; check the image",
                    vd_node_name(s->file), cluster << s->hdr.cluster_bits);
}

static bool
cluster_co_use(Qcow2State *s, uint64_t cluster, GError **error)
{
    return qcow2_refcount_co_add(s->refcounts, cluster, 1, error);
}

static bool
cluster_co_drop(Qcow2State *s, uint64_t cluster, GError **error)
{
    return qcow2_co_drop(s->refcounts, cluster << s->hdr.cluster_bits,
                         qcow2_cluster_bytes(&s->hdr), error);
}

bool
qcow2_tree_co_check(Qcow2State *s, Qcow2Tables *tables, GError **error)
{
    Walk walk = {s, tables, cluster_co_check, 0, UINT64_MAX};

    return tree_co_walk(&walk, error);
}

bool
qcow2_tree_co_use(Qcow2State *s, Qcow2Tables *tables, GError **error)
{
    Walk walk = {s, tables, cluster_co_use, 0, UINT64_MAX};
    Walk back = {s, tables, cluster_co_drop, 0, 0};

    if (tree_co_walk(&walk, error))
        return true;
    back.limit = walk.done;
    (void) tree_co_walk(&back, NULL); /* else counts stay too high: a leak */
    return false;
}

bool
qcow2_tree_co_drop(Qcow2State *s, Qcow2Tables *tables, GError **error)
{
    Walk walk = {s, tables, cluster_co_drop, 0, UINT64_MAX};

    return tree_co_walk(&walk, error);
}

/* -- COPIED ---------------------------------------------------------------- */

/* @word with or without the bit. */
static bool
word_co_mark(Qcow2State *s, uint64_t *word, GError **error)
{
    uint64_t place = *word & QCOW2_OFF_MASK, count = 0;

    if (!qcow2_refcount_co_get(s->refcounts, place >> s->hdr.cluster_bits,
                               &count, error))
        return false;
    *word = count == 1 ? *word | QCOW2_COPIED : *word & ~QCOW2_COPIED;
    return true;
}

static bool
entry_co_mark(Qcow2State *s, Qcow2Tables *tables, uint64_t off, GError **error)
{
    Qcow2Entry entry;
    uint64_t old;

    if (!qcow2_tables_co_get(tables, off, &entry, error))
        return false;
    if (!qcow2_entry_is_placed(tables, &entry))
        return true;
    old = entry.word;
    return word_co_mark(s, &entry.word, error) &&
           (entry.word == old ||
            qcow2_tables_co_set(tables, off, &entry, error));
}

bool
qcow2_tree_co_mark(Qcow2State *s, Qcow2Tables *tables, GError **error)
{
    Qcow2Sliced *sl = tables->sliced;
    uint64_t cluster = qcow2_cluster_bytes(&s->hdr);

    for (uint32_t i = 0; i < sl->n; i++) {
        uint64_t word = sl->upper[i], off = (uint64_t) i << tables->l2_shift;
        uint64_t end = off + qcow2_l2_bytes(tables);

        if (!qcow2_sliced_table(sl, i))
            continue;
        for (; off < end; off += cluster)
            if (!entry_co_mark(s, tables, off, error))
                return false;
        if (!word_co_mark(s, &word, error))
            return false;
        if (word != sl->upper[i])
            qcow2_sliced_set_upper(sl, i, word);
        if (tables == s->tables && !qcow2_co_relieve(s, error))
            return false;
    }
    return true;
}
