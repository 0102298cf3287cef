/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/bitmap-change.c - changing the bitmaps of an image.
 *
 *   new bits, tables and a new directory in new places - barrier
 *   first cluster: the one step in which all of it happens
 *   counts of what is not used any more go down
 *
 * A crash in front of the first cluster leaves the old bitmaps, one behind it
 * the new ones, and either loses space at most.
 *
 * Concurrency: no change of the disk is in flight; reads are.
 */
#include "formats/qcow2/bitmap-change.h"
#include "formats/qcow2/check.h"
#include "formats/qcow2/first.h"

#include <inttypes.h>

#define MIN_DEFAULT_GRANULARITY 4096u
#define MAX_DEFAULT_GRANULARITY 65536u

/* -- steps ----------------------------------------------------------------- */

static void
note(const Qcow2State *s, GArray *ranges, uint64_t off, uint64_t len)
{
    uint64_t cluster = qcow2_cluster_bytes(&s->hdr);
    Qcow2Range range = {.off = off,
                        .len = (len + cluster - 1) & ~(cluster - 1)};

    if (len && off && !(off & (cluster - 1)))
        g_array_append_val(ranges, range);
}

void
qcow2_bitmap_change_let_go(Qcow2BitmapChange *change, uint64_t off,
                           uint64_t len)
{
    note(change->s, change->stale, off, len);
}

/* Who refuses has changed nothing. */
static bool
change_co_begin(Qcow2BitmapChange *change, GError **error)
{
    Qcow2State *s = change->s;

    change->begun = change->begun || (qcow2_co_begin_tables(s, error) &&
                                      qcow2_co_finish(s->node, error));
    return change->begun;
}

bool
qcow2_bitmap_change_co_place(Qcow2BitmapChange *change, const void *data,
                             uint64_t len, uint64_t *off, GError **error)
{
    if (!change_co_begin(change, error) ||
        !qcow2_co_place(change->s, data, len, off, error))
        return false;
    note(change->s, change->fresh, *off, len);
    return true;
}

bool
qcow2_bitmap_change_co_set_table(Qcow2BitmapChange *change, Qcow2Bitmap *bitmap,
                                 const uint64_t *table, GError **error)
{
    uint64_t bytes = bitmap->n_table * UINT64_C(8), off;
    g_autofree uint64_t *raw = g_malloc(MAX(bytes, 1));

    for (uint32_t i = 0; i < bitmap->n_table; i++)
        raw[i] = GUINT64_TO_BE(table[i]);
    if (!qcow2_bitmap_change_co_place(change, raw, bytes, &off, error))
        return false;
    qcow2_bitmap_change_let_go(change, bitmap->table_off, bytes);
    bitmap->table_off = off;
    return true;
}

static void
give_up_all(Qcow2State *s, const GArray *ranges)
{
    for (unsigned i = 0; i < ranges->len; i++) {
        const Qcow2Range *range = &g_array_index(ranges, Qcow2Range, i);

        qcow2_give_up(s->refcounts, range->off, range->len);
    }
}

/* Who lets go of something must be its only user: where the image contradicts
 * itself space is rather lost than taken from somebody else. */
static void
change_co_doubt(Qcow2BitmapChange *change)
{
    Qcow2Survey survey = {.s = change->s};

    if (change->stale->len && !qcow2_survey_co_sound(&survey, NULL))
        g_array_set_size(change->stale, 0);
    qcow2_survey_clear(&survey);
}

/* All that the first cluster is to name, durable. */
static bool
change_co_prepare(Qcow2BitmapChange *change, Qcow2First *first, GError **error)
{
    Qcow2State *s = change->s;
    uint64_t off, bytes;

    if (!qcow2_bitmaps_co_store(s, change->list, &off, &bytes, error))
        return false;
    note(s, change->fresh, off, bytes);
    if (!qcow2_co_sync(s, error))
        return false;
    /* The refcount table may have moved until now. */
    *first = qcow2_first_of(s);
    first->ext.has_bitmaps = change->list->len != 0;
    first->ext.n_bitmaps = change->list->len;
    first->ext.bitmaps_bytes = bytes;
    first->ext.bitmaps_off = off;
    first->hdr.autoclear &= ~QCOW2_AUTOCLEAR_BITMAPS;
    if (change->list->len)
        first->hdr.autoclear |= QCOW2_AUTOCLEAR_BITMAPS;
    return qcow2_co_store_first(s, first, true, error);
}

static bool
change_co_finish(Qcow2State *s, GError **error)
{
    g_clear_pointer(&s->bitmaps, g_ptr_array_unref);
    s->bitmaps = qcow2_co_list_bitmaps(s->node, error);
    return s->bitmaps && qcow2_co_finish(s->node, error) &&
           vd_node_co_flush(s->file, error);
}

