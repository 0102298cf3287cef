/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vmdk-write.c - how a sparse extent writes: requests to the
 * file, their order, what overlaps, what stays untouched. */
#include "block/drivers.h"
#include "block/registry.h"
#include "io/op.h"
#include "tests/support/leaf.h"
#include "tests/unit/vmdk-test.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define GRAIN (64 * KIB)

static VdNode *
make_and_open(TestCo *t, uint64_t size, const char *options)
{
    vmdk_test_create(t, "d.vmdk", size, options);
    return vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR | VD_OPEN_UNMAP);
}

static void
flush(VdNode *node)
{
    g_autoptr(GError) error = NULL;

    vd_node_co_flush(node, &error);
    g_assert_no_error(error);
}

static VmdkSparse *
sparse_of(VdNode *node)
{
    return vmdk_test_state(node)->extents[0].sparse;
}

/* -- requests
 * --------------------------------------------------------------------- */

/* In one request. */
static void
write_mib(VdNode *node, uint64_t off)
{
    g_autofree char *buf = g_malloc(MIB);
    g_autoptr(GError) error = NULL;

    test_pattern_fill(buf, MIB, off, 1);
    vd_node_co_pwrite(node, off, buf, MIB, &error);
    g_assert_no_error(error);
}

static void
test_sequential_allocation_is_one_write_a_request(TestCo *t)
{
    VdNode *node;

    test_leaf_install();
    node = make_and_open(t, 256 * MIB, "");
    write_mib(node, 0); /* content id, mark, table */
    test_leaf_reset_counts();
    for (unsigned i = 1; i < 128; i++)
        write_mib(node, i * MIB);
    g_assert_cmpuint(test_leaf_count(TEST_OP_WRITE), ==, 127);
    g_assert_cmpuint(test_leaf_count(TEST_OP_FLUSH), ==, 0);
    test_leaf_reset_counts();
    flush(node);
    g_assert_cmpuint(test_leaf_count(TEST_OP_WRITE), ==, 2); /* GTs, RGTs */
    g_assert_cmpuint(test_leaf_count(TEST_OP_FLUSH), ==, 2);
    test_leaf_reset_counts();
    flush(node);
    g_assert_cmpuint(test_leaf_count(TEST_OP_ANY), ==, 0);
    test_co_close(node);
    test_leaf_remove();
}

/* Where new grains go is known without reading tables that are holes. */
static void
test_first_grain_of_an_empty_disk_reads_little(TestCo *t)
{
    VdNode *node;

    test_leaf_install();
    node = make_and_open(t, 1024 * GIB, "");
    test_leaf_reset_counts();
    write_mib(node, 700 * GIB);
    g_assert_cmpuint(test_leaf_count(TEST_OP_READ), <, 10);
    test_co_close(node);
    test_leaf_remove();
}

