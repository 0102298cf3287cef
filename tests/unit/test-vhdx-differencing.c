/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vhdx-differencing.c - disks above a parent: which sectors are
 * whose, and which parent is the right one.
 *
 * The child is made of an empty dynamic image by hand: first a block that is
 * partly present at 4 MiB, then one MiB of bitmap. */
#include "tests/unit/vhdx-test.h"

#include <glib/gstdio.h>
#include <string.h>

#define PARENT "parent.vhdx"
#define DISK_SIZE (8 * MIB)
#define ITEM_ENTRIES (VHDX_TEST_METADATA + 32)
#define ITEMS (VHDX_TEST_METADATA + 65536)
#define LOCATOR_AT (65536 + 4096) /* in the metadata region */
#define TYPE "\xb7\xef\x4a\xb0\x9e\xd1\x81\x4a\xb7\x89\x25\xb8\xe9\x44\x59\x13"
#define LOCATOR_ID                                                             \
    "\x2d\x5f\xd3\xa8\x0b\xb3\x4d\x45\xab\xf7\xd3\xd8\x48\x34\xab\x0c"

typedef struct {
    const char *options; /* of the child */
    uint32_t block, sector;
} Layout;

static const Layout small = {"block_size=1M", MIB, 512};

/* -- making -----------------------------------------------------------------
 */

/* Of the image that is there now; then it is called PARENT. */
static void
make_parent(TestCo *t, char id[VD_UUID_CHARS + 3])
{
    g_autofree char *from = test_co_path(t, VHDX_TEST_NAME);
    g_autofree char *to = test_co_path(t, PARENT);
    VdNode *node;

    vhdx_test_create(t, DISK_SIZE, "");
    node = vhdx_test_open(t, VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, DISK_SIZE, 1);
    id[0] = '{';
    vd_uuid_format(((VhdxState *) vd_node_state(node))->headers.now.data_write,
                   true, id + 1);
    strcat(id, "}");
    test_co_close(node);
    g_assert_cmpint(g_rename(from, to), ==, 0);
}

static uint16_t
put_text(uint8_t *p, const char *text)
{
    uint16_t n = 0;

    for (; text[n]; n++)
        vio_put_le16(p + 2 * n, (uint8_t) text[n]);
    return (uint16_t) (2 * n);
}

/* @pairs: keys and values, NULL at the end. */
static void
put_locator(TestCo *t, const char *const *pairs)
{
    uint8_t raw[4096] = {0};
    uint32_t at = 512;
    uint16_t n = 0;

    memcpy(raw, TYPE, 16);
    for (; pairs[2 * n]; n++) {
        uint8_t *entry = raw + 20 + 12 * n;

        vio_put_le32(entry, at);
        vio_put_le16(entry + 8, put_text(raw + at, pairs[2 * n]));
        at += 256;
        vio_put_le32(entry + 4, at);
        vio_put_le16(entry + 10, put_text(raw + at, pairs[2 * n + 1]));
        at += 256;
    }
    vio_put_le16(raw + 18, n);
    vhdx_test_poke(t, VHDX_TEST_METADATA + LOCATOR_AT, raw, sizeof(raw));
}

static void
put_locator_entry(TestCo *t)
{
    uint8_t raw[32] = {0};

    memcpy(raw, LOCATOR_ID, 16);
    vio_put_le32(raw + 16, LOCATOR_AT);
    vio_put_le32(raw + 20, 4096);
    vio_put_le32(raw + 24, 4);
    vhdx_test_poke(t, ITEM_ENTRIES + 5 * 32, raw, sizeof(raw));
    vhdx_test_poke(t, VHDX_TEST_METADATA + 10, "\6", 1);
    vhdx_test_poke(t, ITEMS + 4, "\2", 1); /* has a parent */
}

static void
put_entry(TestCo *t, uint64_t i, uint64_t value)
{
    uint8_t raw[8];

    vio_put_le64(raw, value);
    vhdx_test_poke(t, VHDX_TEST_TABLE + 8 * i, raw, sizeof(raw));
}

static uint64_t
bitmap_entry(const Layout *layout)
{
    return ((uint64_t) layout->sector << 23) / layout->block;
}

static uint64_t
bitmap_off(const Layout *layout)
{
    return VHDX_TEST_DATA + layout->block;
}

/* Block 1 is partly here; of its sectors those that the bits say. */
static void
make_child(TestCo *t, const Layout *layout, const char *const *pairs,
           const uint8_t *bits, size_t len)
{
    uint64_t per_block = layout->block / layout->sector / 8;
    VdNode *file;

    vhdx_test_create(t, DISK_SIZE, layout->options);
    put_locator_entry(t);
    put_locator(t, pairs);
    vhdx_test_truncate(t, bitmap_off(layout) + MIB);
    file = test_co_open_file(t, "file", VHDX_TEST_NAME, VD_OPEN_RDWR);
    test_co_write_pattern(file, VHDX_TEST_DATA, layout->block, 2);
    test_co_close(file);
    put_entry(t, 1, VHDX_TEST_DATA | VHDX_PARTLY_PRESENT);
    put_entry(t, bitmap_entry(layout), bitmap_off(layout) | VHDX_PRESENT);
    vhdx_test_poke(t, bitmap_off(layout) + per_block, bits, len);
}

