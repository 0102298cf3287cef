/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/support/leaf.c - the file driver under observation.
 *
 * Concurrency: the hooks are guarded by a lock that is never held over a
 * yield.
 */
#include "tests/support/leaf.h"

#include "block/drivers.h"
#include "block/registry.h"

static struct {
    GMutex lock;
    VdDriver driver;              /* the file driver with our entries */
    const VdDriver *const *saved; /* table before install */
    const VdDriver **table;

    uint64_t counts[TEST_OP_ANY];

    TestOp fail_op;
    uint64_t fail_in; /* requests of that kind to let pass; UINT64_MAX: none */
    int fail_errno;
    bool fired;

    GPtrArray *changes; /* NULL = not recording */
    uint64_t next_id;
} leaf;

/* -- hooks ------------------------------------------------------------------
 */

/* Count the request; false if it is the one that fails. */
static bool
leaf_pass(VdNode *node, TestOp op, GError **error)
{
    bool hit = false;

    g_mutex_lock(&leaf.lock);
    leaf.counts[op]++;
    if ((leaf.fail_op == op || leaf.fail_op == TEST_OP_ANY) &&
        leaf.fail_in != UINT64_MAX) {
        hit = leaf.fail_in == 0;
        leaf.fail_in = hit ? UINT64_MAX : leaf.fail_in - 1;
        leaf.fired |= hit;
    }
    g_mutex_unlock(&leaf.lock);
    return !hit ||
           vd_throw_errno(error, leaf.fail_errno,
                          "%s: failure made by the test", vd_node_name(node));
}

static void
change_free(gpointer data)
{
    TestChange *change = data;

    g_free(change->file);
    if (change->data)
        g_bytes_unref(change->data);
    g_free(change);
}

static void
leaf_add_change(VdNode *node, VdWriteLogRecord record, GBytes *data)
{
    TestChange *change = g_new0(TestChange, 1);

    change->record = record;
    change->file = g_path_get_basename(vd_node_name(node));
    change->data = data;
    if (data)
        change->record.data = g_bytes_get_data(data, NULL);
    g_ptr_array_add(leaf.changes, change);
}

/* Record what is about to be done; returns its id. */
static uint64_t
leaf_begin(VdNode *node, VdWriteLogRecord record, const VioVec *src)
{
    GBytes *data = NULL;

    g_mutex_lock(&leaf.lock);
    record.id = leaf.next_id++;
    if (leaf.changes) {
        if (src) {
            uint8_t *copy = g_malloc(src->len);

            vio_vec_copy_out(src, copy);
            data = g_bytes_new_take(copy, src->len);
        }
        leaf_add_change(node, record, data);
    }
    g_mutex_unlock(&leaf.lock);
    return record.id;
}

static bool
leaf_end(VdNode *node, uint64_t id, bool ok)
{
    VdWriteLogRecord record = {
        .type = ok ? VD_WRITE_LOG_DONE : VD_WRITE_LOG_FAILED,
        .id = id,
    };

    g_mutex_lock(&leaf.lock);
    if (leaf.changes)
        leaf_add_change(node, record, NULL);
    g_mutex_unlock(&leaf.lock);
    return ok;
}

/* -- the driver -------------------------------------------------------------
 */

static bool
leaf_co_open(VdNode *node, VdOptions *opts, GError **error)
{
    const char *path = vd_options_peek(opts, "filename");

    vd_node_set_name(node, path ? path : "file");
    return leaf_pass(node, TEST_OP_OPEN, error) &&
           vd_file_driver.co_open(node, opts, error);
}

static bool
leaf_co_preadv(VdNode *node, uint64_t off, const VioVec *dst, GError **error)
{
    return leaf_pass(node, TEST_OP_READ, error) &&
           vd_file_driver.co_preadv(node, off, dst, error);
}

static bool
leaf_co_pwritev(VdNode *node, uint64_t off, const VioVec *src, VdReqFlags flags,
                GError **error)
{
    VdWriteLogRecord record = {
        .type = VD_WRITE_LOG_WRITE,
        .off = off,
        .len = src->len,
        .flags = flags,
    };
    uint64_t id;

    if (!leaf_pass(node, TEST_OP_WRITE, error))
        return false;
    id = leaf_begin(node, record, src);
    return leaf_end(node, id,
                    vd_file_driver.co_pwritev(node, off, src, flags, error));
}

static bool
leaf_co_write_zeroes(VdNode *node, uint64_t off, uint64_t len, VdReqFlags flags,
                     GError **error)
{
    VdWriteLogRecord record = {
        .type = VD_WRITE_LOG_ZEROES,
        .off = off,
        .len = len,
        .flags = flags,
    };
    uint64_t id;

    if (!leaf_pass(node, TEST_OP_ZEROES, error))
        return false;
    id = leaf_begin(node, record, NULL);
    return leaf_end(
        node, id, vd_file_driver.co_write_zeroes(node, off, len, flags, error));
}

static bool
leaf_co_discard(VdNode *node, uint64_t off, uint64_t len, GError **error)
{
    VdWriteLogRecord record = {
        .type = VD_WRITE_LOG_DISCARD,
        .off = off,
        .len = len,
    };
    uint64_t id;

    if (!leaf_pass(node, TEST_OP_DISCARD, error))
        return false;
    id = leaf_begin(node, record, NULL);
    return leaf_end(node, id, vd_file_driver.co_discard(node, off, len, error));
}

