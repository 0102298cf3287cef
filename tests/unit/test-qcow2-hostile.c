/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-qcow2-hostile.c - images whose fields and tables say what
 * they must not: each is refused with words that say why, or read without harm.
 */
#include "tests/unit/qcow2-test.h"

#include <string.h>
#include <unistd.h>

#define DISK_SIZE (4 * MIB)
#define CLUSTER 65536u
#define BEHIND "\0\0\1\0\0\0\0\0" /* 2^40 */
#define BYTES(text) text, sizeof(text) - 1

typedef struct {
    uint64_t at;
    const char *bytes;
    size_t len;
    VdErrorCode code;
    const char *text; /* of the message */
} Row;

static const Row rows[] = {
    {0, BYTES("QFI\xfa"), VD_ERROR_UNKNOWN_FORMAT, "signature"},
    {4, BYTES("\0\0\0\4"), VD_ERROR_NOT_SUPPORTED, "version 4"},
    {4, BYTES("\xff\xff\xff\xff"), VD_ERROR_NOT_SUPPORTED,
     "version 4294967295"},
    {8, BYTES("\0\0\0\0\0\0\xff\xff\0\0\0\x0a"), VD_ERROR_CORRUPT,
     "backing file's name"},
    {8, BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\x0a"), VD_ERROR_CORRUPT,
     "backing file's name"},
    {8, BYTES("\0\0\0\0\0\0\2\0\0\0\4\0"), VD_ERROR_CORRUPT,
     "backing file's name"},
    {20, BYTES("\0\0\0\x08"), VD_ERROR_CORRUPT, "cluster_bits"},
    {20, BYTES("\0\0\0\x16"), VD_ERROR_CORRUPT, "cluster_bits"},
    {20, BYTES("\xff\xff\xff\xff"), VD_ERROR_CORRUPT, "cluster_bits"},
    {24, BYTES("\xff\xff\xff\xff\xff\xff\xff\xff"), VD_ERROR_LIMIT,
     "the disk size"},
    {24, BYTES("\x3f\xff\xff\xff\xff\xff\xff\xff"), VD_ERROR_CORRUPT,
     "L1 entries"},
    {24, BYTES(BEHIND), VD_ERROR_CORRUPT, "L1 entries"},
    {32, BYTES("\0\0\0\1"), VD_ERROR_ENCRYPTED, "AES"},
    {32, BYTES("\0\0\0\2"), VD_ERROR_ENCRYPTED, "LUKS"},
    {32, BYTES("\0\0\0\3"), VD_ERROR_CORRUPT, "encryption method 3"},
    {36, BYTES("\0\0\0\0"), VD_ERROR_CORRUPT, "L1 entries"},
    {36, BYTES("\xff\xff\xff\xff"), VD_ERROR_LIMIT, "L1 entries"},
    {36, BYTES("\0\x40\0\1"), VD_ERROR_LIMIT, "L1 entries"},
    {36, BYTES("\0\x40\0\0"), VD_ERROR_CORRUPT, "ends behind the file"},
    {40, BYTES("\0\0\0\0\0\0\2\0"), VD_ERROR_CORRUPT, "the L1 table"},
    {40, BYTES("\1\0\0\0\0\0\0\0"), VD_ERROR_CORRUPT, "the L1 table"},
    {40, BYTES(BEHIND), VD_ERROR_CORRUPT, "ends behind the file"},
    {48, BYTES("\0\0\0\0\0\0\2\0"), VD_ERROR_CORRUPT, "the refcount table"},
    {48, BYTES("\xff\xff\xff\xff\xff\xff\0\0"), VD_ERROR_CORRUPT,
     "the refcount table"},
    {56, BYTES("\xff\xff\xff\xff"), VD_ERROR_LIMIT, "the refcount table"},
    {56, BYTES("\0\0\0\x81"), VD_ERROR_LIMIT, "the refcount table"},
    {60, BYTES("\0\1\0\1"), VD_ERROR_LIMIT, "snapshots"},
    {64, BYTES("\0\0\0\0\0\0\0\1"), VD_ERROR_CORRUPT, "the snapshot table"},
    {72, BYTES("\0\0\0\1"), VD_ERROR_NOT_SUPPORTED, "\"bit 32\""},
    {72, BYTES("\0\0\0\0\0\0\0\x80"), VD_ERROR_NOT_SUPPORTED, "\"bit 7\""},
    {96, BYTES("\0\0\0\7"), VD_ERROR_CORRUPT, "refcount_order"},
    {96, BYTES("\xff\xff\xff\xff"), VD_ERROR_CORRUPT, "refcount_order"},
    {100, BYTES("\0\0\0\x60"), VD_ERROR_CORRUPT, "header length"},
    {100, BYTES("\0\1\0\x08"), VD_ERROR_CORRUPT, "header length"},
    {100, BYTES("\xff\xff\xff\xf8"), VD_ERROR_CORRUPT, "header length"},
    {104, BYTES("\2"), VD_ERROR_NOT_SUPPORTED, "compression type"},
    {112, BYTES("\x12\x34\x56\x78\xff\xff\xff\xf8"), VD_ERROR_CORRUPT,
     "header extension at byte 112"},
    {112, BYTES("\x23\x85\x28\x75\0\0\0\x10"), VD_ERROR_CORRUPT,
     "bitmaps extension has 16 bytes"},
};

