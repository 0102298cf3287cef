/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/sound.c - may this image be written to?
 *
 * New clusters are found by their counts.  A table that does not count as used
 * would be given away and overwritten, and of two tables in one place each
 * would overwrite the other.  So before the first change each table is looked
 * for among the others and in the counts.  Data clusters are many and are not.
 *
 * Concurrency: yields for refcount blocks.
 */
#include "formats/qcow2/qcow2.h"

#include <inttypes.h>

typedef struct Qcow2Piece {
    uint64_t cluster;
    const char *what;
} Qcow2Piece;

static void
add(GArray *pieces, uint64_t cluster, const char *what)
{
    Qcow2Piece piece = {cluster, what};

    g_array_append_val(pieces, piece);
}

/* The upper table and all of the lower ones. */
static void
add_tables(GArray *pieces, const Qcow2Sliced *sl)
{
    uint64_t bytes = sl->n * sizeof(uint64_t);
    uint64_t first = sl->off >> sl->cluster_bits;
    uint64_t n =
        (bytes + (UINT64_C(1) << sl->cluster_bits) - 1) >> sl->cluster_bits;

    for (uint64_t i = 0; i < n; i++)
        add(pieces, first + i, sl->upper_name);
    for (uint32_t i = 0; i < sl->n; i++)
        if (qcow2_sliced_table(sl, i))
            add(pieces, qcow2_sliced_table(sl, i) >> sl->cluster_bits,
                sl->lower_name);
}

static int
compare_pieces(gconstpointer a, gconstpointer b)
{
    const Qcow2Piece *first = a, *second = b;

    return first->cluster < second->cluster   ? -1
           : first->cluster > second->cluster ? 1
                                              : 0;
}

static bool
refuse(const Qcow2State *s, const Qcow2Piece *piece, const char *why,
       GError **error)
{
    return vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: the %s at byte %" PRIu64
                    " %s; the image can only be read until it is repaired",
                    vd_node_name(s->file), piece->what,
                    piece->cluster << s->hdr.cluster_bits, why);
}

bool
qcow2_co_is_sound(Qcow2State *s, GError **error)
{
    g_autoptr(GArray) pieces = g_array_new(FALSE, FALSE, sizeof(Qcow2Piece));

    add(pieces, 0, "header");
    add_tables(pieces, s->tables->sliced);
    add_tables(pieces, s->refcounts->sliced);
    g_array_sort(pieces, compare_pieces);
    for (unsigned i = 0; i < pieces->len; i++) {
        const Qcow2Piece *piece = &g_array_index(pieces, Qcow2Piece, i);
        uint64_t count;

        if (i && piece[-1].cluster == piece->cluster)
            return refuse(s, piece, "lies on another table", error);
        if (!qcow2_refcount_co_get(s->refcounts, piece->cluster, &count, error))
            return false;
        if (!count)
            return refuse(s, piece, "does not count as used", error);
    }
    return true;
}
