/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-block-chain.c - maps, runs and chains of links. */
#include <string.h>

#include "block/drivers.h"
#include "tests/unit/block-test.h"

#define GRAINS 16
#define SIZE ((uint64_t) GRAINS * TOY_GRAIN)

static VdNode *
open_toy(TestCo *t, const char *name, VdOpenFlags flags)
{
    g_autofree char *full = g_strconcat("ram:", name, NULL);

    return block_test_open(t, full, "toy", flags);
}

static void
assert_bytes(const uint8_t *buf, uint64_t off, size_t len, uint8_t seed)
{
    for (size_t i = 0; i < len; i++)
        g_assert_cmpint(buf[i], ==, toy_byte(seed, off + i));
}

static void
assert_zero(const uint8_t *buf, size_t len)
{
    for (size_t i = 0; i < len; i++)
        g_assert_cmpint(buf[i], ==, 0);
}

static void
read_all(VdNode *node, uint64_t off, void *buf, size_t len)
{
    g_autoptr(GError) error = NULL;

    memset(buf, 0xcc, len);
    vd_node_co_pread(node, off, buf, len, &error);
    g_assert_no_error(error);
}

/* -- one layer ------------------------------------------------------------- */

static void
test_reads_every_kind_of_run(TestCo *t)
{
    RamStore *store;
    VdNode *node;
    g_autofree uint8_t *buf = g_malloc(SIZE);

    block_test_begin(t);
    store = ram_store("d");
    toy_format(store, SIZE, NULL);
    toy_set(store, 0, 8, 1);
    toy_set(store, 1, TOY_ZERO, 0);
    toy_set(store, 2, 9 | TOY_ENCODED, 2);
    toy_set(store, 3, 10, 3);
    node = open_toy(t, "d", 0);
    read_all(node, 0, buf, SIZE);
    assert_bytes(buf, 0, TOY_GRAIN, 1);
    assert_zero(buf + TOY_GRAIN, TOY_GRAIN);
    assert_bytes(buf + 2 * TOY_GRAIN, 2 * TOY_GRAIN, TOY_GRAIN, 2);
    assert_bytes(buf + 3 * TOY_GRAIN, 3 * TOY_GRAIN, TOY_GRAIN, 3);
    assert_zero(buf + 4 * TOY_GRAIN, SIZE - 4 * TOY_GRAIN);
    read_all(node, 2 * TOY_GRAIN + 100, buf, 50);
    assert_bytes(buf, 2 * TOY_GRAIN + 100, 50, 2);
    test_co_close(node);
}

static void
test_neighbouring_runs_are_one_read(TestCo *t)
{
    RamStore *store;
    VdNode *node;
    g_autofree uint8_t *buf = g_malloc(SIZE);
    g_autofree char *text = NULL;

    block_test_begin(t);
    store = ram_store("d");
    toy_format(store, SIZE, NULL);
    for (unsigned i = 0; i < 8; i++)
        toy_set(store, i, 10 + i, 1);
    for (unsigned i = 8; i < 16; i++)
        toy_set(store, i, 32 + i, 2);
    node = open_toy(t, "d", 0);
    ram_forget_events(store);
    read_all(node, 512, buf, SIZE - 1024);
    text = ram_text(store);
    /* the last is read by the caller itself, so it comes first */
    g_assert_cmpstr(text, ==, "r163840+32256 r41472+32256");
    assert_bytes(buf, 512, 8 * TOY_GRAIN - 512, 1);
    test_co_close(node);
}

static void
test_scattered_runs_are_read_side_by_side(TestCo *t)
{
    RamStore *store;
    VdNode *node;
    g_autofree uint8_t *buf = g_malloc(SIZE);

    block_test_begin(t);
    store = ram_store("d");
    toy_format(store, SIZE, NULL);
    for (unsigned i = 0; i < GRAINS; i++)
        toy_set(store, i, 40 - 2 * i, 1);
    node = open_toy(t, "d", 0);
    ram_forget_events(store);
    store->delay_ns = 500000;
    store->most_running = 0;
    read_all(node, 0, buf, SIZE);
    g_assert_cmpuint(ram_count(store, RAM_READ), ==, GRAINS);
    g_assert_cmpuint(store->most_running, ==, GRAINS);
    assert_bytes(buf, 0, SIZE, 1);
    test_co_close(node);
}

