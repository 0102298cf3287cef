/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vdi-differencing.c - VDI images above a parent, which they
 * know by two ids only.
 *
 * Children are made of dynamic images by hand: type and ids of the header. */
#include "formats/vdi/driver.h"
#include "formats/vdi/vdi.h"
#include "tests/unit/blocks-test.h"

#include <glib/gstdio.h>
#include <string.h>

#define DISK_SIZE (4 * MIB)
#define TYPE_AT 76
#define CREATE_AT 392
#define MODIFY_AT 408
#define LINKAGE_AT 424
#define PARENT_MODIFY_AT 440

static const BlocksTest base = {&vd_vdi_driver, "base.vdi"};
static const BlocksTest middle = {&vd_vdi_driver, "middle.vdi"};
static const BlocksTest top = {&vd_vdi_driver, "top.vdi"};

/* -- making ---------------------------------------------------------------- */

/* Block @i has pattern @seed. */
static void
make(TestCo *t, const BlocksTest *image, uint64_t i, uint32_t seed)
{
    VdNode *node;

    blocks_test_create(t, image, DISK_SIZE, "");
    node = blocks_test_open(t, image, VD_OPEN_RDWR);
    test_co_write_pattern(node, i * MIB, MIB, seed);
    test_co_close(node);
}

static void
set_parent(TestCo *t, const BlocksTest *child, const BlocksTest *parent)
{
    uint8_t ids[2 * VD_UUID_BYTES];

    blocks_test_peek(t, parent, CREATE_AT, ids, sizeof(ids));
    blocks_test_poke(t, child, LINKAGE_AT, ids, sizeof(ids));
    blocks_test_poke(t, child, TYPE_AT, "\4", 1);
}

/* Block 0 is of the base, 1 of the middle, 2 of the top, 3 of nobody. */
static void
make_chain(TestCo *t)
{
    make(t, &base, 0, 1);
    make(t, &middle, 1, 2);
    make(t, &top, 2, 3);
    set_parent(t, &middle, &base);
    set_parent(t, &top, &middle);
}

static void
assert_chain(VdNode *node)
{
    test_co_assert_pattern(node, 0, MIB, 1);
    test_co_assert_pattern(node, MIB, MIB, 2);
    test_co_assert_pattern(node, 2 * MIB, MIB, 3);
    test_co_assert_zero(node, 3 * MIB, MIB);
}

/* -- reading --------------------------------------------------------------- */

static void
test_reads_through_the_chain(TestCo *t)
{
    VdNode *node;

    make_chain(t);
    node = blocks_test_open(t, &top, 0);
    assert_chain(node);
    blocks_test_assert_sound(node);
    test_co_close(node);
}

/* 0xfffffffe in the table: zeroes, whatever the parent has. */
static void
test_zero_hides_the_parent(TestCo *t)
{
    VdNode *node;

    make_chain(t);
    blocks_test_poke(t, &top, MIB, "\xfe\xff\xff\xff", 4);
    node = blocks_test_open(t, &top, 0);
    test_co_assert_zero(node, 0, MIB);
    test_co_assert_pattern(node, MIB, MIB, 2);
    test_co_close(node);
}

static void
test_is_only_read(TestCo *t)
{
    make_chain(t);
    blocks_test_assert_refused(t, &top, VD_OPEN_RDWR, VD_ERROR_NOT_SUPPORTED,
                               "read only");
    blocks_test_poke(t, &top, TYPE_AT, "\3", 1);
    blocks_test_assert_refused(t, &top, 0, VD_ERROR_NOT_SUPPORTED, "undo");
}

static void
test_tells_where_the_parent_is(TestCo *t)
{
    g_autofree char *path = test_co_path(t, middle.name);
    VdNodeInfo info;
    VdNode *node;

    make_chain(t);
    node = blocks_test_open(t, &top, VD_OPEN_NO_PARENT);
    vd_vdi_driver.get_info(node, &info);
    g_assert_cmpstr(info.backing_name, ==, middle.name);
    g_assert_cmpstr(info.backing_path, ==, path);
    g_assert_cmpstr(info.backing_format, ==, "vdi");
    test_co_close(node);
}