static void
poke(TestCo *t, uint64_t at, const void *bytes, size_t len)
{
    vmdk_test_poke(t, QCOW2_TEST_NAME, at, bytes, len);
}

static void
poke64(TestCo *t, uint64_t at, uint64_t word)
{
    uint8_t raw[8];

    vio_put_be64(raw, word);
    poke(t, at, raw, sizeof(raw));
}

static uint64_t
peek64(TestCo *t, uint64_t at)
{
    size_t len;
    g_autofree char *file = vmdk_test_read_file(t, QCOW2_TEST_NAME, &len);

    g_assert_cmpuint(at + 8, <=, len);
    return vio_get_be64((uint8_t *) file + at);
}

static void
assert_refused(TestCo *t, VdOpenFlags flags, VdErrorCode code, const char *text)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(qcow2_test_try_open(t, flags, &error));
    g_assert_error(error, VD_ERROR, (int) code);
    if (!strstr(error->message, text))
        g_error("\"%s\" is not in: %s", text, error->message);
}

static void
test_refuses_fields(TestCo *t)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("row %u: byte %u, \"%s\"", i, (unsigned) rows[i].at,
                       rows[i].text);
        qcow2_test_create(t, DISK_SIZE, "");
        poke(t, rows[i].at, rows[i].bytes, rows[i].len);
        assert_refused(t, 0, rows[i].code, rows[i].text);
        assert_refused(t, VD_OPEN_RDWR, rows[i].code, rows[i].text);
    }
}

static void
test_names_unknown_features(TestCo *t)
{
    uint8_t table[8 + 48] = {0x68, 0x03, 0xf8, 0x57, 0, 0, 0, 48, 0, 33};

    strcpy((char *) table + 10, "teleportation");
    qcow2_test_create(t, DISK_SIZE, "");
    poke(t, 112, table, sizeof(table));
    poke64(t, 72, UINT64_C(1) << 33);
    assert_refused(t, 0, VD_ERROR_NOT_SUPPORTED, "\"teleportation\"");
}

/* Nobody has to know these; who writes clears those that say "up to date". */
static void
test_other_features_do_no_harm(TestCo *t)
{
    VdNode *node;

    qcow2_test_create(t, DISK_SIZE, "");
    poke64(t, 80, UINT64_C(1) << 40);
    poke64(t, 88, UINT64_C(1) << 41);
    node = qcow2_test_open(t, VD_OPEN_RDWR);
    test_co_close(node);
    g_assert_cmphex(peek64(t, 88), ==, UINT64_C(1) << 41);
    node = qcow2_test_open(t, VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, 512, 1);
    test_co_close(node);
    g_assert_cmphex(peek64(t, 80), ==, UINT64_C(1) << 40);
    g_assert_cmphex(peek64(t, 88), ==, 0);
}