static void
test_a_failed_run_fails_the_read(TestCo *t)
{
    for (unsigned bad = 0; bad < 4; bad++) {
        g_autofree uint8_t *buf = g_malloc(SIZE);
        g_autoptr(GError) error = NULL;
        RamStore *store;
        VdNode *node;

        block_test_begin(t);
        store = ram_store("d");
        toy_format(store, SIZE, NULL);
        for (unsigned i = 0; i < 4; i++)
            toy_set(store, i, 20 - 2 * i, 1);
        node = open_toy(t, "d", 0);
        store->fail_read_at = (20 - 2 * bad) * TOY_GRAIN + 5;
        g_assert_false(vd_node_co_pread(node, 0, buf, 4 * TOY_GRAIN, &error));
        g_assert_error(error, VD_ERROR, VD_ERROR_IO);
        test_co_close(node);
    }
}

static void
test_one_run_starts_no_coroutine(TestCo *t)
{
    VioLoopStats before, after;
    RamStore *store;
    VdNode *node;
    g_autofree uint8_t *buf = g_malloc(TOY_GRAIN);

    block_test_begin(t);
    store = ram_store("d");
    toy_format(store, SIZE, NULL);
    toy_set(store, 3, 8, 1);
    node = open_toy(t, "d", 0);
    vio_loop_get_stats(t->loop, &before);
    read_all(node, 3 * TOY_GRAIN, buf, TOY_GRAIN);
    vio_loop_get_stats(t->loop, &after);
    g_assert_cmpuint(after.coroutines_started, ==, before.coroutines_started);
    test_co_close(node);
}

/* -- maps ------------------------------------------------------------------ */

static void
test_maps_are_clamped(TestCo *t)
{
    VdNode *node;
    VdRun run;
    g_autoptr(GError) error = NULL;

    block_test_begin(t);
    toy_format(ram_store("d"), TOY_GRAIN + 512, NULL);
    node = open_toy(t, "d", 0);
    g_assert_true(vd_node_co_map(node, 100, 50, 0, &run, NULL));
    g_assert_cmpuint(run.len, ==, 50);
    g_assert_true(vd_node_co_map(node, TOY_GRAIN, 512, 0, &run, NULL));
    g_assert_cmpuint(run.len, ==, 512);
    g_assert_false(vd_node_co_map(node, TOY_GRAIN, 513, 0, &run, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_OUT_OF_RANGE);
    g_assert_false(vd_node_co_map(node, TOY_GRAIN + 512, 0, 0, &run, NULL));
    test_co_close(node);
}

static void
test_a_leaf_without_map_is_data(TestCo *t)
{
    VdNode *node;
    VdRun run;

    block_test_begin(t);
    ram_fill(ram_store("d"), 4096, 1);
    node = block_test_open(t, "ram:d", "ram", 0);
    g_assert_true(vd_node_co_map(node, 512, 1024, VD_WANT_ZERO, &run, NULL));
    g_assert_cmpint(run.kind, ==, VD_RUN_DATA);
    g_assert_null(run.child);
    g_assert_cmpuint(run.child_off, ==, 512);
    g_assert_cmpuint(run.len, ==, 1024);
    test_co_close(node);
}

static void
test_resolving_finds_leaf_and_holes(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "f");
    g_autofree uint8_t *buf = g_malloc0(65536);
    VdChainRun run;
    VdNode *node, *leaf;

    block_test_begin(t);
    test_file_make(path, 1 << 20);
    node = block_test_open(t, path, "raw", VD_OPEN_RDWR);
    memset(buf, 5, 65536);
    g_assert_true(vd_node_co_pwrite(node, 0, buf, 65536, NULL));
    leaf = vd_node_child(node, "file");

    g_assert_true(
        vd_chain_co_map(node, 4096, 1 << 19, VD_WANT_ZERO, &run, NULL));
    g_assert_true(run.link == node);
    g_assert_true(vd_chain_co_resolve_leaf(&run, VD_WANT_ZERO, NULL));
    g_assert_cmpint(run.run.kind, ==, VD_RUN_DATA);
    g_assert_true(run.run.child == leaf);
    g_assert_cmpuint(run.run.child_off, ==, 4096);
    g_assert_cmpuint(run.run.len, ==, 65536 - 4096);

    g_assert_true(
        vd_chain_co_map(node, 65536, 1 << 19, VD_WANT_ZERO, &run, NULL));
    g_assert_true(vd_chain_co_resolve_leaf(&run, VD_WANT_ZERO, NULL));
    g_assert_cmpint(run.run.kind, ==, VD_RUN_ZERO);
    g_assert_true(run.run.child == leaf);
    test_co_close(node);
}