static void
test_partial_grain_is_one_write(TestCo *t)
{
    VdNode *node;

    vmdk_test_create(t, "base.vmdk", 8 * MIB, "");
    node = vmdk_test_open(t, "base.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, 4 * GRAIN, 1);
    test_co_close(node);
    vmdk_test_create_child(t, "c.vmdk", 8 * MIB, "", "base.vmdk");
    test_leaf_install();
    node = vmdk_test_open(t, "c.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, 4 * MIB, 512, 1);
    test_leaf_reset_counts();
    test_co_write_pattern(node, GRAIN + 512, 2 * GRAIN, 2);
    g_assert_cmpuint(test_leaf_count(TEST_OP_WRITE), ==, 1);
    test_co_close(node);
    test_leaf_remove();
}

static void
test_reading_changes_nothing(TestCo *t)
{
    g_autofree char *before = NULL, *after = NULL;
    size_t len, len2;
    VdNode *node = make_and_open(t, 8 * MIB, "");

    test_co_write_pattern(node, 0, MIB, 1);
    test_co_close(node);
    before = vmdk_test_read_file(t, "d.vmdk", &len);
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    test_co_assert_pattern(node, 0, MIB, 1);
    flush(node);
    test_co_close(node);
    after = vmdk_test_read_file(t, "d.vmdk", &len2);
    g_assert_cmpmem(before, len, after, len2);
}

static void
test_unclean_mark_stands_while_open(TestCo *t)
{
    VdNode *node = make_and_open(t, 8 * MIB, "");

    g_assert_cmphex(vmdk_test_peek32(t, "d.vmdk", 72) & 0xff, ==, 0);
    test_co_write_pattern(node, 0, 512, 1);
    g_assert_cmphex(vmdk_test_peek32(t, "d.vmdk", 72) & 0xff, ==, 1);
    flush(node);
    g_assert_cmphex(vmdk_test_peek32(t, "d.vmdk", 72) & 0xff, ==, 1);
    test_co_close(node);
    g_assert_cmphex(vmdk_test_peek32(t, "d.vmdk", 72) & 0xff, ==, 0);
}

static void
test_last_grain_is_whole_in_the_file(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "d.vmdk");
    VdNode *node = make_and_open(t, 8 * MIB + 512, "");

    test_co_write_pattern(node, 8 * MIB, 512, 1);
    test_co_close(node);
    g_assert_cmpuint(test_file_size(path), ==, 128 * 512 + GRAIN);
}

/* -- order
 * ------------------------------------------------------------------------------
 */

/* What a change went to, by its place in a 10 MiB disk. */
static char
class_of(const TestChange *change)
{
    const VdWriteLogRecord *r = &change->record;

    switch (r->type) {
    case VD_WRITE_LOG_FLUSH:
        return 'F';
    case VD_WRITE_LOG_WRITE:
        return r->off == 0           ? 'H'
               : r->off == 512       ? 'D'
               : r->off == 27 * 512  ? 'G'
               : r->off == 22 * 512  ? 'R'
               : r->off >= 128 * 512 ? 'd'
                                     : '?';
    case VD_WRITE_LOG_TRUNCATE:
        return 'T';
    case VD_WRITE_LOG_DISCARD:
        return 'P';
    case VD_WRITE_LOG_ZEROES:
        return 'Z';
    default:
        return 0;
    }
}

static void
assert_order(const char *wanted)
{
    g_autoptr(GPtrArray) changes = test_leaf_record_end();
    g_autoptr(GString) order = g_string_new(NULL);

    for (unsigned i = 0; i < changes->len; i++) {
        char c = class_of(g_ptr_array_index(changes, i));

        if (c)
            g_string_append_c(order, c);
    }
    g_assert_cmpstr(order->str, ==, wanted);
}

static void
test_order_of_a_session(TestCo *t)
{
    VdNode *node;

    test_leaf_install();
    node = make_and_open(t, 10 * MIB, "");
    test_leaf_record();
    test_co_write_pattern(node, 0, GRAIN, 1);
    test_co_write_pattern(node, GRAIN, GRAIN, 1);
    flush(node);
    test_co_close(node);
    /* descriptor (content id), barrier, unclean mark, data; barrier, tables;
     * the flush's own barrier; the clean mark last. */
    assert_order("DFHddFGRFH");
    test_leaf_remove();
}

static void
test_tables_wait_for_data_at_close(TestCo *t)
{
    VdNode *node;

    test_leaf_install();
    node = make_and_open(t, 10 * MIB, "");
    test_leaf_record();
    test_co_write_pattern(node, 0, GRAIN, 1);
    test_co_close(node);
    assert_order("DFHdFGRFH");
    test_leaf_remove();
}

static void
test_discarded_grain_is_punched_after_its_entry(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "d.vmdk");
    g_autoptr(GError) error = NULL;
    uint64_t before;
    VdNode *node;

    test_leaf_install();
    node = make_and_open(t, 10 * MIB, "");
    test_co_write_pattern(node, 0, 8 * GRAIN, 1);
    flush(node);
    before = test_file_allocated(path);
    test_leaf_record();
    vd_node_co_discard(node, GRAIN, 4 * GRAIN, &error);
    g_assert_no_error(error);
    test_co_assert_zero(node, GRAIN, 4 * GRAIN);
    g_assert_cmpuint(test_file_allocated(path), ==, before);
    flush(node);
    assert_order("GRFPF");
    g_assert_cmpuint(test_file_allocated(path), <=, before - 4 * GRAIN);
    test_co_assert_pattern(node, 5 * GRAIN, 3 * GRAIN, 1);
    test_co_close(node);
    test_leaf_remove();
}

