/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-block-overlay.c - disks whose changes are temporary. */
#include <string.h>

#include "block/chain.h"
#include "io/coroutine.h"
#include "tests/unit/block-test.h"

#define CHUNK (UINT64_C(64) << 10)
/* The last chunk is not whole. */
#define DISK (8 * CHUNK - 1024)
#define ROUNDS 400

/* The base, and what the disk should be: both DISK bytes, room for more. */
typedef struct {
    VdNode *node;
    uint8_t *base, *want;
    uint64_t size;
} Model;

static VdNode *
open_temporary(TestCo *t, VdOpenFlags flags)
{
    block_test_begin(t);
    ram_fill(ram_store("d"), DISK, 1);
    return block_test_open(t, "ram:d", "raw", flags | VD_OPEN_TEMPORARY);
}

static void
model_begin(TestCo *t, Model *m)
{
    m->node = open_temporary(t, VD_OPEN_RDWR | VD_OPEN_UNMAP);
    m->size = DISK;
    m->base = g_memdup2(ram_store("d")->bytes, DISK);
    m->want = g_malloc0(2 * DISK);
    memcpy(m->want, m->base, DISK);
}

static void
model_check(const Model *m)
{
    g_autofree uint8_t *got = g_malloc(m->size);
    g_autoptr(GError) error = NULL;

    g_assert_cmpuint(vd_node_size(m->node), ==, m->size);
    (void) vd_node_co_pread(m->node, 0, got, m->size, &error);
    g_assert_no_error(error);
    g_assert_cmpmem(got, m->size, m->want, m->size);
}

/* What is below has not been touched. */
static void
model_end(Model *m)
{
    const RamStore *store = ram_store("d");

    model_check(m);
    test_co_close(m->node);
    g_assert_cmpmem(store->bytes, store->size, m->base, DISK);
    g_free(m->base);
    g_free(m->want);
}

static void
model_write(Model *m, uint64_t off, uint64_t len, uint8_t byte)
{
    g_autofree uint8_t *bytes = g_malloc(len + 1);
    g_autoptr(GError) error = NULL;

    memset(bytes, byte, len);
    (void) vd_node_co_pwrite(m->node, off, bytes, len, &error);
    g_assert_no_error(error);
    memset(m->want + off, byte, len);
}

static void
model_zero(Model *m, uint64_t off, uint64_t len)
{
    g_autoptr(GError) error = NULL;

    (void) vd_node_co_write_zeroes(m->node, off, len, VD_REQ_MAY_UNMAP, &error);
    g_assert_no_error(error);
    memset(m->want + off, 0, len);
}

static void
model_resize(Model *m, uint64_t size)
{
    g_autoptr(GError) error = NULL;

    (void) vd_node_co_truncate(m->node, size, VD_PREALLOC_OFF, &error);
    g_assert_no_error(error);
    if (size < m->size)
        memset(m->want + size, 0, m->size - size);
    m->size = size;
}

static void
test_changes_are_seen_and_go(TestCo *t)
{
    Model m;

    model_begin(t, &m);
    model_write(&m, 100, 50, 2);                 /* inside a chunk */
    model_write(&m, CHUNK - 3, 6, 3);            /* over two */
    model_write(&m, 3 * CHUNK, CHUNK, 4);        /* a whole one */
    model_write(&m, DISK - 10, 10, 5);           /* the last bytes */
    model_zero(&m, 4 * CHUNK, 2 * CHUNK);        /* whole ones */
    model_zero(&m, 5 * CHUNK, DISK - 5 * CHUNK); /* to the end */
    model_write(&m, 4 * CHUNK + 512, 512, 6);    /* into zeroes */
    model_zero(&m, 3 * CHUNK + 1, 5);            /* over data */
    model_end(&m);
    m.node = open_temporary(t, VD_OPEN_RDWR);
    test_co_close(m.node);
}

static void
test_any_order_gives_the_model(TestCo *t)
{
    Model m;
    g_autoptr(GRand) rand = g_rand_new_with_seed(7);

    model_begin(t, &m);
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t off = (uint64_t) g_rand_int_range(rand, 0, (int) m.size);
        uint64_t len = (uint64_t) g_rand_int_range(rand, 0, 3 * (int) CHUNK);

        len = MIN(len, m.size - off);
        switch (g_rand_int_range(rand, 0, 8)) {
        case 0:
            model_resize(&m,
                         (uint64_t) g_rand_int_range(rand, 1, 2 * (int) DISK));
            break;
        case 1:
        case 2:
            model_zero(&m, off, len);
            break;
        default:
            model_write(&m, off, len, (uint8_t) i);
        }
        model_check(&m);
    }
    model_end(&m);
}

static void
test_what_is_cut_off_stays_away(TestCo *t)
{
    Model m;

    model_begin(t, &m);
    model_write(&m, CHUNK, CHUNK, 2);
    model_resize(&m, CHUNK + 100);
    model_resize(&m, 2 * DISK);
    model_check(&m);
    model_resize(&m, 10);
    model_resize(&m, DISK);
    model_end(&m);
}