static void
test_a_filter_shows_its_childs_chain(TestCo *t)
{
    static const char options[] =
        "driver=readonly,file.driver=toy,file.file.driver=ram,"
        "file.file.name=top";
    g_autofree uint8_t *buf = g_malloc(2 * TOY_GRAIN);
    VdChainRun run;
    VdNode *node;

    block_test_begin(t);
    toy_format(ram_store("base"), SIZE, NULL);
    toy_set(ram_store("base"), 0, 8, 1);
    toy_format(ram_store("top"), SIZE, "ram:base");
    node = test_co_open(t, options, 0);
    g_assert_true(vd_chain_co_map(node, 0, SIZE, 0, &run, NULL));
    g_assert_cmpint(run.run.kind, ==, VD_RUN_DATA);
    g_assert_true(run.link == node);
    g_assert_cmpuint(run.depth, ==, 1);
    g_assert_true(
        vd_chain_co_map(node, TOY_GRAIN, SIZE - TOY_GRAIN, 0, &run, NULL));
    g_assert_cmpint(run.run.kind, ==, VD_RUN_ZERO);
    g_assert_null(run.link);
    g_assert_cmpuint(vd_chain_depth(node), ==, 2);
    read_all(node, 0, buf, 2 * TOY_GRAIN);
    assert_bytes(buf, 0, TOY_GRAIN, 1);
    test_co_close(node);
}

/* -- chains ---------------------------------------------------------------- */

#define LINKS 30

static const char *
link_name(unsigned i)
{
    static char name[16];

    g_snprintf(name, sizeof(name), "l%u", i);
    return name;
}

/* l0 is the top.  Link i holds grain i (modulo GRAINS: the highest wins). */
static VdNode *
open_chain(TestCo *t, unsigned links, VdOpenFlags flags)
{
    block_test_begin(t);
    for (unsigned i = 0; i < links; i++) {
        g_autofree char *backing =
            i + 1 < links ? g_strdup_printf("ram:l%u", i + 1) : NULL;
        RamStore *store = ram_store(link_name(i));

        toy_format(store, SIZE, backing);
        toy_set(store, i % GRAINS, 8, i);
    }
    return open_toy(t, "l0", flags);
}

static unsigned
count_all_reads(unsigned links)
{
    unsigned n = 0;

    for (unsigned i = 0; i < links; i++)
        n += ram_count(ram_store(link_name(i)), RAM_READ);
    return n;
}