static void
test_extended_needs_large_clusters(TestCo *t)
{
    qcow2_test_create(t, DISK_SIZE, "cluster_size=8k");
    poke64(t, 72, QCOW2_INCOMPAT_EXTENDED_L2);
    assert_refused(t, 0, VD_ERROR_CORRUPT, "at least 14");
}

static void
test_short_files(TestCo *t)
{
    static const uint64_t sizes[] = {0, 3, 4, 71, 104, 4096, CLUSTER};
    g_autofree char *path = test_co_path(t, QCOW2_TEST_NAME);

    for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autoptr(GError) error = NULL;

        qcow2_test_create(t, DISK_SIZE, "");
        g_assert_cmpint(truncate(path, (off_t) sizes[i]), ==, 0);
        g_assert_null(qcow2_test_try_open(t, 0, &error));
        g_assert_nonnull(error);
        g_clear_error(&error);
        g_assert_null(qcow2_test_try_open(t, VD_OPEN_RDWR, &error));
        g_assert_nonnull(error);
    }
}

/* -- tables ---------------------------------------------------------------- */

/* Places in an image with data in its first two clusters. */
typedef struct {
    uint64_t l1, l2, reftable, block;
} Places;

static Places
make_filled(TestCo *t, const char *options)
{
    const Qcow2State *s;
    Places places;
    VdNode *node;

    qcow2_test_create(t, DISK_SIZE, options);
    node = qcow2_test_open(t, VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, 2 * CLUSTER, 7);
    s = vd_node_state(node);
    places.l1 = s->hdr.l1_off;
    places.reftable = s->hdr.reftable_off;
    places.l2 = qcow2_sliced_table(s->tables->sliced, 0);
    places.block = qcow2_sliced_table(s->refcounts->sliced, 0);
    test_co_close(node);
    return places;
}

static void
assert_request_fails(GError *error, bool ok, const char *text)
{
    g_assert_false(ok);
    g_assert_error(error, VD_ERROR, VD_ERROR_CORRUPT);
    if (!strstr(error->message, text))
        g_error("\"%s\" is not in: %s", text, error->message);
}

static void
assert_read_fails(TestCo *t, const char *text)
{
    VdNode *node = qcow2_test_open(t, 0);
    g_autoptr(GError) error = NULL;
    uint8_t buf[512];
    bool ok = vd_node_co_pread(node, 0, buf, sizeof(buf), &error);

    assert_request_fails(error, ok, text);
    test_co_close(node);
}

static void
assert_write_fails(TestCo *t, uint64_t off, const char *text)
{
    VdNode *node = qcow2_test_open(t, VD_OPEN_RDWR);
    g_autoptr(GError) error = NULL;
    uint8_t buf[512] = {1};
    bool ok = vd_node_co_pwrite(node, off, buf, sizeof(buf), &error);

    assert_request_fails(error, ok, text);
    (void) vd_node_co_close(node, NULL); /* nothing was begun */
}

static void
assert_check_finds(TestCo *t)
{
    VdNode *node = qcow2_test_open(t, VD_OPEN_CHECK);

    g_assert_cmpuint(qcow2_test_check(node, 0).corruptions, >, 0);
    test_co_close(node);
}

static void
test_bad_l1_entries(TestCo *t)
{
    static const uint64_t words[] = {
        UINT64_C(0x80ff000000000000), /* behind the end */
        UINT64_C(0x8000000000050200), /* in a cluster */
        UINT64_C(0x4000000000050000), /* reserved bits */
        UINT64_C(0x8000000000050001),
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(words); i++) {
        Places places = make_filled(t, "");

        poke64(t, places.l1, words[i]);
        assert_read_fails(t, "L1 table");
        assert_write_fails(t, 0, "");
        assert_check_finds(t);
    }
}

static void
test_bad_l2_entries(TestCo *t)
{
    static const uint64_t words[] = {
        UINT64_C(0x8000000000050200), /* in a cluster */
        UINT64_C(0x8000000000050002), /* reserved bits */
        UINT64_C(0x9000000000050000),
        UINT64_C(0x40ff000000000000) | (UINT64_C(1) << 61), /* packed */
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(words); i++) {
        Places places = make_filled(t, "");

        poke64(t, places.l2, words[i]);
        assert_read_fails(t, "");
        assert_check_finds(t);
    }
}