static VdRunKind
kind_at(VdNode *node, uint64_t off, uint64_t len, unsigned *depth)
{
    g_autoptr(GError) error = NULL;
    VdChainRun run;

    (void) vd_chain_co_map(node, off, len, VD_WANT_DEFAULT, &run, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(run.run.len, ==, len);
    *depth = run.depth;
    return run.run.kind;
}

static void
test_the_map_tells_what_is_temporary(TestCo *t)
{
    unsigned depth;
    Model m;

    model_begin(t, &m);
    g_assert_cmpint(kind_at(m.node, 0, DISK, &depth), ==, VD_RUN_DATA);
    g_assert_cmpuint(depth, ==, 1);
    model_write(&m, 2 * CHUNK + 1, 1, 2);
    model_write(&m, 3 * CHUNK + 1, 1, 2);
    model_zero(&m, 4 * CHUNK, CHUNK);
    g_assert_cmpint(kind_at(m.node, 0, 2 * CHUNK, &depth), ==, VD_RUN_DATA);
    g_assert_cmpuint(depth, ==, 1);
    /* They lie behind one another. */
    g_assert_cmpint(kind_at(m.node, 2 * CHUNK, 2 * CHUNK, &depth), ==,
                    VD_RUN_DATA);
    g_assert_cmpuint(depth, ==, 0);
    g_assert_cmpint(kind_at(m.node, 4 * CHUNK, CHUNK, &depth), ==, VD_RUN_ZERO);
    g_assert_cmpuint(depth, ==, 0);
    model_end(&m);
}

typedef struct {
    VdNode *node;
    uint64_t off;
} OneByte;

static bool
write_co_byte(void *arg, GError **error)
{
    const OneByte *w = arg;
    uint8_t byte = (uint8_t) w->off;

    return vd_node_co_pwrite(w->node, w->off, &byte, 1, error);
}

static void
test_writers_of_one_chunk_lose_nothing(TestCo *t)
{
    g_autoptr(VioCoGroup) group = vio_co_group_new(64);
    g_autoptr(GError) error = NULL;
    OneByte writes[200];
    Model m;

    model_begin(t, &m);
    for (unsigned i = 0; i < G_N_ELEMENTS(writes); i++) {
        writes[i] = (OneByte){m.node, CHUNK - 100 + i};
        m.want[writes[i].off] = (uint8_t) writes[i].off;
        vio_co_group_spawn(group, write_co_byte, &writes[i], NULL);
    }
    (void) vio_co_group_join(group, &error);
    g_assert_no_error(error);
    model_end(&m);
}

static void
test_read_only_is_kept(TestCo *t)
{
    VdNode *node = open_temporary(t, 0);
    g_autoptr(GError) error = NULL;

    g_assert_false(vd_node_co_pwrite(node, 0, "x", 1, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_READ_ONLY);
    test_co_close(node);
}

/* By then the file has lost its name. */
static void
test_no_file_is_seen(TestCo *t)
{
    g_autofree char *before = g_strdup(g_getenv("TMPDIR"));
    g_autoptr(GDir) dir = NULL;
    Model m;

    g_setenv("TMPDIR", t->dir, TRUE);
    model_begin(t, &m);
    model_write(&m, 0, 100, 2);
    dir = g_dir_open(t->dir, 0, NULL);
    g_assert_nonnull(dir);
    g_assert_cmpstr(g_dir_read_name(dir), ==, NULL);
    model_end(&m);
    if (before)
        g_setenv("TMPDIR", before, TRUE);
    else
        g_unsetenv("TMPDIR");
}

static void
test_no_place_for_it_fails_the_open(TestCo *t)
{
    g_autofree char *before = g_strdup(g_getenv("TMPDIR"));
    g_autofree char *nowhere = test_co_path(t, "nowhere");
    g_autoptr(GError) error = NULL;

    block_test_begin(t);
    ram_fill(ram_store("d"), DISK, 1);
    g_setenv("TMPDIR", nowhere, TRUE);
    g_assert_null(vd_co_open(&t->env, "ram:d", "raw", NULL,
                             VD_OPEN_RDWR | VD_OPEN_TEMPORARY, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_NOT_FOUND);
    g_assert_nonnull(strstr(error->message, nowhere));
    if (before)
        g_setenv("TMPDIR", before, TRUE);
    else
        g_unsetenv("TMPDIR");
}

static void
test_a_failed_read_below_changes_nothing(TestCo *t)
{
    g_autoptr(GError) error = NULL;
    Model m;

    model_begin(t, &m);
    ram_store("d")->fail_read_at = CHUNK;
    g_assert_false(vd_node_co_pwrite(m.node, CHUNK + 5, "x", 1, &error));
    g_assert_nonnull(error);
    ram_store("d")->fail_read_at = UINT64_MAX;
    model_end(&m);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define TEST(name) test_co_add("/block/overlay/" #name, test_##name)
    TEST(changes_are_seen_and_go);
    TEST(any_order_gives_the_model);
    TEST(what_is_cut_off_stays_away);
    TEST(the_map_tells_what_is_temporary);
    TEST(writers_of_one_chunk_lose_nothing);
    TEST(read_only_is_kept);
    TEST(no_file_is_seen);
    TEST(no_place_for_it_fails_the_open);
    TEST(a_failed_read_below_changes_nothing);
    return g_test_run();
}