static void
test_zeroes_over_a_parent_take_no_data(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "c.vmdk");
    g_autoptr(GError) error = NULL;
    VdNode *node;

    vmdk_test_create(t, "base.vmdk", 64 * MIB, "");
    node = vmdk_test_open(t, "base.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, 64 * MIB, 1);
    test_co_close(node);
    vmdk_test_create_child(t, "c.vmdk", 64 * MIB, "", "base.vmdk");
    node = vmdk_test_open(t, "c.vmdk", VD_OPEN_RDWR);
    vd_node_co_write_zeroes(node, 0, 64 * MIB, 0, &error);
    g_assert_no_error(error);
    test_co_close(node);
    g_assert_cmpuint(test_file_allocated(path), <, MIB);
    node = vmdk_test_open(t, "c.vmdk", 0);
    test_co_assert_zero(node, 0, 64 * MIB);
    vmdk_test_assert_sound(node, false);
    test_co_close(node);
}

/* -- write-back that fails
 * -------------------------------------------------------------- */

/* What is in the files, as after a power failure. */
static void
assert_survives(TestCo *t, uint64_t len, uint32_t seed)
{
    char *copy = test_dir_new();
    TestCo other = *t;
    VdNode *node;

    test_dir_copy(t->dir, copy);
    other.dir = copy;
    node = vmdk_test_open(&other, "d.vmdk", 0);
    test_co_assert_pattern(node, 0, len, seed);
    vmdk_test_assert_sound(node, true);
    test_co_close(node);
    test_dir_remove(copy);
}

static bool
flush_fails_at(VdNode *node, TestOp op, uint64_t nth, VdErrorCode code)
{
    g_autoptr(GError) error = NULL;
    bool fired;

    test_leaf_fail_nth(op, nth, code == VD_ERROR_NO_SPACE ? ENOSPC : EIO);
    (void) vd_node_co_flush(node, &error);
    fired = test_leaf_fault_fired();
    test_leaf_clear_fault();
    if (fired)
        g_assert_error(error, VD_ERROR, (int) code);
    return fired;
}

/* ENOSPC for each write of a flush in turn; with room again the same flush
 * brings everything to disk. */
static void
test_flush_after_a_full_disk_writes_all(TestCo *t)
{
    uint64_t nth = 0;
    bool fired = true;

    test_leaf_install();
    for (; fired; nth++) {
        VdNode *node = make_and_open(t, 40 * MIB, "grain_size=4k");
        uint32_t seed = (uint32_t) nth + 1;

        test_co_write_pattern(node, 0, 5 * MIB, seed); /* three tables */
        fired = flush_fails_at(node, TEST_OP_WRITE, nth, VD_ERROR_NO_SPACE);
        test_co_assert_pattern(node, 0, 5 * MIB, seed);
        flush(node);
        assert_survives(t, 5 * MIB, seed);
        test_co_close(node);
    }
    g_assert_cmpuint(nth, >, 2);
    test_leaf_remove();
}

/* After a failed fdatasync nobody knows what is on disk: all that follow fail
 * too, and the disk is not marked clean. */
static void
test_failed_barrier_is_never_forgotten(TestCo *t)
{
    g_autoptr(GError) error = NULL;
    VdNode *node;

    test_leaf_install();
    node = make_and_open(t, 10 * MIB, "");
    test_co_write_pattern(node, 0, GRAIN, 1);
    g_assert_true(flush_fails_at(node, TEST_OP_FLUSH, 0, VD_ERROR_IO));
    g_assert_false(vd_node_co_flush(node, NULL));
    g_assert_false(vd_node_co_close(node, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_IO);
    g_assert_cmphex(vmdk_test_peek32(t, "d.vmdk", 72) & 0xff, ==, 1);
    g_assert_cmpuint(vmdk_test_peek32(t, "d.vmdk", 27 * 512), ==, 0);
    test_leaf_remove();
}

/* -- limits
 * --------------------------------------------------------------------------------
 */

static void
test_file_of_2_tib_is_full(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "d.vmdk");
    g_autoptr(GError) error = NULL;
    char buf[512] = {1};
    VdNode *node = make_and_open(t, 10 * MIB, "");

    test_co_write_pattern(node, 0, GRAIN, 1);
    test_co_close(node);
    if (truncate(path, (off_t) (2048 * GIB - GRAIN)) < 0) {
        g_test_skip("no files of 2 TiB here");
        return;
    }
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, GRAIN, 2); /* in place */
    g_assert_false(vd_node_co_pwrite(node, 4 * MIB, buf, sizeof(buf), &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_NO_SPACE);
    test_co_assert_zero(node, 4 * MIB, GRAIN);
    test_co_assert_pattern(node, 0, GRAIN, 2);
    test_co_close(node);
}