static void
test_thirty_links_cost_one_device_read(TestCo *t)
{
    VdNode *node = open_chain(t, LINKS, 0);
    uint8_t buf[512];
    unsigned before;
    uint64_t leaf_before;

    g_assert_cmpuint(vd_chain_depth(node), ==, LINKS);
    for (unsigned grain = 0; grain < GRAINS; grain++) {
        before = count_all_reads(LINKS);
        leaf_before = vd_node_stats(node)->leaf_reads;
        read_all(node, grain * TOY_GRAIN + 512, buf, 512);
        assert_bytes(buf, grain * TOY_GRAIN + 512, 512, grain);
        g_assert_cmpuint(count_all_reads(LINKS), ==, before + 1);
        g_assert_cmpuint(vd_node_stats(node)->leaf_reads, ==, leaf_before + 1);
    }
    test_co_close(node);
}

/* What a link has been asked, the top first. */
static void
take_map_counts(const VdNode *node, uint64_t counts[LINKS])
{
    for (unsigned i = 0; i < LINKS; i++, node = vd_node_parent(node))
        counts[i] = vd_node_stats(node)->maps;
}

static void
test_a_known_granule_asks_two_links(TestCo *t)
{
    uint64_t before[LINKS], after[LINKS];
    uint8_t buf[512];
    VdNode *node;

    /* Grains 10 to 13, in links 20 to 23, are all that their granule of
     * 64 KiB has. */
    block_test_begin(t);
    for (unsigned i = 0; i < LINKS; i++) {
        g_autofree char *backing =
            i + 1 < LINKS ? g_strdup_printf("ram:l%u", i + 1) : NULL;

        toy_format(ram_store(link_name(i)), SIZE, backing);
        if (i >= 20 && i < 24)
            toy_set(ram_store(link_name(i)), i - 10, 8, i);
    }
    node = open_toy(t, "l0", 0);
    read_all(node, 10 * TOY_GRAIN, buf, 512);
    take_map_counts(node, before);
    read_all(node, 10 * TOY_GRAIN + 512, buf, 512);
    assert_bytes(buf, 10 * TOY_GRAIN + 512, 512, 20);
    take_map_counts(node, after);
    for (unsigned i = 0; i < LINKS; i++)
        g_assert_cmpuint(after[i] - before[i], ==, i == 0 || i == 20);

    /* Its neighbour is in a lower link: found from there on. */
    read_all(node, 12 * TOY_GRAIN, buf, 512);
    assert_bytes(buf, 12 * TOY_GRAIN, 512, 22);
    take_map_counts(node, before);
    for (unsigned i = 1; i < LINKS; i++)
        g_assert_cmpuint(before[i] - after[i], ==, i >= 20 && i <= 22);
    test_co_close(node);
}

static void
test_each_byte_is_of_the_highest_link(TestCo *t)
{
    VdNode *node = open_chain(t, LINKS, 0);
    g_autofree uint8_t *buf = g_malloc(SIZE);
    unsigned before = count_all_reads(LINKS);

    read_all(node, 0, buf, SIZE);
    for (unsigned grain = 0; grain < GRAINS; grain++)
        assert_bytes(buf + grain * TOY_GRAIN, grain * TOY_GRAIN, TOY_GRAIN,
                     grain);
    g_assert_cmpuint(count_all_reads(LINKS), ==, before + GRAINS);
    test_co_close(node);
}

static void
test_the_map_tells_link_and_depth(TestCo *t)
{
    VdNode *node = open_chain(t, 4, 0);
    VdChainRun run;

    for (unsigned i = 0; i < 4; i++) {
        g_assert_true(
            vd_chain_co_map(node, i * TOY_GRAIN, TOY_GRAIN, 0, &run, NULL));
        g_assert_cmpuint(run.depth, ==, i);
        g_assert_cmpint(run.run.kind, ==, VD_RUN_DATA);
        g_assert_true(g_str_has_suffix(vd_node_name(run.link), link_name(i)));
    }
    g_assert_true(
        vd_chain_co_map(node, 5 * TOY_GRAIN, 2 * TOY_GRAIN, 0, &run, NULL));
    g_assert_cmpint(run.run.kind, ==, VD_RUN_ZERO);
    g_assert_null(run.link);
    g_assert_cmpuint(run.depth, ==, 3);
    g_assert_false(run.parent_missing);
    test_co_close(node);
}

