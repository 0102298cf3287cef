/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/snapshot-change.c - making, applying and deleting snapshots.
 *
 *   counts go up, COPIED goes - new tables in new places - barrier
 *   header: the one step in which all of it happens - barrier
 *   counts of what is not used any more go down, COPIED comes back
 *
 * A crash in front of the header leaves the old state, one behind it the new
 * one; counts may be too high then and COPIED may be missing or stand where
 * nobody else is.  No count is ever too low.
 *
 * Concurrency: no change of the disk is in flight; reads are.
 */
#include "formats/qcow2/qcow2.h"
#include "formats/qcow2/snapshot.h"
#include "formats/qcow2/tree.h"

#include <inttypes.h>

#define MAX_NAME 255 /* bytes; longer ones QEMU cuts off */

typedef struct {
    Qcow2State *s;
    GArray *list;
    uint64_t table_bytes; /* of the table as it is */
    /* What came in new places: */
    uint64_t l1_off, l1_bytes, new_table, new_bytes;
} Change;

static uint64_t
whole(const Qcow2State *s, uint64_t bytes)
{
    uint64_t cluster = qcow2_cluster_bytes(&s->hdr);

    return (bytes + cluster - 1) & ~(cluster - 1);
}

/* -- steps ----------------------------------------------------------------- */

static bool
change_co_begin(Change *change, VdNode *node, GError **error)
{
    Qcow2State *s = vd_node_state(node);

    *change = (Change){.s = s};
    if (s->tables->external)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: an image with a data file has no snapshots",
                        vd_node_name(s->file));
    if (!qcow2_co_begin_tables(s, error) || !qcow2_co_finish(node, error))
        return false;
    change->list =
        qcow2_snapshots_co_read(s->file, &s->hdr, &change->table_bytes, error);
    return change->list != NULL;
}

static void
change_end(Change *change)
{
    g_clear_pointer(&change->list, g_array_unref);
}

/* What was made in vain. */
static void
change_give_up(Change *change)
{
    Qcow2Refcounts *rc = change->s->refcounts;

    qcow2_give_up(rc, change->l1_off, whole(change->s, change->l1_bytes));
    qcow2_give_up(rc, change->new_table, whole(change->s, change->new_bytes));
}

/* The L1 table @upper in a new place; its entries promise nothing of their
 * tables. */
static bool
change_co_store_l1(Change *change, const uint64_t *upper, uint32_t n,
                   GError **error)
{
    Qcow2State *s = change->s;
    uint64_t bytes = n * UINT64_C(8),
             clusters = whole(s, bytes) >> s->hdr.cluster_bits;
    g_autofree uint64_t *raw = NULL;
    uint64_t off;

    if (!n)
        return true;
    if (!qcow2_co_allocate_all(s->refcounts, clusters, &off, error))
        return false;
    change->l1_off = off;
    change->l1_bytes = bytes;
    raw = g_malloc0(whole(s, bytes));
    for (uint32_t i = 0; i < n; i++)
        raw[i] = GUINT64_TO_BE(upper[i] & ~QCOW2_COPIED);
    return vd_node_co_pwrite(s->file, off, raw, whole(s, bytes), error);
}

/* All that the header is to name is durable. */
static bool
change_co_settle(Change *change, GError **error)
{
    Qcow2State *s = change->s;

    return qcow2_co_flush_to_os(s->node, error) &&
           vd_node_co_flush(s->file, error);
}

/* The header names it.  What it names no longer has one user less. */
static bool
change_co_turn(Change *change, const Qcow2Header *hdr, GError **error)
{
    Qcow2State *s = change->s;
    Qcow2Header old = s->hdr;

    /* The refcount table may have moved since @hdr was made. */
    s->hdr.l1_off = hdr->l1_off;
    s->hdr.n_l1 = hdr->n_l1;
    s->hdr.size = hdr->size;
    s->hdr.snapshots_off = hdr->snapshots_off;
    s->hdr.n_snapshots = hdr->n_snapshots;
    if (!qcow2_co_store_header(s, error) || !vd_node_co_flush(s->file, error)) {
        /* Nobody knows which one is in the file: what either names stays. */
        s->hdr = old;
        return false;
    }
    if (old.snapshots_off != hdr->snapshots_off)
        qcow2_give_up(s->refcounts, old.snapshots_off,
                      whole(s, change->table_bytes));
    if (old.l1_off != hdr->l1_off)
        qcow2_give_up(s->refcounts, old.l1_off,
                      whole(s, old.n_l1 * UINT64_C(8)));
    return true;
}

static bool
change_co_finish(Change *change, GError **error)
{
    Qcow2State *s = change->s;

    return qcow2_co_finish(s->node, error) &&
           qcow2_tree_co_mark(s, s->tables, error) &&
           qcow2_co_finish(s->node, error) && vd_node_co_flush(s->file, error);
}