static void
test_memory_for_tables_is_bounded(TestCo *t)
{
    VdTableCache *cache = vd_table_cache_ref(t->loop);
    char buf[512] = {1};
    g_autoptr(GError) error = NULL;
    uint64_t stride = 2 * MIB; /* one table of 4 KiB grains */
    unsigned n = 6000;
    VdNode *node = make_and_open(t, n * stride, "grain_size=4k");

    vd_table_cache_set_limit(cache, 4 * MIB);
    for (unsigned i = 0; i < n; i++) {
        vd_node_co_pwrite(node, i * stride, buf, sizeof(buf), &error);
        g_assert_no_error(error);
        g_assert_cmpuint(vd_table_cache_dirty_bytes(cache), <=,
                         VMDK_DIRTY_BYTES + 4096);
    }
    g_assert_cmpuint(vd_table_cache_bytes(cache), <=,
                     VMDK_DIRTY_BYTES + 4 * MIB);
    flush(node);
    g_assert_cmpuint(vd_table_cache_dirty_bytes(cache), ==, 0);
    for (unsigned i = 0; i < n; i += 7) {
        vd_node_co_pread(node, i * stride, buf, sizeof(buf), &error);
        g_assert_no_error(error);
        g_assert_cmpint(buf[0], ==, 1);
    }
    g_assert_cmpuint(vd_table_cache_bytes(cache), <=, 4 * MIB + 1 * MIB);
    vmdk_test_assert_sound(node, false);
    test_co_close(node);
    vd_table_cache_unref(cache);
}

/* -- map
 * ------------------------------------------------------------------------------------
 */

static void
map(VdNode *node, uint64_t off, uint64_t len, VdRun *run)
{
    g_autoptr(GError) error = NULL;

    vd_node_co_map(node, off, len, VD_WANT_DEFAULT, run, &error);
    g_assert_no_error(error);
}

static void
test_map_answers_are_long(TestCo *t)
{
    VdNode *node = make_and_open(t, 1024 * GIB, "");
    VdRun run;
    unsigned calls = 0;

    for (uint64_t off = 0; off < 1024 * GIB; off += run.len, calls++) {
        map(node, off, 1024 * GIB - off, &run);
        g_assert_cmpint(run.kind, ==, VD_RUN_PARENT);
    }
    g_assert_cmpuint(calls, <=, 80);
    test_co_write_pattern(node, 31 * MIB, 3 * MIB, 1);
    map(node, 31 * MIB, 512 * GIB, &run);
    g_assert_cmpint(run.kind, ==, VD_RUN_DATA);
    g_assert_cmpuint(run.len, ==, 3 * MIB); /* across two tables */
    map(node, 34 * MIB, 1024 * GIB - 34 * MIB, &run);
    g_assert_cmpint(run.kind, ==, VD_RUN_PARENT);
    g_assert_cmpuint(run.len, ==, 1024 * GIB - 34 * MIB);
    test_co_close(node);
}

static void
test_map_names_the_bytes_that_are_read(TestCo *t)
{
    VdNode *node = make_and_open(t, 20 * MIB + 512, "grain_size=16k");
    g_autoptr(GError) error = NULL;
    g_autofree char *direct = g_malloc(20 * MIB + 512);
    g_autofree char *read = g_malloc(20 * MIB + 512);
    VdRun run;

    for (unsigned i = 0; i < 40; i++)
        test_co_write_pattern(node, (i * 37 % 40) * 512 * KIB + i * 512,
                              1 + i * 4099, i);
    test_co_write_pattern(node, 20 * MIB, 512, 1);
    for (uint64_t off = 0; off < 20 * MIB + 512; off += run.len) {
        map(node, off, 20 * MIB + 512 - off, &run);
        if (run.kind == VD_RUN_DATA)
            vd_node_co_pread(run.child, run.child_off, direct + off, run.len,
                             &error);
        else
            memset(direct + off, 0, run.len);
        g_assert_no_error(error);
    }
    vd_node_co_pread(node, 0, read, 20 * MIB + 512, &error);
    g_assert_no_error(error);
    g_assert_cmpmem(read, 20 * MIB + 512, direct, 20 * MIB + 512);
    test_co_close(node);
}