static void
test_a_zero_grain_hides_the_parent(TestCo *t)
{
    VdNode *node;
    uint8_t buf[64];

    block_test_begin(t);
    toy_format(ram_store("base"), SIZE, NULL);
    toy_set(ram_store("base"), 0, 8, 1);
    toy_format(ram_store("top"), SIZE, "ram:base");
    toy_set(ram_store("top"), 0, TOY_ZERO, 0);
    node = open_toy(t, "top", 0);
    read_all(node, 0, buf, 64);
    assert_zero(buf, 64);
    test_co_close(node);
}

static VdNode *
open_short_parent(TestCo *t, VdOpenFlags flags)
{
    block_test_begin(t);
    toy_format(ram_store("base"), SIZE, NULL);
    for (unsigned i = 0; i < GRAINS; i++)
        toy_set(ram_store("base"), i, 8 + i, 1);
    toy_format(ram_store("mid"), 6 * TOY_GRAIN + 512, "ram:base");
    toy_format(ram_store("top"), SIZE, "ram:mid");
    return open_toy(t, "top", flags);
}

static void
test_behind_a_shorter_parent_are_zeroes(TestCo *t)
{
    VdNode *node = open_short_parent(t, 0);
    g_autofree uint8_t *buf = g_malloc(SIZE);
    VdChainRun run;
    uint64_t end = 6 * TOY_GRAIN + 512;

    read_all(node, 0, buf, SIZE);
    assert_bytes(buf, 0, end, 1);
    assert_zero(buf + end, SIZE - end);
    g_assert_true(vd_chain_co_map(node, end, TOY_GRAIN, 0, &run, NULL));
    g_assert_cmpint(run.run.kind, ==, VD_RUN_ZERO);
    g_assert_true(run.link == vd_node_parent(node));
    g_assert_cmpuint(run.depth, ==, 1);
    test_co_close(node);
}

static void
test_growing_does_not_show_a_longer_parent(TestCo *t)
{
    VdNode *node;
    g_autofree uint8_t *buf = g_malloc(TOY_GRAIN);

    block_test_begin(t);
    toy_format(ram_store("base"), SIZE, NULL);
    for (unsigned i = 0; i < GRAINS; i++)
        toy_set(ram_store("base"), i, 8 + i, 1);
    toy_format(ram_store("top"), 2 * TOY_GRAIN, "ram:base");
    node = open_toy(t, "top", VD_OPEN_RDWR);
    g_assert_true(
        vd_node_co_truncate(node, 4 * TOY_GRAIN, VD_PREALLOC_OFF, NULL));
    read_all(node, TOY_GRAIN, buf, TOY_GRAIN);
    assert_bytes(buf, TOY_GRAIN, TOY_GRAIN, 1);
    read_all(node, 2 * TOY_GRAIN, buf, TOY_GRAIN);
    assert_zero(buf, TOY_GRAIN);
    read_all(node, 3 * TOY_GRAIN, buf, TOY_GRAIN);
    assert_zero(buf, TOY_GRAIN);
    test_co_close(node);
}