static bool
leaf_co_flush_to_disk(VdNode *node, GError **error)
{
    VdWriteLogRecord record = {.type = VD_WRITE_LOG_FLUSH};
    uint64_t id;

    if (!leaf_pass(node, TEST_OP_FLUSH, error))
        return false;
    id = leaf_begin(node, record, NULL);
    return leaf_end(node, id, vd_file_driver.co_flush_to_disk(node, error));
}

static bool
leaf_co_truncate(VdNode *node, uint64_t size, VdPrealloc prealloc,
                 GError **error)
{
    VdWriteLogRecord record = {.type = VD_WRITE_LOG_TRUNCATE, .len = size};
    uint64_t id;

    if (!leaf_pass(node, TEST_OP_TRUNCATE, error))
        return false;
    id = leaf_begin(node, record, NULL);
    return leaf_end(node, id,
                    vd_file_driver.co_truncate(node, size, prealloc, error));
}

/* -- control ----------------------------------------------------------------
 */

void
test_leaf_install(void)
{
    guint n = 0;

    g_assert_null(leaf.table);
    leaf.driver = vd_file_driver;
    leaf.driver.co_open = leaf_co_open;
    leaf.driver.co_preadv = leaf_co_preadv;
    leaf.driver.co_pwritev = leaf_co_pwritev;
    leaf.driver.co_write_zeroes = leaf_co_write_zeroes;
    leaf.driver.co_discard = leaf_co_discard;
    leaf.driver.co_flush_to_disk = leaf_co_flush_to_disk;
    leaf.driver.co_truncate = leaf_co_truncate;
    leaf.driver.co_copy_range = NULL; /* they would bypass the record */
    leaf.driver.co_copy_window = NULL;
    leaf.saved = vd_registry_table();
    while (leaf.saved[n])
        n++;
    leaf.table = g_new0(const VdDriver *, n + 1);
    for (guint i = 0; i < n; i++)
        leaf.table[i] =
            leaf.saved[i] == &vd_file_driver ? &leaf.driver : leaf.saved[i];
    vd_registry_set(leaf.table);
    test_leaf_reset_counts();
    test_leaf_clear_fault();
}

void
test_leaf_remove(void)
{
    vd_registry_set(leaf.saved);
    g_clear_pointer(&leaf.table, g_free);
    g_clear_pointer(&leaf.changes, g_ptr_array_unref);
}

uint64_t
test_leaf_count(TestOp op)
{
    uint64_t sum = 0;

    g_mutex_lock(&leaf.lock);
    for (TestOp i = 0; i < TEST_OP_ANY; i++)
        sum += op == i || op == TEST_OP_ANY ? leaf.counts[i] : 0;
    g_mutex_unlock(&leaf.lock);
    return sum;
}

void
test_leaf_reset_counts(void)
{
    g_mutex_lock(&leaf.lock);
    for (TestOp i = 0; i < TEST_OP_ANY; i++)
        leaf.counts[i] = 0;
    g_mutex_unlock(&leaf.lock);
}

void
test_leaf_fail_nth(TestOp op, uint64_t nth, int errnum)
{
    g_mutex_lock(&leaf.lock);
    leaf.fail_op = op;
    leaf.fail_in = nth;
    leaf.fail_errno = errnum;
    leaf.fired = false;
    g_mutex_unlock(&leaf.lock);
}

bool
test_leaf_fault_fired(void)
{
    bool fired;

    g_mutex_lock(&leaf.lock);
    fired = leaf.fired;
    g_mutex_unlock(&leaf.lock);
    return fired;
}

void
test_leaf_clear_fault(void)
{
    test_leaf_fail_nth(TEST_OP_ANY, UINT64_MAX, 0);
}

void
test_leaf_record(void)
{
    g_mutex_lock(&leaf.lock);
    g_assert_null(leaf.changes);
    leaf.changes = g_ptr_array_new_with_free_func(change_free);
    g_mutex_unlock(&leaf.lock);
}

void
test_leaf_mark(uint64_t mark)
{
    TestChange *change = g_new0(TestChange, 1);

    change->mark = mark;
    g_mutex_lock(&leaf.lock);
    g_ptr_array_add(leaf.changes, change);
    g_mutex_unlock(&leaf.lock);
}

GPtrArray *
test_leaf_record_end(void)
{
    GPtrArray *changes;

    g_mutex_lock(&leaf.lock);
    changes = g_steal_pointer(&leaf.changes);
    g_mutex_unlock(&leaf.lock);
    return changes;
}

GPtrArray *
test_changes_load(const char *path, const char *const *files)
{
    GPtrArray *changes = g_ptr_array_new_with_free_func(change_free);
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) all = NULL;
    char *text;
    gsize size, at = 0;

    g_file_get_contents(path, &text, &size, &error);
    g_assert_no_error(error);
    all = g_bytes_new_take(text, size);
    while (at < size) {
        TestChange *change = g_new0(TestChange, 1);
        size_t n = vd_write_log_decode((const uint8_t *) text + at, size - at,
                                       &change->record, &error);

        g_assert_no_error(error);
        change->file = g_strdup(files[change->record.tag]);
        change->data = g_bytes_ref(all);
        g_ptr_array_add(changes, change);
        at += n;
    }
    return changes;
}