static bool
change_co_store(Qcow2BitmapChange *change, GError **error)
{
    Qcow2State *s = change->s;
    Qcow2First first;

    if (!change_co_prepare(change, &first, error)) {
        give_up_all(s, change->fresh);
        return false;
    }
    /* After a failure nobody knows which one is in the file: what either names
     * stays. */
    if (!qcow2_co_store_first(s, &first, false, error))
        return false;
    give_up_all(s, change->stale);
    return change_co_finish(s, error);
}

/* -- checks ---------------------------------------------------------------- */

bool
qcow2_bitmap_change_check(const Qcow2BitmapChange *change,
                          const Qcow2Bitmap *bitmap, GError **error)
{
    bool alien =
        bitmap->flags & ~QCOW2_BITMAP_FLAGS_KNOWN ||
        (bitmap->extra_len && !(bitmap->flags & QCOW2_BITMAP_EXTRA_COMPATIBLE));

    if (bitmap->flags & QCOW2_BITMAP_IN_USE)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "Bitmap '%s' is inconsistent and cannot be used",
                        bitmap->name);
    if (alien)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: bitmap '%s' has flags 0x%x and %u bytes of extra "
                        "data, which are not known",
                        vd_node_name(change->s->file), bitmap->name,
                        bitmap->flags, bitmap->extra_len);
    return qcow2_bitmap_check_size(change->s, bitmap, error);
}

static const char *
space_problem(const Qcow2BitmapChange *change, const char *name, unsigned bits)
{
    const Qcow2State *s = change->s;
    uint64_t clusters = qcow2_bitmap_table_needed(&s->hdr, s->hdr.size, bits);
    uint64_t entries = qcow2_bitmap_entry_bytes(strlen(name), 0);

    if (!s->hdr.size)
        return "A disk of 0 bytes has nothing that could change";
    if (clusters > QCOW2_MAX_BITMAP_BYTES >> s->hdr.cluster_bits)
        return "Too much space will be occupied by the bitmap. Use larger "
               "granularity";
    if (strlen(name) > QCOW2_MAX_NAME)
        return "Name length exceeds maximum (1023 characters)";
    if (change->list->len >= QCOW2_MAX_BITMAPS)
        return "Maximum number of persistent bitmaps is already reached";
    for (unsigned i = 0; i < change->list->len; i++) {
        const Qcow2Bitmap *other = &g_array_index(change->list, Qcow2Bitmap, i);

        entries +=
            qcow2_bitmap_entry_bytes(strlen(other->name), other->extra_len);
    }
    return entries > QCOW2_MAX_DIRECTORY_BYTES
               ? "Not enough space in the bitmap directory"
               : NULL;
}

static bool
add_check(const Qcow2BitmapChange *change, const char *name, unsigned bits,
          GError **error)
{
    const Qcow2State *s = change->s;
    const char *problem = s->hdr.version < 3
                              ? "Cannot store dirty bitmaps in qcow2 v2 files"
                              : NULL;

    if (!problem && qcow2_bitmaps_find(change->list, name))
        return vd_throw(error, VD_ERROR_EXISTS, "Bitmap already exists: %s",
                        name);
    if (!problem)
        problem = space_problem(change, name, bits);
    return !problem || vd_throw(error,
                                s->hdr.version < 3 ? VD_ERROR_NOT_SUPPORTED
                                                   : VD_ERROR_LIMIT,
                                "Can't make bitmap '%s' persistent in '%s': %s",
                                name, vd_node_name(s->node), problem);
}

/* -- what can be done ------------------------------------------------------ */

static bool
change_co_zero_table(Qcow2BitmapChange *change, Qcow2Bitmap *bitmap,
                     GError **error)
{
    g_autofree uint64_t *zeroes = g_new0(uint64_t, MAX(bitmap->n_table, 1));

    return qcow2_bitmap_change_co_set_table(change, bitmap, zeroes, error);
}

static bool
change_co_add(Qcow2BitmapChange *change, const VdBitmapChange *how,
              GError **error)
{
    const Qcow2Header *hdr = &change->s->hdr;
    uint64_t granularity = how->granularity ? how->granularity
                                            : CLAMP(qcow2_cluster_bytes(hdr),
                                                    MIN_DEFAULT_GRANULARITY,
                                                    MAX_DEFAULT_GRANULARITY);
    unsigned bits = (unsigned) g_bit_storage(granularity) - 1;
    Qcow2Bitmap bitmap = {.flags = how->enabled ? QCOW2_BITMAP_AUTO : 0,
                          .granularity_bits = bits};

    if (!*how->name)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "Bitmap name cannot be empty");
    if (granularity & (granularity - 1) || bits < QCOW2_MIN_GRANULARITY_BITS ||
        bits > QCOW2_MAX_GRANULARITY_BITS)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "Granularity must be power of 2 and at least 512");
    if (!add_check(change, how->name, bits, error))
        return false;
    bitmap.n_table = (uint32_t) qcow2_bitmap_table_needed(hdr, hdr->size, bits);
    if (!change_co_zero_table(change, &bitmap, error))
        return false;
    bitmap.name = g_strdup(how->name);
    g_array_append_val(change->list, bitmap);
    return true;
}