static void
test_a_missing_parent_is_no_zeroes(TestCo *t)
{
    VdNode *node = open_chain(t, 2, VD_OPEN_NO_PARENT);
    uint8_t buf[64];
    VdChainRun run;
    g_autoptr(GError) error = NULL;

    g_assert_null(vd_node_parent(node));
    read_all(node, 0, buf, 64);
    assert_bytes(buf, 0, 64, 0);
    g_assert_true(vd_chain_co_map(node, TOY_GRAIN, TOY_GRAIN, 0, &run, NULL));
    g_assert_true(run.parent_missing);
    g_assert_false(vd_node_co_pread(node, TOY_GRAIN, buf, 64, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_NOT_FOUND);
    test_co_close(node);
}

static void
test_zeroes_over_zeroes_allocate_nothing(TestCo *t)
{
    RamStore *store;
    VdNode *node;

    block_test_begin(t);
    store = ram_store("d");
    toy_format(store, SIZE, NULL);
    toy_set(store, 1, 8, 1);
    node = open_toy(t, "d", VD_OPEN_RDWR);
    ram_forget_events(store);
    /* partial grains: 0 and 2 read as zeroes already, 1 does not */
    g_assert_true(vd_node_co_write_zeroes(node, 100, 200, 0, NULL));
    g_assert_true(
        vd_node_co_write_zeroes(node, 2 * TOY_GRAIN + 100, 200, 0, NULL));
    g_assert_cmpuint(ram_count(store, RAM_WRITE), ==, 0);
    g_assert_true(vd_node_co_write_zeroes(node, TOY_GRAIN + 100, 200, 0, NULL));
    g_assert_cmpuint(ram_count(store, RAM_WRITE), ==, 1);
    test_co_close(node);
}

static void
test_writes_copy_up_and_leave_the_parent(TestCo *t)
{
    g_autofree uint8_t *base = NULL, *buf = g_malloc(TOY_GRAIN);
    uint8_t byte = 0xaa;
    VdNode *node = open_chain(t, 3, VD_OPEN_RDWR);
    RamStore *store = ram_store("l2");
    size_t len = store->size;

    base = g_memdup2(store->bytes, len);
    g_assert_true(vd_node_co_pwrite(node, 2 * TOY_GRAIN + 7, &byte, 1, NULL));
    read_all(node, 2 * TOY_GRAIN, buf, TOY_GRAIN);
    g_assert_cmpint(buf[7], ==, 0xaa);
    assert_bytes(buf, 2 * TOY_GRAIN, 7, 2);
    assert_bytes(buf + 8, 2 * TOY_GRAIN + 8, TOY_GRAIN - 8, 2);
    test_co_close(node);
    g_assert_cmpmem(store->bytes, store->size, base, len);
}

/* -- closing --------------------------------------------------------------- */

static void
look_co_close(VdNode *node)
{
    uint8_t byte;

    g_assert_true(vd_node_co_pread(vd_node_file(node), 0, &byte, 1, NULL));
}

/* As vmfs does; a sanitizer sees what it is counted by. */
static void
test_parents_may_read_when_they_close(TestCo *t)
{
    static VdDriver looks;
    static const VdDriver *const table[] = {&ram_driver, &looks, NULL};

    block_test_begin(t);
    looks = toy_driver;
    looks.co_close = look_co_close;
    vd_registry_set(table);
    toy_format(ram_store("l0"), SIZE, NULL);
    toy_format(ram_store("l1"), SIZE, "ram:l0");
    test_co_close(open_toy(t, "l1", 0));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define TEST(name) test_co_add("/block/chain/" #name, test_##name)
    TEST(reads_every_kind_of_run);
    TEST(neighbouring_runs_are_one_read);
    TEST(scattered_runs_are_read_side_by_side);
    TEST(a_failed_run_fails_the_read);
    TEST(one_run_starts_no_coroutine);
    TEST(maps_are_clamped);
    TEST(a_leaf_without_map_is_data);
    TEST(resolving_finds_leaf_and_holes);
    TEST(a_filter_shows_its_childs_chain);
    TEST(thirty_links_cost_one_device_read);
    TEST(a_known_granule_asks_two_links);
    TEST(each_byte_is_of_the_highest_link);
    TEST(the_map_tells_link_and_depth);
    TEST(a_zero_grain_hides_the_parent);
    TEST(behind_a_shorter_parent_are_zeroes);
    TEST(growing_does_not_show_a_longer_parent);
    TEST(a_missing_parent_is_no_zeroes);
    TEST(zeroes_over_zeroes_allocate_nothing);
    TEST(writes_copy_up_and_leave_the_parent);
    TEST(parents_may_read_when_they_close);
    return g_test_run();
}