static Qcow2Tables *
tables_co_of(Qcow2State *s, const Qcow2Snapshot *snapshot, GError **error)
{
    return qcow2_tables_co_open(s->file, &s->hdr, snapshot->l1_off,
                                snapshot->n_l1, error);
}

/* -- making ---------------------------------------------------------------- */

/* When the highest number is taken: the lowest that is not. */
static char *
lowest_free_id(const GArray *list)
{
    g_autoptr(GHashTable) taken = g_hash_table_new(g_str_hash, g_str_equal);
    char *id = g_strdup("1");

    for (unsigned i = 0; i < list->len; i++)
        g_hash_table_add(taken, g_array_index(list, Qcow2Snapshot, i).id);
    for (unsigned n = 2; g_hash_table_contains(taken, id); n++) {
        g_free(id);
        id = g_strdup_printf("%u", n);
    }
    return id;
}

static char *
free_id(const GArray *list)
{
    uint64_t max = 0;

    for (unsigned i = 0; i < list->len; i++) {
        const char *id = g_array_index(list, Qcow2Snapshot, i).id;

        max = MAX(max, g_ascii_strtoull(id, NULL, 10));
    }
    return max < UINT64_MAX ? g_strdup_printf("%" PRIu64, max + 1)
                            : lowest_free_id(list);
}

static bool
check_new(const Change *change, const char *name, GError **error)
{
    const char *file = vd_node_name(change->s->file);

    if (strlen(name) > MAX_NAME)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "%s: a snapshot's name has %zu bytes, more than %d",
                        file, strlen(name), MAX_NAME);
    if (change->list->len >= QCOW2_MAX_SNAPSHOTS)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "%s: there are %u snapshots, no more are possible",
                        file, change->list->len);
    return true;
}

static void
append_new(Change *change, const char *name)
{
    Qcow2State *s = change->s;
    int64_t now = g_get_real_time();
    Qcow2Snapshot snapshot = {
        .l1_off = change->l1_off,
        .n_l1 = s->hdr.n_l1,
        .date_sec = (uint32_t) (now / G_USEC_PER_SEC),
        .date_nsec = (uint32_t) (now % G_USEC_PER_SEC * 1000),
        .disk_size = s->hdr.size,
        .icount = 0, /* as qemu-img has it */
        .id = free_id(change->list),
        .name = g_strdup(name),
    };

    g_array_append_val(change->list, snapshot);
}

/* Counts say already that there are two. */
static bool
create_co_store(Change *change, const char *name, GError **error)
{
    const Qcow2Sliced *sl = change->s->tables->sliced;

    if (!change_co_store_l1(change, sl->upper, sl->n, error))
        return false;
    append_new(change, name);
    return qcow2_snapshots_co_store(change->s, change->list, &change->new_table,
                                    &change->new_bytes, error) &&
           qcow2_tree_co_mark(change->s, change->s->tables, error) &&
           change_co_settle(change, error);
}

static bool
change_co_create(Change *change, const char *name, GError **error)
{
    Qcow2State *s = change->s;
    Qcow2Header hdr = s->hdr;

    if (!check_new(change, name, error) ||
        !qcow2_tree_co_use(s, s->tables, error))
        return false;
    if (!create_co_store(change, name, error)) {
        change_give_up(change);
        (void) qcow2_tree_co_drop(s, s->tables, NULL); /* else it leaks */
        (void) qcow2_tree_co_mark(s, s->tables, NULL); /* costs a copy */
        return false;
    }
    hdr.snapshots_off = change->new_table;
    hdr.n_snapshots = change->list->len;
    return change_co_turn(change, &hdr, error) &&
           qcow2_co_finish(s->node, error);
}

/* -- applying -------------------------------------------------------------- */

static bool
refuse_missing(const Change *change, const char *name, GError **error)
{
    return vd_throw(error, VD_ERROR_NOT_FOUND, "%s: has no snapshot '%s'",
                    vd_node_name(change->s->file), name);
}

/* Should an L2 table of the snapshot promise that its clusters have one user,
 * that is not true from now on. */
static bool
tables_co_share(Qcow2State *s, Qcow2Tables *tables, GError **error)
{
    Qcow2Batch batch;
    bool ok;

    if (!qcow2_tree_co_mark(s, tables, error))
        return false;
    qcow2_batch_take(&batch, tables->sliced);
    ok = qcow2_batch_co_write_lower(&batch, error);
    batch.written = true; /* or the tables go anyway */
    qcow2_batch_release(&batch);
    return ok;
}