static void
make_pair(TestCo *t, const Layout *layout, const uint8_t *bits, size_t len)
{
    char id[VD_UUID_CHARS + 3];
    const char *const pairs[] = {"relative_path", ".\\" PARENT,
                                 "parent_linkage", id, NULL};

    make_parent(t, id);
    make_child(t, layout, pairs, bits, len);
}

/* -- sectors ----------------------------------------------------------------
 */

static void
assert_sector(VdNode *node, const Layout *layout, unsigned i, bool here)
{
    uint64_t within = (uint64_t) i * layout->sector;
    g_autofree uint8_t *buf = g_malloc(layout->sector);
    g_autoptr(GError) error = NULL;

    vd_node_co_pread(node, layout->block + within, buf, layout->sector, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(
        test_pattern_differs(buf, layout->sector,
                             (here ? VHDX_TEST_DATA : layout->block) + within,
                             here ? 2 : 1),
        ==, layout->sector);
}

static void
check_layout(TestCo *t, const Layout *layout)
{
    static const uint8_t bits[] = {0x05, 0x80, 0xff, 0x00};
    VdNode *node;

    make_pair(t, layout, bits, sizeof(bits));
    node = vhdx_test_open(t, 0);
    for (unsigned i = 0; i < 40; i++)
        assert_sector(node, layout, i,
                      i == 0 || i == 2 || i == 15 || (i >= 16 && i < 24));
    test_co_assert_pattern(node, 0, layout->block, 1);
    test_co_assert_pattern(node, 2 * layout->block,
                           DISK_SIZE - 2 * layout->block, 1);
    vhdx_test_assert_sound(node);
    test_co_close(node);
}

static void
test_sectors_are_the_childs_or_the_parents(TestCo *t)
{
    static const Layout layouts[] = {
        {"block_size=1M", MIB, 512},
        {"block_size=2M", 2 * MIB, 512},
        {"block_size=1M,logical_sector_size=4096", MIB, 4096},
        {"block_size=4M,logical_sector_size=4096", 4 * MIB, 4096},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(layouts); i++)
        check_layout(t, &layouts[i]);
}

static void
test_states(TestCo *t)
{
    VdNode *node;

    make_pair(t, &small, (const uint8_t *) "", 1);
    put_entry(t, 0, VHDX_ZERO);
    put_entry(t, 1, VHDX_TEST_DATA | VHDX_PRESENT);
    put_entry(t, 2, VHDX_NOT_PRESENT);
    node = vhdx_test_open(t, 0);
    test_co_assert_zero(node, 0, MIB);
    assert_sector(node, &small, 77, true);
    test_co_assert_pattern(node, 2 * MIB, DISK_SIZE - 2 * MIB, 1);
    test_co_close(node);
}

static void
test_a_bitmap_must_be_there(TestCo *t)
{
    const uint64_t values[] = {0, 2, 6, VHDX_TEST_LOG | 6, (64 * MIB) | 6};
    char buf[512];

    for (unsigned i = 0; i < G_N_ELEMENTS(values); i++) {
        g_autoptr(GError) error = NULL;
        VdNode *node;

        make_pair(t, &small, (const uint8_t *) "", 1);
        put_entry(t, bitmap_entry(&small), values[i]);
        node = vhdx_test_open(t, 0);
        test_co_assert_pattern(node, 0, MIB, 1);
        g_assert_false(vd_node_co_pread(node, MIB, buf, sizeof(buf), &error));
        g_assert_error(error, VD_ERROR, VD_ERROR_CORRUPT);
        g_assert_cmpuint(vhdx_test_check(node, 0).corruptions, ==, 1);
        test_co_close(node);
    }
}

static void
test_is_only_read(TestCo *t)
{
    make_pair(t, &small, (const uint8_t *) "", 1);
    vhdx_test_assert_refused(t, VD_OPEN_RDWR, VD_ERROR_NOT_SUPPORTED,
                             "read only");
}

/* -- parents ----------------------------------------------------------------
 */

static void
assert_finds_parent(TestCo *t, const char *const *pairs)
{
    VdNode *node;

    make_child(t, &small, pairs, (const uint8_t *) "", 1);
    node = vhdx_test_open(t, 0);
    test_co_assert_pattern(node, 0, DISK_SIZE, 1);
    test_co_close(node);
}

static void
test_finds_the_parent(TestCo *t)
{
    char id[VD_UUID_CHARS + 3];
    const char *const by_volume[] = {"parent_linkage", id, "volume_path",
                                     "\\\\?\\Volume{x}\\disks\\" PARENT, NULL};
    const char *const by_absolute[] = {"absolute_win32_path",
                                       "C:\\disks\\" PARENT, "parent_linkage",
                                       id, NULL};
    const char *const second[] = {"relative_path",
                                  "gone.vhdx",
                                  "volume_path",
                                  "x:" PARENT,
                                  "absolute_win32_path",
                                  "D:\\a\\" PARENT,
                                  "parent_linkage",
                                  id,
                                  NULL};
    const char *const by_linkage2[] = {"parent_linkage",
                                       "{00000000-0000-4000-8000-000000000001}",
                                       "parent_linkage2",
                                       id,
                                       "relative_path",
                                       "dir\\..\\" PARENT,
                                       NULL};

    make_parent(t, id);
    assert_finds_parent(t, by_volume);
    assert_finds_parent(t, by_absolute);
    assert_finds_parent(t, second);
    assert_finds_parent(t, by_linkage2);
}

static void
test_refuses_other_parents(TestCo *t)
{
    char id[VD_UUID_CHARS + 3];
    const char *const missing[] = {"relative_path", ".\\gone.vhdx",
                                   "parent_linkage", id, NULL};
    const char *const mismatch[] = {
        "relative_path", ".\\" PARENT, "parent_linkage",
        "{00000000-0000-4000-8000-000000000001}", NULL};
    const char *const nonsense[] = {"relative_path", PARENT, "parent_linkage",
                                    "{not an id}", NULL};

    make_parent(t, id);
    make_child(t, &small, missing, (const uint8_t *) "", 1);
    vhdx_test_assert_refused(t, 0, VD_ERROR_NOT_FOUND, "gone.vhdx");
    test_co_close(vhdx_test_open(t, VD_OPEN_NO_PARENT));
    make_child(t, &small, mismatch, (const uint8_t *) "", 1);
    vhdx_test_assert_refused(t, 0, VD_ERROR_PARENT_MISMATCH, PARENT);
    make_child(t, &small, nonsense, (const uint8_t *) "", 1);
    vhdx_test_assert_refused(t, 0, VD_ERROR_CORRUPT, "not an id");
}

static void
test_refuses_locators(TestCo *t)
{
    static const struct {
        unsigned at;
        const char *bytes;
        VdErrorCode code;
        const char *text;
    } rows[] = {
        {0, "?", VD_ERROR_NOT_SUPPORTED, "unknown type"},
        {19, "\xff", VD_ERROR_CORRUPT, "too short"},
        {22, "\xff", VD_ERROR_CORRUPT, "points out"},
        {26, "\xff", VD_ERROR_CORRUPT, "points out"},
        {29, "\xff", VD_ERROR_CORRUPT, "points out"},
        {31, "\xff", VD_ERROR_CORRUPT, "points out"},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        make_pair(t, &small, (const uint8_t *) "", 1);
        vhdx_test_poke(t, VHDX_TEST_METADATA + LOCATOR_AT + rows[i].at,
                       rows[i].bytes, 1);
        vhdx_test_assert_refused(t, 0, rows[i].code, rows[i].text);
    }
}

static void
test_option_names_the_parent(TestCo *t)
{
    char id[VD_UUID_CHARS + 3];
    const char *const pairs[] = {"relative_path", "gone.vhdx", "parent_linkage",
                                 id, NULL};
    g_autofree char *options = NULL;
    VdNode *node;

    make_parent(t, id);
    make_child(t, &small, pairs, (const uint8_t *) "", 1);
    options = g_strdup_printf("driver=vhdx,file.driver=file,file.filename=%s/%s"
                              ",parent=%s/%s",
                              t->dir, VHDX_TEST_NAME, t->dir, PARENT);
    node = test_co_open(t, options, 0);
    test_co_assert_pattern(node, 0, DISK_SIZE, 1);
    test_co_close(node);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    test_co_add("/vhdx/differencing/sectors",
                test_sectors_are_the_childs_or_the_parents);
    test_co_add("/vhdx/differencing/states", test_states);
    test_co_add("/vhdx/differencing/a-bitmap-must-be-there",
                test_a_bitmap_must_be_there);
    test_co_add("/vhdx/differencing/is-only-read", test_is_only_read);
    test_co_add("/vhdx/differencing/finds-the-parent", test_finds_the_parent);
    test_co_add("/vhdx/differencing/refuses-other-parents",
                test_refuses_other_parents);
    test_co_add("/vhdx/differencing/refuses-locators", test_refuses_locators);
    test_co_add("/vhdx/differencing/option-names-the-parent",
                test_option_names_the_parent);
    return g_test_run();
}