/* -- which is the parent? -------------------------------------------------- */

/* Its name does not matter, and other files beside it do not disturb. */
static void
test_names_do_not_matter(TestCo *t)
{
    g_autofree char *from = test_co_path(t, base.name);
    g_autofree char *to = test_co_path(t, "no name of an image");
    g_autofree char *dir = test_co_path(t, "dir.vdi");
    VdNode *node;

    make_chain(t);
    g_assert_cmpint(g_rename(from, to), ==, 0);
    g_assert_cmpint(g_mkdir(dir, 0700), ==, 0);
    vmdk_test_write_file(t, "short.vdi", "<<<", 3);
    node = blocks_test_open(t, &top, 0);
    assert_chain(node);
    test_co_close(node);
}

static void
test_missing_parent(TestCo *t)
{
    static const uint8_t other[VD_UUID_BYTES] = {1};
    VdNode *node;
    VdNodeInfo info;

    make_chain(t);
    blocks_test_poke(t, &base, CREATE_AT, other, sizeof(other));
    blocks_test_assert_refused(t, &top, 0, VD_ERROR_NOT_FOUND, "middle.vdi");
    node = blocks_test_open(t, &middle, VD_OPEN_NO_PARENT);
    vd_vdi_driver.get_info(node, &info);
    g_assert_null(info.backing_path);
    g_assert_cmpuint(strlen(info.backing_name), ==, VD_UUID_CHARS);
    test_co_close(node);
}

static void
test_changed_parent_is_refused(TestCo *t)
{
    VdNode *node;

    make_chain(t);
    node = blocks_test_open(t, &base, VD_OPEN_RDWR);
    test_co_write_pattern(node, 3 * MIB, 512, 9);
    test_co_close(node);
    blocks_test_assert_refused(t, &middle, 0, VD_ERROR_PARENT_MISMATCH,
                               base.name);
}

/* Of two copies of the parent the one is right that has not changed. */
static void
test_unchanged_copy_is_chosen(TestCo *t)
{
    static const BlocksTest copy = {&vd_vdi_driver, "a copy.vdi"};
    g_autofree char *bytes = NULL;
    size_t len;
    VdNode *node;

    make_chain(t);
    bytes = vmdk_test_read_file(t, base.name, &len);
    vmdk_test_write_file(t, copy.name, bytes, len);
    node = blocks_test_open(t, &base, VD_OPEN_RDWR);
    test_co_write_pattern(node, 0, MIB, 9);
    test_co_close(node);
    node = blocks_test_open(t, &top, 0);
    assert_chain(node);
    test_co_close(node);
}

/* No second id: VirtualBox did not know it. */
static void
test_unknown_modification_is_accepted(TestCo *t)
{
    static const uint8_t none[VD_UUID_BYTES];
    VdNode *node;

    make_chain(t);
    blocks_test_poke(t, &middle, PARENT_MODIFY_AT, none, sizeof(none));
    blocks_test_poke(t, &base, MODIFY_AT, none, sizeof(none));
    node = blocks_test_open(t, &top, 0);
    assert_chain(node);
    test_co_close(node);
}

/* -- the user names it ----------------------------------------------------- */

static VdNode *
open_above(TestCo *t, const char *parent, GError **error)
{
    g_autofree char *options =
        g_strdup_printf("driver=vdi,file.driver=file,file.filename=%s/%s,"
                        "parent=%s/%s",
                        t->dir, middle.name, t->dir, parent);

    return test_co_try_open(t, options, 0, error);
}