/* Parts that are there and zero at once. */
static void
test_bad_subclusters(TestCo *t)
{
    Places places = make_filled(t, "extended_l2=on");

    poke64(t, places.l2 + 8, UINT64_C(0x00000001ffffffff));
    assert_read_fails(t, "");
    assert_check_finds(t);
}

/* What a file lacks is zero, as after a crash; a check tells. */
static void
test_data_behind_the_end(TestCo *t)
{
    Places places = make_filled(t, "");
    VdNode *node;

    poke64(t, places.l2, QCOW2_COPIED | (UINT64_C(1) << 40));
    node = qcow2_test_open(t, 0);
    test_co_assert_zero(node, 0, CLUSTER);
    test_co_assert_pattern(node, CLUSTER, CLUSTER, 7);
    test_co_close(node);
    assert_check_finds(t);
}

/* The bit of a table that is nobody else's, without a table. */
static void
test_owned_table_without_place(TestCo *t)
{
    VdNode *node;

    qcow2_test_create(t, DISK_SIZE, "");
    node = qcow2_test_open(t, 0);
    poke64(t, ((Qcow2State *) vd_node_state(node))->hdr.l1_off, QCOW2_COPIED);
    test_co_close(node);
    node = qcow2_test_open(t, VD_OPEN_RDWR);
    test_co_write_pattern(node, CLUSTER, CLUSTER, 9);
    test_co_close(node);
    node = qcow2_test_open(t, VD_OPEN_CHECK);
    test_co_assert_pattern(node, CLUSTER, CLUSTER, 9);
    qcow2_test_assert_sound(node);
    test_co_close(node);
}

/* A table as its own L2 table, and as somebody's refcount block. */
static void
test_tables_on_one_another(TestCo *t)
{
    Places places = make_filled(t, "");

    poke64(t, places.l1, QCOW2_COPIED | places.l1);
    assert_write_fails(t, 3 * CLUSTER, "lies on another table");
    assert_check_finds(t);

    places = make_filled(t, "");
    poke64(t, places.l1, QCOW2_COPIED | places.block);
    assert_write_fails(t, 3 * CLUSTER, "lies on another table");
    assert_check_finds(t);

    places = make_filled(t, "");
    poke64(t, places.reftable + 8, places.l1);
    assert_write_fails(t, 3 * CLUSTER, "lies on another table");
    assert_check_finds(t);
}

/* New clusters must not come to lie on tables that are not counted. */
static void
test_tables_that_are_not_counted(TestCo *t)
{
    static const uint8_t none[CLUSTER];
    Places places = make_filled(t, "");
    VdNode *node;

    poke(t, places.block, none, sizeof(none));
    assert_write_fails(t, 3 * CLUSTER, "does not count as used");
    node = qcow2_test_open(t, 0);
    test_co_assert_pattern(node, 0, 2 * CLUSTER, 7);
    test_co_close(node);
    assert_check_finds(t);
}

static void
test_bad_refcount_table(TestCo *t)
{
    Places places = make_filled(t, "");
    VdNode *node;

    poke64(t, places.reftable, UINT64_C(0x00ff000000000000));
    node = qcow2_test_open(t, 0); /* readers need no counts */
    test_co_assert_pattern(node, 0, 2 * CLUSTER, 7);
    test_co_close(node);
    assert_write_fails(t, 3 * CLUSTER, "");
    assert_check_finds(t);
}

/* -- backing files --------------------------------------------------------- */

static void
put_backing(TestCo *t, const char *name)
{
    uint8_t where[12] = {0};

    vio_put_be64(where, 4096);
    vio_put_be32(where + 8, (uint32_t) strlen(name));
    qcow2_test_create(t, DISK_SIZE, "");
    poke(t, 8, where, sizeof(where));
    poke(t, 4096, name, strlen(name));
}