/* The clusters of bits of @bitmap go. */
static bool
change_co_let_go_bits(Qcow2BitmapChange *change, const Qcow2Bitmap *bitmap,
                      GError **error)
{
    Qcow2State *s = change->s;
    g_autofree uint64_t *table = NULL;

    if (!qcow2_bitmap_co_table(s, bitmap, &table, error))
        return false;
    for (uint32_t i = 0; i < bitmap->n_table; i++)
        if (qcow2_bitmap_check_word(s, bitmap, i, table[i], NULL))
            qcow2_bitmap_change_let_go(change, table[i] & QCOW2_OFF_MASK,
                                       qcow2_cluster_bytes(&s->hdr));
    return true;
}

/* Even of one that is damaged; its space is lost then. */
static bool
change_co_remove(Qcow2BitmapChange *change, Qcow2Bitmap *bitmap)
{
    if (change_co_let_go_bits(change, bitmap, NULL))
        qcow2_bitmap_change_let_go(change, bitmap->table_off,
                                   bitmap->n_table * UINT64_C(8));
    for (unsigned i = 0; i < change->list->len; i++)
        if (&g_array_index(change->list, Qcow2Bitmap, i) == bitmap) {
            g_array_remove_index(change->list, i);
            break;
        }
    return true;
}

static bool
change_co_clear(Qcow2BitmapChange *change, Qcow2Bitmap *bitmap, GError **error)
{
    return change_co_let_go_bits(change, bitmap, error) &&
           change_co_zero_table(change, bitmap, error);
}

static void
set_enabled(Qcow2Bitmap *bitmap, bool enabled)
{
    bitmap->flags &= ~QCOW2_BITMAP_AUTO;
    if (enabled)
        bitmap->flags |= QCOW2_BITMAP_AUTO;
}

static bool
change_co_one(Qcow2BitmapChange *change, const VdBitmapChange *how,
              GError **error)
{
    Qcow2Bitmap *bitmap = qcow2_bitmaps_find(change->list, how->name);

    if (how->op == VD_BITMAP_ADD)
        return change_co_add(change, how, error);
    if (!bitmap)
        return vd_throw(error, VD_ERROR_NOT_FOUND,
                        "Dirty bitmap '%s' not found", how->name);
    if (how->op == VD_BITMAP_REMOVE)
        return change_co_remove(change, bitmap);
    if (how->op == VD_BITMAP_MERGE)
        return qcow2_bitmap_change_co_merge(
            change, bitmap, how->source ? how->source : change->s->node,
            how->source_name, error);
    if (!qcow2_bitmap_change_check(change, bitmap, error))
        return false;
    if (how->op == VD_BITMAP_CLEAR)
        return change_co_clear(change, bitmap, error);
    set_enabled(bitmap, how->op == VD_BITMAP_ENABLE);
    return true;
}

/* -- all of it ------------------------------------------------------------- */

/* Bitmaps that miss changes are forgotten; what they take is found by a check.
 */
static GArray *
change_co_list(Qcow2State *s, GError **error)
{
    return qcow2_bitmaps_count(s) ? qcow2_bitmaps_co_read(s, error)
                                  : qcow2_bitmaps_new();
}

static bool
change_co_run(Qcow2BitmapChange *change, const VdBitmapChange *how,
              GError **error)
{
    Qcow2State *s = change->s;

    if (!change_co_one(change, how, error)) {
        give_up_all(s, change->fresh);
        return false;
    }
    if (!change_co_begin(change, error))
        return false;
    if (qcow2_bitmaps_count(s))
        qcow2_bitmap_change_let_go(change, s->ext.bitmaps_off,
                                   s->ext.bitmaps_bytes);
    change_co_doubt(change);
    return change_co_store(change, error);
}

bool
qcow2_co_change_bitmap(VdNode *node, const VdBitmapChange *how, GError **error)
{
    Qcow2State *s = vd_node_state(node);
    Qcow2BitmapChange change = {.s = s};
    bool ok;

    change.list = change_co_list(s, error);
    if (!change.list)
        return false;
    change.fresh = g_array_new(FALSE, FALSE, sizeof(Qcow2Range));
    change.stale = g_array_new(FALSE, FALSE, sizeof(Qcow2Range));
    ok = change_co_run(&change, how, error);
    g_array_unref(change.list);
    g_array_unref(change.fresh);
    g_array_unref(change.stale);
    return ok;
}