/* The disk's new tables: those of @kept, with an L1 table of their own. */
static Qcow2Tables *
apply_co_store(Change *change, Qcow2Tables *kept, GError **error)
{
    Qcow2State *s = change->s;
    const Qcow2Sliced *sl = kept->sliced;
    uint32_t n = MAX(sl->n, 1);

    /* Without entries it still has memory, and zeroes, for one. */
    if (!tables_co_share(s, kept, error) ||
        !change_co_store_l1(change, sl->upper, n, error) ||
        !change_co_settle(change, error))
        return NULL;
    return qcow2_tables_co_open(s->file, &s->hdr, change->l1_off, n, error);
}

/* Reads that have begun before still use the old ones. */
static void
change_co_swap(Change *change, Qcow2Tables *fresh, uint64_t size)
{
    Qcow2State *s = change->s;

    s->tables = fresh;
    vd_node_set_size(s->node, size);
    vd_node_co_settle(s->node);
}

static bool
apply_co_kept(Change *change, const Qcow2Snapshot *snapshot, Qcow2Tables *kept,
              GError **error)
{
    Qcow2State *s = change->s;
    Qcow2Tables *old = s->tables, *fresh;
    Qcow2Header hdr = s->hdr;
    bool ok;

    if (!qcow2_tree_co_check(s, kept, error) ||
        !qcow2_tree_co_check(s, old, error) ||
        !qcow2_tree_co_use(s, kept, error))
        return false;
    fresh = apply_co_store(change, kept, error);
    if (!fresh) {
        change_give_up(change);
        (void) qcow2_tree_co_drop(s, kept, NULL); /* else it leaks */
        return false;
    }
    hdr.l1_off = change->l1_off;
    hdr.n_l1 = fresh->sliced->n;
    hdr.size = snapshot->disk_size;
    if (!change_co_turn(change, &hdr, error)) {
        qcow2_tables_free(fresh);
        return false;
    }
    change_co_swap(change, fresh, hdr.size);
    ok = qcow2_tree_co_drop(s, old, error);
    qcow2_tables_free(old);
    return ok && change_co_finish(change, error);
}

static bool
change_co_apply(Change *change, const char *name, GError **error)
{
    Qcow2State *s = change->s;
    int i = qcow2_snapshots_find_any(change->list, name);
    const Qcow2Snapshot *snapshot;
    Qcow2Tables *kept;
    bool ok;

    if (i < 0)
        return refuse_missing(change, name, error);
    if (s->bitmaps && s->bitmaps->len)
        return vd_throw(error, VD_ERROR_IN_USE,
                        "Device has active dirty bitmaps");
    snapshot = &g_array_index(change->list, Qcow2Snapshot, i);
    if (!qcow2_snapshot_check_size(snapshot, s->file, &s->hdr, error))
        return false;
    kept = tables_co_of(s, snapshot, error);
    ok = kept && apply_co_kept(change, snapshot, kept, error);
    qcow2_tables_free(kept);
    return ok;
}

/* -- deleting -------------------------------------------------------------- */

static bool
delete_co_turn(Change *change, unsigned i, GError **error)
{
    Qcow2Header hdr = change->s->hdr;

    g_array_remove_index(change->list, i);
    if (!qcow2_snapshots_co_store(change->s, change->list, &change->new_table,
                                  &change->new_bytes, error) ||
        !change_co_settle(change, error)) {
        change_give_up(change);
        return false;
    }
    hdr.snapshots_off = change->new_table;
    hdr.n_snapshots = change->list->len;
    return change_co_turn(change, &hdr, error);
}

static bool
change_co_delete(Change *change, const char *name, GError **error)
{
    Qcow2State *s = change->s;
    int i = qcow2_snapshots_find(change->list, NULL, name);
    Qcow2Tables *tables;
    bool ok;

    if (i < 0)
        return refuse_missing(change, name, error);
    tables =
        tables_co_of(s, &g_array_index(change->list, Qcow2Snapshot, i), error);
    if (!tables)
        return false;
    ok = qcow2_tree_co_check(s, tables, error) &&
         delete_co_turn(change, (unsigned) i, error) &&
         qcow2_tree_co_drop(s, tables, error);
    if (ok)
        qcow2_give_up(s->refcounts, tables->sliced->off,
                      whole(s, tables->sliced->n * UINT64_C(8)));
    qcow2_tables_free(tables);
    return ok && change_co_finish(change, error);
}

/* -- all of it ------------------------------------------------------------- */

bool
qcow2_co_snapshot(VdNode *node, VdSnapshotOp op, const char *name,
                  GError **error)
{
    static bool (*const ops[])(Change *, const char *, GError **) = {
        [VD_SNAPSHOT_CREATE] = change_co_create,
        [VD_SNAPSHOT_APPLY] = change_co_apply,
        [VD_SNAPSHOT_DELETE] = change_co_delete,
    };
    Change change;
    bool ok =
        change_co_begin(&change, node, error) && ops[op](&change, name, error);

    change_end(&change);
    return ok;
}