static void
test_option_names_the_parent(TestCo *t)
{
    g_autofree char *from = test_co_path(t, base.name);
    g_autofree char *dir = test_co_path(t, "sub");
    g_autofree char *to = test_co_path(t, "sub/base.vdi");
    g_autoptr(GError) error = NULL;
    VdNode *node;

    make_chain(t);
    g_assert_cmpint(g_mkdir(dir, 0700), ==, 0);
    g_assert_cmpint(g_rename(from, to), ==, 0);
    blocks_test_assert_refused(t, &middle, 0, VD_ERROR_NOT_FOUND, "parent");
    node = open_above(t, "sub/base.vdi", &error);
    g_assert_no_error(error);
    test_co_assert_pattern(node, 0, MIB, 1);
    g_assert_cmpuint(t->warnings->len, ==, 0);
    test_co_close(node);
}

static void
test_named_parent_may_have_changed(TestCo *t)
{
    static const uint8_t other[VD_UUID_BYTES] = {1};
    g_autoptr(GError) error = NULL;
    VdNode *node;

    make_chain(t);
    blocks_test_poke(t, &base, MODIFY_AT, other, sizeof(other));
    node = open_above(t, base.name, &error);
    g_assert_no_error(error);
    test_co_assert_pattern(node, 0, MIB, 1);
    g_assert_cmpuint(t->warnings->len, ==, 1);
    test_co_close(node);
}

static void
test_named_parent_must_be_the_one(TestCo *t)
{
    g_autoptr(GError) error = NULL;

    make_chain(t);
    g_assert_null(open_above(t, top.name, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_PARENT_MISMATCH);
}

/* -- hostile --------------------------------------------------------------- */

static void
test_own_parent(TestCo *t)
{
    g_autoptr(GError) error = NULL;

    make(t, &top, 0, 1);
    set_parent(t, &top, &top);
    g_assert_null(blocks_test_try_open(t, &top, 0, &error));
    g_assert_nonnull(error);
}

/* A child without blocks in a file of 1 KiB. */
static void
write_small(TestCo *t, const char *name, uint8_t id, uint8_t parent)
{
    uint8_t raw[1024];
    VdiHeader hdr = {.type = VDI_DIFFERENCING,
                     .size = MIB,
                     .block_bytes = MIB,
                     .n_blocks = 1,
                     .table_off = 512,
                     .data_off = 1024,
                     .create = {id, 1}};

    memset(raw, 0xff, sizeof(raw));
    vdi_header_encode(&hdr, raw);
    raw[LINKAGE_AT] = parent;
    raw[LINKAGE_AT + 1] = 1;
    vmdk_test_write_file(t, name, raw, sizeof(raw));
}

/* 14 levels of 12 files each that might all be the parent of the level above;
 * the lowest has none.  To try every path would take 12^14 openings. */
static void
test_many_candidates(TestCo *t)
{
    enum { LEVELS = 14, EACH = 12 };

    write_small(t, top.name, 99, 0);
    for (unsigned i = 0; i < LEVELS * EACH; i++) {
        g_autofree char *name = g_strdup_printf("%u.vdi", i);

        write_small(t, name, (uint8_t) (i / EACH), (uint8_t) (i / EACH + 1));
    }
    blocks_test_assert_refused(t, &top, 0, VD_ERROR_NOT_FOUND, NULL);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, fn) test_co_add("/vdi/differencing/" name, fn)
    ADD("reads-through-the-chain", test_reads_through_the_chain);
    ADD("zero-hides-the-parent", test_zero_hides_the_parent);
    ADD("is-only-read", test_is_only_read);
    ADD("tells-where-the-parent-is", test_tells_where_the_parent_is);
    ADD("names-do-not-matter", test_names_do_not_matter);
    ADD("missing-parent", test_missing_parent);
    ADD("changed-parent-is-refused", test_changed_parent_is_refused);
    ADD("unchanged-copy-is-chosen", test_unchanged_copy_is_chosen);
    ADD("unknown-modification-is-accepted",
        test_unknown_modification_is_accepted);
    ADD("option-names-the-parent", test_option_names_the_parent);
    ADD("named-parent-may-have-changed", test_named_parent_may_have_changed);
    ADD("named-parent-must-be-the-one", test_named_parent_must_be_the_one);
    ADD("own-parent", test_own_parent);
    ADD("many-candidates", test_many_candidates);
    return g_test_run();
}
