/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-block-rw.c - the one door: reads, writes, alignment, sizes;
 * checked against an array of bytes. */
#include <string.h>

#include "block/drivers.h"
#include "io/op.h"
#include "tests/unit/block-test.h"

#define DISK BLOCK_TEST_DISK

/* -- limits ---------------------------------------------------------------- */

static void
test_reads_inside_only(TestCo *t)
{
    VdNode *node = block_test_open_disk(t, 0);
    uint8_t buf[16];
    g_autoptr(GError) error = NULL, wrap = NULL;

    g_assert_true(vd_node_co_pread(node, DISK - 16, buf, 16, NULL));
    g_assert_false(vd_node_co_pread(node, DISK - 15, buf, 16, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_OUT_OF_RANGE);
    g_assert_false(vd_node_co_pread(node, UINT64_MAX - 3, buf, 16, &wrap));
    g_assert_error(wrap, VD_ERROR, VD_ERROR_OUT_OF_RANGE);
    test_co_close(node);
}

static void
test_writes_inside_only(TestCo *t)
{
    VdNode *node = block_test_open_disk(t, VD_OPEN_RDWR);
    uint8_t buf[16] = {0};
    g_autoptr(GError) error = NULL;

    g_assert_false(vd_node_co_pwrite(node, DISK - 15, buf, 16, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_OUT_OF_RANGE);
    g_assert_cmpuint(ram_store("d")->events->len, ==, 0);
    test_co_close(node);
}

static void
test_empty_requests_do_nothing(TestCo *t)
{
    VdNode *node = block_test_open_disk(t, VD_OPEN_RDWR | VD_OPEN_UNMAP);

    g_assert_true(vd_node_co_pread(node, 3, NULL, 0, NULL));
    g_assert_true(vd_node_co_pwrite(node, DISK, NULL, 0, NULL));
    g_assert_true(vd_node_co_write_zeroes(node, 3, 0, 0, NULL));
    g_assert_true(vd_node_co_discard(node, 3, 0, NULL));
    g_assert_cmpuint(ram_store("d")->events->len, ==, 0);
    test_co_close(node);
}

static void
test_read_only_refuses_changes(TestCo *t)
{
    VdNode *node = block_test_open_disk(t, VD_OPEN_UNMAP);
    uint8_t buf[16] = {0};

    for (unsigned i = 0; i < 4; i++) {
        g_autoptr(GError) error = NULL;
        bool ok = i == 0   ? vd_node_co_pwrite(node, 0, buf, 16, &error)
                  : i == 1 ? vd_node_co_write_zeroes(node, 0, 16, 0, &error)
                  : i == 2 ? vd_node_co_discard(node, 0, 16, &error)
                           : vd_node_co_truncate(node, 16, 0, &error);

        g_assert_false(ok);
        g_assert_error(error, VD_ERROR, VD_ERROR_READ_ONLY);
    }
    g_assert_true(vd_node_co_flush(node, NULL));
    g_assert_cmpuint(ram_store("d")->events->len, ==, 0);
    test_co_close(node);
}

static void
test_read_behind_the_end_gives_zeroes_if_asked(TestCo *t)
{
    VdNode *node = block_test_open_disk(t, 0);
    uint8_t buf[32];
    struct iovec iov;
    VioVec dst = vio_vec_from_buf(&iov, buf, sizeof(buf));

    memset(buf, 0xee, sizeof(buf));
    g_assert_true(vd_node_co_preadv_eof(node, DISK - 8, &dst, NULL));
    for (unsigned i = 0; i < 32; i++)
        g_assert_cmpint(buf[i], ==, i < 8 ? toy_byte(1, DISK - 8 + i) : 0);
    memset(buf, 0xee, sizeof(buf));
    g_assert_true(vd_node_co_preadv_eof(node, DISK + 1000, &dst, NULL));
    g_assert_cmpint(buf[0] | buf[31], ==, 0);
    test_co_close(node);
}

/* -- oracle ---------------------------------------------------------------- */

typedef struct {
    uint32_t align, mem_align;
    uint64_t max_transfer, zeroes_align, size;
    VdOpenFlags flags;
    bool can_zero;
} Shape;

/* A scattered view of @buf in up to five elements. */
static VioVec
scatter(GRand *rand, struct iovec iov[5], uint8_t *buf, size_t len)
{
    size_t done = 0;
    int n = 0;

    while (n < 4 && done < len) {
        size_t part = g_rand_int_range(rand, 0, len - done + 1);

        iov[n++] = (struct iovec){buf + done, part};
        done += part;
    }
    iov[n++] = (struct iovec){buf + done, len - done};
    return vio_vec_from_iov(iov, n);
}

static void
random_request(VdNode *node, GRand *rand, uint8_t *model, uint8_t *buf)
{
    uint64_t size = vd_node_size(node);
    uint64_t off = g_rand_int_range(rand, 0, size);
    size_t len = g_rand_int_range(rand, 1, MIN(size - off, 40000) + 1);
    int mem = g_rand_int_range(rand, 0, 16);
    struct iovec iov[5];
    VioVec vec;
    g_autoptr(GError) error = NULL;

    if (g_rand_boolean(rand)) {
        off = off / 512 * 512;
        len = MIN((len + 511) / 512 * 512, size - off);
    }
    vec = scatter(rand, iov, buf + mem, len);
    switch (g_rand_int_range(rand, 0, 4)) {
    case 0:
        for (size_t i = 0; i < len; i++)
            buf[mem + i] = g_rand_int(rand);
        memcpy(model + off, buf + mem, len);
        vd_node_co_pwritev(node, off, &vec, 0, &error);
        break;
    case 1:
        memset(buf + mem, 0, len);
        memset(model + off, 0, len);
        vd_node_co_pwritev(node, off, &vec, VD_REQ_FUA, &error);
        break;
    case 2:
        memset(model + off, 0, len);
        vd_node_co_write_zeroes(node, off, len, VD_REQ_MAY_UNMAP, &error);
        break;
    default:
        memset(buf + mem, 0xaa, len);
        vd_node_co_preadv(node, off, &vec, &error);
        g_assert_cmpmem(buf + mem, len, model + off, len);
    }
    g_assert_no_error(error);
}

static void
check_shape(TestCo *t, const Shape *shape)
{
    g_autofree uint8_t *model = NULL, *buf = g_malloc(65536);
    GRand *rand = g_rand_new_with_seed(g_test_rand_int());
    RamStore *store;
    VdNode *node;

    block_test_begin(t);
    store = ram_store("d");
    store->align = shape->align;
    store->mem_align = shape->mem_align;
    store->max_transfer = shape->max_transfer;
    store->zeroes_align = shape->zeroes_align;
    store->can_zero = shape->can_zero;
    ram_fill(store, shape->size, 3);
    model = g_memdup2(store->bytes, shape->size);
    node = block_test_open(t, "ram:d", "ram", shape->flags | VD_OPEN_RDWR);
    for (unsigned i = 0; i < 400; i++)
        random_request(node, rand, model, buf);
    g_assert_cmpuint(store->size, ==, shape->size);
    g_assert_cmpmem(store->bytes, store->size, model, shape->size);
    test_co_close(node);
    g_rand_free(rand);
}

static void
test_any_alignment_keeps_the_bytes(TestCo *t)
{
    static const Shape shapes[] = {
        {1, 1, 0, 0, DISK, 0, true},
        {1, 1, 1000, 0, DISK, 0, true},
        {512, 1, 0, 0, DISK, 0, true},
        {512, 512, 0, 4096, DISK, VD_OPEN_DETECT_ZEROES, true},
        {512, 16, 2048, 0, DISK, 0, false},
        {4096, 4096, 0, 65536, DISK, VD_OPEN_UNMAP, true},
        {4096, 512, 8192, 65536, DISK, VD_OPEN_DETECT_ZEROES, false},
        {4096, 4096, 4096, 0, DISK, VD_OPEN_WRITETHROUGH, true},
        {1, 64, 0, 0, DISK, 0, true},
        /* the last unit reaches over the end */
        {512, 512, 0, 0, DISK - 100, 0, true},
        {4096, 4096, 0, 65536, DISK - 1, 0, false},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(shapes); i++) {
        g_test_message("shape %zu", i);
        check_shape(t, &shapes[i]);
    }
}

/* -- read-modify-write ----------------------------------------------------- */

static VdNode *
open_aligned(TestCo *t, uint32_t align, VdOpenFlags flags)
{
    RamStore *store;

    block_test_begin(t);
    store = ram_store("d");
    store->align = store->mem_align = align;
    ram_fill(store, DISK, 1);
    return block_test_open(t, "ram:d", "ram", flags | VD_OPEN_RDWR);
}

static void
expect_events(const char *expected)
{
    g_autofree char *text = ram_text(ram_store("d"));

    g_assert_cmpstr(text, ==, expected);
    ram_forget_events(ram_store("d"));
}

static void
test_one_read_serves_both_ends_that_touch(TestCo *t)
{
    VdNode *node = open_aligned(t, 512, 0);
    g_autofree uint8_t *buf = g_malloc0(4096);

    g_assert_true(vd_node_co_pwrite(node, 10, buf, 100, NULL));
    expect_events("r0+512 w0+512");
    g_assert_true(vd_node_co_pwrite(node, 10, buf, 512, NULL));
    expect_events("r0+1024 w0+1024");
    g_assert_true(vd_node_co_pwrite(node, 10, buf, 2048, NULL));
    expect_events("r0+512 r2048+512 w0+2560");
    g_assert_true(vd_node_co_pwrite(node, 512, buf, 1000, NULL));
    expect_events("r1024+512 w512+1024");
    g_assert_true(vd_node_co_pwrite(node, 1000, buf, 24, NULL));
    expect_events("r512+512 w512+512");
    test_co_close(node);
}

static void
test_failed_read_around_fails_the_write(TestCo *t)
{
    VdNode *node = open_aligned(t, 512, 0);
    RamStore *store = ram_store("d");
    g_autofree uint8_t *before = g_memdup2(store->bytes, DISK);
    uint8_t buf[100] = {0};
    g_autoptr(GError) error = NULL;

    store->fail_read_at = 700; /* a neighbour, not ours */
    g_assert_false(vd_node_co_pwrite(node, 800, buf, 100, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_IO);
    g_assert_nonnull(strstr(error->message, "offset 800"));
    g_assert_cmpuint(ram_count(store, RAM_WRITE), ==, 0);
    g_assert_cmpmem(store->bytes, DISK, before, DISK);
    test_co_close(node);
}

typedef struct {
    VdNode *node;
    uint64_t off;
    size_t len;
    uint8_t fill;
} WriteJob;

static bool
write_job_co(void *arg, GError **error)
{
    const WriteJob *job = arg;
    g_autofree uint8_t *buf = g_malloc(job->len);

    memset(buf, job->fill, job->len);
    return vd_node_co_pwrite(job->node, job->off, buf, job->len, error);
}

static void
run_writes(WriteJob *jobs, unsigned n)
{
    VioCoGroup *group = vio_co_group_new(n);
    g_autoptr(GError) error = NULL;

    for (unsigned i = 0; i < n; i++)
        vio_co_group_spawn(group, write_job_co, &jobs[i], NULL);
    vio_co_group_join(group, &error);
    g_assert_no_error(error);
    vio_co_group_free(group);
}

static void
test_neighbours_in_one_unit_keep_their_bytes(TestCo *t)
{
    VdNode *node = open_aligned(t, 512, 0);
    RamStore *store = ram_store("d");
    WriteJob jobs[16];

    store->delay_ns = 200000;
    for (unsigned i = 0; i < 16; i++)
        jobs[i] = (WriteJob){node, i * 60, 60, 100 + i};
    run_writes(jobs, 16);
    for (unsigned i = 0; i < 16 * 60; i++)
        g_assert_cmpint(store->bytes[i], ==, 100 + i / 60);
    g_assert_cmpint(store->bytes[960], ==, toy_byte(1, 960));
    test_co_close(node);
}

static void
test_partial_write_waits_for_whole_ones(TestCo *t)
{
    VdNode *node = open_aligned(t, 512, 0);
    RamStore *store = ram_store("d");
    WriteJob jobs[] = {
        {node, 0, 512, 1}, {node, 100, 10, 2}, {node, 512, 512, 3}};

    store->delay_ns = 200000;
    run_writes(jobs, 3);
    g_assert_cmpint(store->bytes[99], ==, 1);
    g_assert_cmpint(store->bytes[100], ==, 2);
    g_assert_cmpint(store->bytes[110], ==, 1);
    g_assert_cmpint(store->bytes[512], ==, 3);
    /* the read waited for the first write, not for the third request */
    expect_events("w0+512 w512+512 r0+512 w0+512");
    test_co_close(node);
}

static void
test_whole_writes_run_side_by_side(TestCo *t)
{
    VdNode *node = open_aligned(t, 512, 0);
    RamStore *store = ram_store("d");
    WriteJob jobs[8];

    store->delay_ns = 200000;
    for (unsigned i = 0; i < 8; i++)
        jobs[i] = (WriteJob){node, i * 512, 512, i};
    run_writes(jobs, 8);
    g_assert_cmpuint(store->most_running, ==, 8);
    test_co_close(node);
}

static void
test_partial_writes_elsewhere_run_side_by_side(TestCo *t)
{
    VdNode *node = open_aligned(t, 512, 0);
    RamStore *store = ram_store("d");
    WriteJob jobs[8];

    store->delay_ns = 200000;
    for (unsigned i = 0; i < 8; i++)
        jobs[i] = (WriteJob){node, i * 512 + 1, 5, i};
    run_writes(jobs, 8);
    g_assert_cmpuint(store->most_running, ==, 8);
    test_co_close(node);
}

static void
test_write_in_the_last_unit_keeps_the_size(TestCo *t)
{
    RamStore *store;
    VdNode *node;
    uint8_t byte = 9;

    block_test_begin(t);
    store = ram_store("d");
    store->align = store->mem_align = 512;
    ram_fill(store, 1000, 1);
    node = block_test_open(t, "ram:d", "ram", VD_OPEN_RDWR);
    g_assert_true(vd_node_co_pwrite(node, 999, &byte, 1, NULL));
    g_assert_cmpuint(store->size, ==, 1000);
    g_assert_cmpuint(vd_node_size(node), ==, 1000);
    g_assert_cmpint(store->bytes[999], ==, 9);
    g_assert_cmpint(store->bytes[998], ==, toy_byte(1, 998));
    test_co_close(node);
}

/* -- sizes ----------------------------------------------------------------- */

static void
test_truncate_changes_the_size(TestCo *t)
{
    VdNode *node = block_test_open_disk(t, VD_OPEN_RDWR);
    uint8_t byte;
    g_autoptr(GError) error = NULL;

    g_assert_true(vd_node_co_truncate(node, DISK * 2, VD_PREALLOC_OFF, NULL));
    g_assert_cmpuint(vd_node_size(node), ==, DISK * 2);
    g_assert_true(vd_node_co_pread(node, DISK * 2 - 1, &byte, 1, NULL));
    g_assert_cmpint(byte, ==, 0);
    g_assert_true(vd_node_co_truncate(node, 100, VD_PREALLOC_OFF, NULL));
    g_assert_false(vd_node_co_pread(node, 100, &byte, 1, NULL));
    g_assert_false(vd_node_co_truncate(node, UINT64_MAX, 0, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_LIMIT);
    test_co_close(node);
}

static bool
shrink_co(void *arg, GError **error)
{
    return vd_node_co_truncate(arg, 512, VD_PREALLOC_OFF, error);
}

static bool
late_write_co(void *arg, GError **error)
{
    g_autoptr(GError) cause = NULL;
    uint8_t buf[512] = {1};

    g_assert_false(vd_node_co_pwrite(arg, 4096, buf, 512, &cause));
    g_assert_error(cause, VD_ERROR, VD_ERROR_OUT_OF_RANGE);
    return true;
}

static void
test_writes_look_again_after_a_shrink(TestCo *t)
{
    VdNode *node = block_test_open_disk(t, VD_OPEN_RDWR);
    RamStore *store = ram_store("d");
    WriteJob first = {node, 0, 8192, 5};
    VioCoGroup *group = vio_co_group_new(3);

    store->delay_ns = 200000;
    vio_co_group_spawn(group, write_job_co, &first, NULL);
    vio_co_group_spawn(group, shrink_co, node, NULL); /* waits for it */
    vio_co_group_spawn(group, late_write_co, node, NULL);
    g_assert_true(vio_co_group_join(group, NULL));
    vio_co_group_free(group);
    g_assert_cmpuint(store->size, ==, 512);
    test_co_close(node);
}

static bool
grow_co(void *arg, GError **error)
{
    return vd_node_co_truncate(arg, 4096, VD_PREALLOC_OFF, error);
}

static void
test_growing_never_cuts_what_came_meanwhile(TestCo *t)
{
    VioCoGroup *group;
    RamStore *store;
    VdNode *node;
    WriteJob job;

    block_test_begin(t);
    store = ram_store("d");
    ram_fill(store, 1024, 1);
    node = block_test_open(t, "ram:d", "raw", VD_OPEN_RDWR);
    job = (WriteJob){vd_node_child(node, "file"), 1024, 8192, 5};
    store->delay_ns = 200000;
    group = vio_co_group_new(2);
    vio_co_group_spawn(group, write_job_co, &job, NULL);
    vio_co_group_spawn(group, grow_co, job.node, NULL); /* waits for it */
    g_assert_true(vio_co_group_join(group, NULL));
    vio_co_group_free(group);
    g_assert_cmpuint(store->size, ==, 1024 + 8192);
    g_assert_cmpint(store->bytes[1024 + 8191], ==, 5);
    test_co_close(node);
}

static void
test_children_grow_when_written_behind_their_end(TestCo *t)
{
    VdNode *node, *file;
    uint8_t buf[16] = {7};

    block_test_begin(t);
    ram_fill(ram_store("d"), 1024, 1);
    node = block_test_open(t, "ram:d", "raw", VD_OPEN_RDWR);
    file = vd_node_child(node, "file");
    g_assert_false(vd_node_co_pwrite(node, 1020, buf, 16, NULL));
    g_assert_true(vd_node_co_pwrite(file, 2000, buf, 16, NULL));
    g_assert_cmpuint(vd_node_size(file), ==, 2016);
    g_assert_true(vd_node_co_write_zeroes(file, 3000, 16, 0, NULL));
    g_assert_cmpuint(vd_node_size(file), ==, 3016);
    g_assert_cmpint(ram_store("d")->bytes[2000], ==, 7);
    test_co_close(node);
}

static void
test_unaligned_appends_keep_exact_ends(TestCo *t)
{
    VdNode *node, *file;
    RamStore *store;
    WriteJob jobs[4];

    block_test_begin(t);
    store = ram_store("d");
    store->align = store->mem_align = 512;
    ram_fill(store, 1024, 1);
    store->delay_ns = 100000;
    node = block_test_open(t, "ram:d", "raw", VD_OPEN_RDWR);
    file = vd_node_child(node, "file");
    for (unsigned i = 0; i < 4; i++)
        jobs[i] = (WriteJob){file, 1024 + i * 300, 300, 10 + i};
    run_writes(jobs, 4);
    g_assert_cmpuint(store->size, ==, 1024 + 4 * 300);
    for (unsigned i = 0; i < 4 * 300; i++)
        g_assert_cmpint(store->bytes[1024 + i], ==, 10 + i / 300);
    test_co_close(node);
}

/* -- a moment of a longer file ---------------------------------------------
 *
 * A write of the last unit pushes the file's end to a whole unit, and puts it
 * back. */

/* The file of "ram:d" with units of 512 bytes that take their time. */
static VdNode *
open_slow_file(TestCo *t, uint64_t size, VdNode **file)
{
    RamStore *store;
    VdNode *node;

    block_test_begin(t);
    store = ram_store("d");
    store->align = store->mem_align = 512;
    ram_fill(store, size, 1);
    store->delay_ns = 20000000;
    node = block_test_open(t, "ram:d", "raw", VD_OPEN_RDWR);
    *file = vd_node_child(node, "file");
    return node;
}

static void
run_both(VioCoGroupFunc first, void *first_arg, VioCoGroupFunc second,
         void *second_arg)
{
    g_autoptr(VioCoGroup) group = vio_co_group_new(2);
    g_autoptr(GError) error = NULL;

    vio_co_group_spawn(group, first, first_arg, NULL);
    vio_co_group_spawn(group, second, second_arg, NULL);
    vio_co_group_join(group, &error);
    g_assert_no_error(error);
}

/* Wait until the driver has got the @n-th request of this kind. */
static void co_await (VdNode *node, RamOp op, unsigned n)
{
    while (ram_count(ram_store("d"), op) < n)
        (void) vio_co_sleep(vd_node_loop(node), 20000, NULL);
}

static bool
watch_size_co(void *arg, GError **error)
{
    VdNode *file = arg;
    RamStore *store = ram_store("d");
    g_autoptr(GError) cause = NULL;
    uint8_t byte;

    co_await (file, RAM_TRUNCATE, 1);
    g_assert_cmpuint(store->running, ==, 1); /* still at it */
    g_assert_cmpuint(vd_node_size(file), ==, 1324);
    g_assert_false(vd_node_co_pread(file, 1324, &byte, 1, &cause));
    g_assert_error(cause, VD_ERROR, VD_ERROR_OUT_OF_RANGE);
    return true;
}

static void
test_nobody_sees_the_padded_end(TestCo *t)
{
    VdNode *file, *node = open_slow_file(t, 1024, &file);
    WriteJob job = {file, 1024, 300, 2};

    run_both(write_job_co, &job, watch_size_co, file);
    g_assert_cmpuint(vd_node_size(file), ==, 1324);
    test_co_close(node);
}

/* While the second write is with the driver: a whole unit behind it, done
 * before it is. */
static bool
append_behind_co(void *arg, GError **error)
{
    RamStore *store = ram_store("d");
    VdNode *file = arg;
    WriteJob job = {file, 4096, 512, 7};
    unsigned before = ram_count(store, RAM_WRITE);

    co_await (file, RAM_WRITE, before + 1);
    store->delay_ns = 0;
    return write_job_co(&job, error);
}

static bool
write_in_hold_co(void *arg, GError **error)
{
    VdNode *file = arg;
    WriteJob job = {file, 1400, 50, 3};
    g_autoptr(VioCoGroup) group = vio_co_group_new(2);

    co_await (file, RAM_TRUNCATE, 1);
    vio_co_group_spawn(group, write_job_co, &job, NULL);
    vio_co_group_spawn(group, append_behind_co, file, NULL);
    return vio_co_group_join(group, error);
}

static void
assert_appended(VdNode *file)
{
    const RamStore *store = ram_store("d");

    g_assert_cmpuint(vd_node_size(file), ==, 4096 + 512);
    g_assert_cmpuint(store->size, ==, 4096 + 512);
    g_assert_cmpint(store->bytes[1400], ==, 3);
    g_assert_cmpint(store->bytes[4096], ==, 7);
    g_assert_cmpint(store->bytes[4096 + 511], ==, 7);
}

static void
test_padding_never_cuts_what_was_appended(TestCo *t)
{
    VdNode *file, *node = open_slow_file(t, 1024, &file);
    WriteJob job = {file, 1024, 300, 2};

    run_both(write_job_co, &job, write_in_hold_co, file);
    assert_appended(file);
    test_co_close(node);
}

static bool
shrink_to_odd_co(void *arg, GError **error)
{
    return vd_node_co_truncate(arg, 1100, VD_PREALLOC_OFF, error);
}

/* The write was inside when it came, and waits for the shrink. */
static void
test_padding_after_a_shrink_cuts_nothing(TestCo *t)
{
    VdNode *file, *node = open_slow_file(t, 2048, &file);

    run_both(shrink_to_odd_co, file, write_in_hold_co, file);
    assert_appended(file);
    test_co_close(node);
}

static void
test_padding_that_fails_changes_no_size(TestCo *t)
{
    VdNode *file, *node = open_slow_file(t, 1024, &file);
    WriteJob job = {file, 1024, 300, 2};
    g_autoptr(GError) error = NULL;

    ram_store("d")->fail_write_at = 1024;
    g_assert_false(write_job_co(&job, &error));
    g_assert_cmpuint(vd_node_size(file), ==, 1024);
    ram_store("d")->fail_write_at = NEVER;
    g_assert_true(vd_node_co_truncate(file, 4096, VD_PREALLOC_OFF, NULL));
    g_assert_cmpuint(vd_node_size(file), ==, 4096);
    test_co_close(node);
}

static bool
grow_and_append_in_hold_co(void *arg, GError **error)
{
    VdNode *file = arg;
    WriteJob job = {file, 2048, 512, 7};

    co_await (file, RAM_TRUNCATE, 1);
    run_both(grow_co, file, write_job_co, &job);
    return true;
}

/* The old end is where it is when growing begins: what is between it and the
 * one of before waits, too. */
static void
test_growing_after_a_shrink_is_alone(TestCo *t)
{
    VdNode *file, *node = open_slow_file(t, 3072, &file);
    RamStore *store = ram_store("d");

    run_both(shrink_to_odd_co, file, grow_and_append_in_hold_co, file);
    g_assert_cmpuint(store->most_running, ==, 1);
    g_assert_cmpuint(store->size, ==, 4096);
    g_assert_cmpint(store->bytes[2048], ==, 7);
    test_co_close(node);
}

/* -- counters -------------------------------------------------------------- */

static void
test_counts_requests_and_device_requests(TestCo *t)
{
    const VdStats *top, *leaf;
    VdNode *node;
    g_autofree uint8_t *buf = g_malloc(4096);

    block_test_begin(t);
    ram_fill(ram_store("d"), DISK, 1);
    ram_store("d")->max_transfer = 1024;
    node = block_test_open(t, "ram:d", "raw", VD_OPEN_RDWR);
    top = vd_node_stats(node);
    leaf = vd_node_stats(vd_node_child(node, "file"));
    g_assert_true(vd_node_co_pread(node, 0, buf, 4096, NULL));
    g_assert_true(vd_node_co_pwrite(node, 0, buf, 1024, NULL));
    g_assert_true(vd_node_co_write_zeroes(node, 0, 10, 0, NULL));
    g_assert_cmpuint(top->reads, ==, 1);
    g_assert_cmpuint(top->read_bytes, ==, 4096);
    g_assert_cmpuint(top->writes, ==, 1);
    g_assert_cmpuint(top->zeroed_bytes, ==, 10);
    g_assert_cmpuint(top->leaf_reads, ==, 4);
    g_assert_cmpuint(top->leaf_read_bytes, ==, 4096);
    g_assert_cmpuint(top->leaf_writes, ==, 1);
    g_assert_cmpuint(leaf->reads, ==, 4);
    test_co_close(node);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define TEST(name) test_co_add("/block/rw/" #name, test_##name)
    TEST(reads_inside_only);
    TEST(writes_inside_only);
    TEST(empty_requests_do_nothing);
    TEST(read_only_refuses_changes);
    TEST(read_behind_the_end_gives_zeroes_if_asked);
    TEST(any_alignment_keeps_the_bytes);
    TEST(one_read_serves_both_ends_that_touch);
    TEST(failed_read_around_fails_the_write);
    TEST(neighbours_in_one_unit_keep_their_bytes);
    TEST(partial_write_waits_for_whole_ones);
    TEST(whole_writes_run_side_by_side);
    TEST(partial_writes_elsewhere_run_side_by_side);
    TEST(write_in_the_last_unit_keeps_the_size);
    TEST(truncate_changes_the_size);
    TEST(writes_look_again_after_a_shrink);
    TEST(growing_never_cuts_what_came_meanwhile);
    TEST(children_grow_when_written_behind_their_end);
    TEST(unaligned_appends_keep_exact_ends);
    TEST(nobody_sees_the_padded_end);
    TEST(padding_never_cuts_what_was_appended);
    TEST(padding_after_a_shrink_cuts_nothing);
    TEST(padding_that_fails_changes_no_size);
    TEST(growing_after_a_shrink_is_alone);
    TEST(counts_requests_and_device_requests);
    return g_test_run();
}