static void
test_backing_loops(TestCo *t)
{
    put_backing(t, QCOW2_TEST_NAME);
    assert_refused(t, 0, VD_ERROR_CORRUPT, "is its own parent");
}

static void
test_backing_missing(TestCo *t)
{
    put_backing(t, "nowhere.qcow2");
    assert_refused(t, 0, VD_ERROR_NOT_FOUND, "nowhere.qcow2");
    test_co_close(qcow2_test_open(t, VD_OPEN_NO_PARENT));
}

/* A parent that is not looked for would leave zeroes in its place. */
static void
test_backing_name_cut_off(TestCo *t)
{
    g_autofree char *path = test_co_path(t, QCOW2_TEST_NAME);
    uint8_t where[12] = {0};

    vio_put_be64(where, 4096);
    vio_put_be32(where + 8, 9);
    qcow2_test_create(t, 0, "cluster_size=16k");
    poke(t, 8, where, sizeof(where));
    poke(t, 4096, "base.raw", 8);
    poke(t, 36, "\0\0\0\0\0\0\0\0\0\0\0\0", 12);
    poke(t, 48, "\0\0\0\0\0\0\0\0\0\0\0\0", 12);
    g_assert_cmpint(truncate(path, 4096 + 8), ==, 0);
    assert_refused(t, 0, VD_ERROR_CORRUPT, "ends behind the file");
}

/* Of any encoding. */
static void
test_name_of_data_file(TestCo *t)
{
    g_autoptr(GVariant) all = NULL;
    const char *name = NULL;
    VdNode *node;

    qcow2_test_create(t, MIB, "data_file=d.data");
    vmdk_test_replace(t, QCOW2_TEST_NAME, "d.data", "\xff.data");
    node = qcow2_test_open(t, VD_OPEN_NO_IO);
    all = g_variant_ref_sink(vd_qcow2_driver.describe(node));
    g_assert_true(g_variant_lookup(all, "data-file", "&s", &name));
    g_assert_true(g_str_has_suffix(name, ".data"));
    test_co_close(node);
}

/* Where parents have to be beside the image. */
static void
test_data_file_is_contained(TestCo *t)
{
    qcow2_test_create(t, MIB, "data_file=d.data");
    t->env.contain_parents = true;
    test_co_close(qcow2_test_open(t, 0));
    vmdk_test_replace(t, QCOW2_TEST_NAME, "d.data", "/d.raw");
    assert_refused(t, 0, VD_ERROR_REFUSED, "/d.raw");
    t->env.contain_parents = false;
    assert_refused(t, 0, VD_ERROR_NOT_FOUND, "/d.raw");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    test_co_add("/qcow2/hostile/fields", test_refuses_fields);
    test_co_add("/qcow2/hostile/names-features", test_names_unknown_features);
    test_co_add("/qcow2/hostile/other-features",
                test_other_features_do_no_harm);
    test_co_add("/qcow2/hostile/extended", test_extended_needs_large_clusters);
    test_co_add("/qcow2/hostile/short-files", test_short_files);
    test_co_add("/qcow2/hostile/l1", test_bad_l1_entries);
    test_co_add("/qcow2/hostile/l2", test_bad_l2_entries);
    test_co_add("/qcow2/hostile/subclusters", test_bad_subclusters);
    test_co_add("/qcow2/hostile/behind-end", test_data_behind_the_end);
    test_co_add("/qcow2/hostile/owned-without-place",
                test_owned_table_without_place);
    test_co_add("/qcow2/hostile/overlap", test_tables_on_one_another);
    test_co_add("/qcow2/hostile/uncounted", test_tables_that_are_not_counted);
    test_co_add("/qcow2/hostile/refcount-table", test_bad_refcount_table);
    test_co_add("/qcow2/hostile/backing-loop", test_backing_loops);
    test_co_add("/qcow2/hostile/backing-missing", test_backing_missing);
    test_co_add("/qcow2/hostile/backing-name-cut-off",
                test_backing_name_cut_off);
    test_co_add("/qcow2/hostile/data-file-name", test_name_of_data_file);
    test_co_add("/qcow2/hostile/data-file-contained",
                test_data_file_is_contained);
    return g_test_run();
}