static bool
read_one(void *arg, GError **error)
{
    char buf[512];

    return vd_node_co_pread(arg, 0, buf, sizeof(buf), error);
}

static void
test_a_table_is_loaded_once(TestCo *t)
{
    g_autoptr(VioCoGroup) group = vio_co_group_new(8);
    g_autoptr(GError) error = NULL;
    VdNode *node = make_and_open(t, 8 * MIB, "");

    for (unsigned i = 0; i < 8; i++)
        vio_co_group_spawn(group, read_one, node, NULL);
    vio_co_group_join(group, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(sparse_of(node)->tables->stats.loads, ==, 1);
    test_co_close(node);
}

/* -- overlapping: a file that holds writes back
 * -------------------------------------------- */

static struct {
    bool closed;
    unsigned waiting;
    VioCoQueue queue;
} gate;

static bool
gate_co_open(VdNode *node, VdOptions *opts, GError **error)
{
    VdNode *file = vd_node_co_open_child(node, "file", NULL, opts,
                                         vd_node_flags(node), error);

    if (file)
        vd_node_set_size(node, vd_node_size(file));
    return file;
}

static bool
gate_co_preadv(VdNode *node, uint64_t off, const VioVec *dst, GError **error)
{
    return vd_node_co_preadv(vd_node_child(node, "file"), off, dst, error);
}

static bool
gate_co_pwritev(VdNode *node, uint64_t off, const VioVec *src, VdReqFlags flags,
                GError **error)
{
    if (gate.closed) {
        gate.waiting++;
        vio_co_queue_wait(&gate.queue);
        gate.waiting--;
    }
    return vd_node_co_pwritev(vd_node_child(node, "file"), off, src, flags,
                              error);
}

static bool
gate_co_truncate(VdNode *node, uint64_t size, VdPrealloc prealloc,
                 GError **error)
{
    return vd_node_co_truncate(vd_node_child(node, "file"), size, prealloc,
                               error);
}

static const VdDriver gate_driver = {
    VD_DRIVER_HEADER,
    .name = "gate",
    .kind = VD_DRIVER_FILTER,
    .co_open = gate_co_open,
    .co_preadv = gate_co_preadv,
    .co_pwritev = gate_co_pwritev,
    .co_truncate = gate_co_truncate,
};

static VdNode *
open_gated(TestCo *t)
{
    static const VdDriver *const table[] = {&vd_file_driver, &gate_driver,
                                            &vd_vmdk_driver, NULL};
    g_autofree char *path = test_co_path(t, "d.vmdk");
    g_autofree char *options = g_strdup_printf(
        "driver=vmdk,file.driver=gate,file.file.filename=%s", path);

    vmdk_test_create(t, "d.vmdk", 64 * MIB, "");
    vd_registry_set(table);
    memset(&gate, 0, sizeof(gate));
    return test_co_open(t, options, VD_OPEN_RDWR);
}

typedef struct {
    VdNode *node;
    uint64_t off, len;
    uint32_t seed;
    bool done;
} Write;

static void
write_main(void *opaque)
{
    Write *w = opaque;

    test_co_write_pattern(w->node, w->off, w->len, w->seed);
    w->done = true;
}

static void
start(TestCo *t, Write *w)
{
    vio_co_start(t->loop, write_main, w);
}

static void
settle(void)
{
    for (unsigned i = 0; i < 50; i++)
        vio_co_reschedule();
}

static void
open_gate(Write *writes, unsigned n)
{
    gate.closed = false;
    vio_co_queue_wake_all(&gate.queue);
    for (unsigned i = 0; i < n; i++)
        while (!writes[i].done)
            vio_co_sleep(vio_co_loop(), 1000000, NULL);
}

static void
test_allocations_of_different_grains_overlap(TestCo *t)
{
    VdNode *node = open_gated(t);
    Write w[2] = {{node, MIB, 4096, 1, false},
                  {node, 40 * MIB, 3 * GRAIN, 2, false}};

    test_co_write_pattern(node, 0, GRAIN, 9);
    test_co_assert_zero(node, 40 * MIB, GRAIN); /* tables are loaded */
    gate.closed = true;
    start(t, &w[0]);
    start(t, &w[1]);
    settle();
    g_assert_cmpuint(gate.waiting, ==, 2);     /* both are writing data */
    test_co_assert_pattern(node, 0, GRAIN, 9); /* reads wait for nobody */
    test_co_assert_zero(node, MIB, GRAIN);     /* not written yet */
    open_gate(w, 2);
    test_co_assert_pattern(node, MIB, 4096, 1);
    test_co_assert_pattern(node, 40 * MIB, 3 * GRAIN, 2);
    vmdk_test_assert_sound(node, false);
    test_co_close(node);
}

static void
test_writes_to_one_new_grain_share_it(TestCo *t)
{
    VdNode *node = open_gated(t);
    Write w[3] = {{node, MIB, 4096, 1, false},
                  {node, MIB + 8192, 4096, 2, false},
                  {node, MIB + 60 * KIB, 2 * GRAIN, 3, false}};

    test_co_write_pattern(node, 0, GRAIN, 9);
    gate.closed = true;
    for (unsigned i = 0; i < 3; i++)
        start(t, &w[i]);
    settle();
    g_assert_cmpuint(gate.waiting, ==, 1); /* the others wait for its grain */
    open_gate(w, 3);
    test_co_assert_pattern(node, MIB, 4096, 1);
    test_co_assert_zero(node, MIB + 4096, 4096);
    test_co_assert_pattern(node, MIB + 8192, 4096, 2);
    test_co_assert_pattern(node, MIB + 60 * KIB, 2 * GRAIN, 3);
    vmdk_test_assert_sound(node, false); /* no grain was placed twice */
    test_co_close(node);
}

static void
test_a_flush_takes_only_what_is_written(TestCo *t)
{
    VdNode *node = open_gated(t);
    Write w[1] = {{node, MIB, 4096, 1, false}};
    VdNode *other;

    test_co_write_pattern(node, 0, GRAIN, 9);
    gate.closed = true;
    start(t, &w[0]);
    settle();
    g_assert_cmpuint(gate.waiting, ==, 1);
    /* Its entry must not be set while its data are held back. */
    g_assert_cmpuint(
        vmdk_table_entry(sparse_of(node)->tables->slot[0], MIB / GRAIN), ==, 0);
    open_gate(w, 1);
    flush(node);
    test_co_close(node);
    other = vmdk_test_open(t, "d.vmdk", 0);
    test_co_assert_pattern(other, MIB, 4096, 1);
    test_co_close(other);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, fn) test_co_add("/vmdk/write/" path, fn)
    ADD("one-write-a-request",
        test_sequential_allocation_is_one_write_a_request);
    ADD("partial-grain", test_partial_grain_is_one_write);
    ADD("reading-changes-nothing", test_reading_changes_nothing);
    ADD("unclean-mark", test_unclean_mark_stands_while_open);
    ADD("last-grain", test_last_grain_is_whole_in_the_file);
    ADD("order", test_order_of_a_session);
    ADD("order-at-close", test_tables_wait_for_data_at_close);
    ADD("punch", test_discarded_grain_is_punched_after_its_entry);
    ADD("zeroes-over-parent", test_zeroes_over_a_parent_take_no_data);
    ADD("2-tib-file", test_file_of_2_tib_is_full);
    ADD("bounded-memory", test_memory_for_tables_is_bounded);
    ADD("long-map-answers", test_map_answers_are_long);
    ADD("map-and-read", test_map_names_the_bytes_that_are_read);
    ADD("table-loaded-once", test_a_table_is_loaded_once);
    ADD("overlap", test_allocations_of_different_grains_overlap);
    ADD("one-grain", test_writes_to_one_new_grain_share_it);
    ADD("flush-meanwhile", test_a_flush_takes_only_what_is_written);
    ADD("flush-after-full-disk", test_flush_after_a_full_disk_writes_all);
    ADD("failed-barrier", test_failed_barrier_is_never_forgotten);
    ADD("first-grain", test_first_grain_of_an_empty_disk_reads_little);
#undef ADD
    return g_test_run();
}
