/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vmdk-meta.c - keys and values of the disk data base. */
#include "tests/support/crash.h"
#include "tests/support/sweep.h"
#include "tests/unit/vmdk-test.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define SIZE (4 * MIB)
#define BEHIND 1200u
#define META_FLAGS (VD_OPEN_RDWR | VD_OPEN_NO_IO | VD_OPEN_NO_PARENT)

static bool
try_set(TestCo *t, const char *name, const char *key, const char *value,
        GError **error)
{
    VdNode *node = vmdk_test_try_open(t, name, META_FLAGS, error);
    bool ok;

    if (!node)
        return false;
    ok = vd_vmdk_driver.co_set_meta(node, key, value, error);
    return vd_node_co_close(node, ok ? error : NULL) && ok;
}

static void
set(TestCo *t, const char *name, const char *key, const char *value)
{
    g_autoptr(GError) error = NULL;

    try_set(t, name, key, value, &error);
    g_assert_no_error(error);
}

static void
assert_set_fails(TestCo *t, const char *name, const char *key,
                 const char *value, VdErrorCode code)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(try_set(t, name, key, value, &error));
    g_assert_error(error, VD_ERROR, (int) code);
}

static char *
get(TestCo *t, const char *name, const char *key)
{
    VdNode *node = vmdk_test_open(t, name, VD_OPEN_NO_PARENT);
    char *value = g_strdup(vd_vmdk_driver.get_meta(node, key));

    test_co_close(node);
    return value;
}

static void
assert_meta(TestCo *t, const char *name, const char *key, const char *wanted)
{
    g_autofree char *value = get(t, name, key);

    g_assert_cmpstr(value, ==, wanted);
}

static uint32_t
cid_of(TestCo *t, const char *name)
{
    VdNode *node = vmdk_test_open(t, name, VD_OPEN_NO_PARENT);
    uint32_t cid = vmdk_test_state(node)->cid;

    test_co_close(node);
    return cid;
}

/* -- what is set is there
 * -------------------------------------------------------------- */

static const char *const kinds[] = {
    "",
    "subformat=monolithicFlat",
    "subformat=twoGbMaxExtentSparse,split_size=2M",
    "subformat=streamOptimized",
};

static void
test_meta_of_each_kind(TestCo *t)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
        uint32_t cid;

        test_dir_empty(t->dir);
        vmdk_test_create(t, "d.vmdk", SIZE, kinds[i]);
        cid = cid_of(t, "d.vmdk");
        set(t, "d.vmdk", "adapterType", "buslogic");
        set(t, "d.vmdk", "MyKey", "a value of some length");
        set(t, "d.vmdk", "MYKEY", "short");
        set(t, "d.vmdk", "empty", "");
        assert_meta(t, "d.vmdk", "adapterType", "buslogic");
        assert_meta(t, "d.vmdk", "mykey", "short");
        assert_meta(t, "d.vmdk", "empty", "");
        set(t, "d.vmdk", "empty", NULL);
        assert_meta(t, "d.vmdk", "empty", NULL);
        g_assert_cmphex(cid_of(t, "d.vmdk"), ==, cid);
    }
}

static void
test_header_keys_are_no_metadata(TestCo *t)
{
    VdNode *node;
    g_auto(GStrv) keys = NULL;

    vmdk_test_create(t, "d.vmdk", SIZE, "");
    node = vmdk_test_open(t, "d.vmdk", 0);
    g_assert_null(vd_vmdk_driver.get_meta(node, "CID"));
    keys = vd_vmdk_driver.list_meta(node);
    g_assert_false(g_strv_contains((const char *const *) keys, "CID"));
    g_assert_true(g_strv_contains((const char *const *) keys, "adapterType"));
    g_assert_true(g_strv_contains((const char *const *) keys, "uuid"));
    test_co_close(node);
}

static void
test_foreign_lines_stay(TestCo *t)
{
    static const char text[] =
        "# Disk DescriptorFile\nversion=1\nCID=12345678\n"
        "parentCID=ffffffff\ncreateType=\"custom\"\n"
        "# a comment of ours\nfoo=\"bar\"\n"
        "RW 8192 ZERO\n#DDB\nddb.comment = \"x\"\n";
    g_autofree char *after = NULL;
    size_t len;

    vmdk_test_write_file(t, "d.vmdk", text, strlen(text));
    set(t, "d.vmdk", "comment", "y");
    after = vmdk_test_read_file(t, "d.vmdk", &len);
    g_assert_nonnull(strstr(after, "# a comment of ours\nfoo=\"bar\"\n"));
    g_assert_nonnull(strstr(after, "ddb.comment = \"y\"\n"));
}

static void
test_several_changes_of_one_opening(TestCo *t)
{
    g_autoptr(GError) error = NULL;
    VdNode *node;

    vmdk_test_create(t, "d.vmdk", SIZE, "subformat=monolithicFlat");
    node = vmdk_test_open(t, "d.vmdk", VD_OPEN_RDWR);
    for (unsigned i = 0; i < 3; i++) {
        g_autofree char *key = g_strdup_printf("key%u", i);

        vd_vmdk_driver.co_set_meta(node, key, key, &error);
        g_assert_no_error(error);
    }
    test_co_write_pattern(node, 0, 4096, 7);
    test_co_close(node);
    for (unsigned i = 0; i < 3; i++) {
        g_autofree char *key = g_strdup_printf("key%u", i);

        assert_meta(t, "d.vmdk", key, key);
    }
}

/* The file that was opened has lost its name by then. */
static void
test_in_place_behind_a_rename(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "d.vmdk");
    g_autofree char *other = test_co_path(t, "other");
    g_autoptr(GError) error = NULL;
    VdNode *node;

    vmdk_test_create(t, "d.vmdk", SIZE, "subformat=monolithicFlat");
    node = vmdk_test_open(t, "d.vmdk", META_FLAGS);
    vd_vmdk_driver.co_set_meta(node, "k", "renamed, and a long value", &error);
    g_assert_no_error(error);
    g_assert_cmpint(link(path, other), ==, 0);
    vd_vmdk_driver.co_set_meta(node, "k", "in place", &error);
    g_assert_no_error(error);
    test_co_close(node);
    assert_meta(t, "d.vmdk", "k", "in place");
    assert_meta(t, "other", "k", "in place");
}

/* -- what cannot be
 * -------------------------------------------------------------------- */

static void
test_keys_and_values_that_cannot_be(TestCo *t)
{
    static const char *const keys[] = {"",    "a b", "a=b",
                                       "a\"", "#x",  "\xc3\xa4"};
    static const char *const values[] = {"a\"b", "a\nb", "a\rb", "\xff"};
    g_autofree char *before = NULL, *after = NULL;
    g_autofree char *long_key = g_strnfill(300, 'k');
    size_t len_before, len_after;

    vmdk_test_create(t, "d.vmdk", SIZE, "");
    before = vmdk_test_read_file(t, "d.vmdk", &len_before);
    for (unsigned i = 0; i < G_N_ELEMENTS(keys); i++)
        assert_set_fails(t, "d.vmdk", keys[i], "v", VD_ERROR_INVALID_ARGUMENT);
    assert_set_fails(t, "d.vmdk", long_key, "v", VD_ERROR_INVALID_ARGUMENT);
    for (unsigned i = 0; i < G_N_ELEMENTS(values); i++)
        assert_set_fails(t, "d.vmdk", "k", values[i],
                         VD_ERROR_INVALID_ARGUMENT);
    assert_set_fails(t, "d.vmdk", "absent", NULL, VD_ERROR_NOT_FOUND);
    after = vmdk_test_read_file(t, "d.vmdk", &len_after);
    g_assert_cmpmem(before, len_before, after, len_after);
}

/* The handle too is as before. */
static void
test_no_room_changes_nothing(TestCo *t)
{
    g_autofree char *before = NULL, *after = NULL;
    g_autofree char *value = g_strnfill(20 * 512, 'v');
    g_autoptr(GError) error = NULL;
    size_t len_before, len_after;
    VdNode *node;

    vmdk_test_create(t, "d.vmdk", SIZE, "");
    set(t, "d.vmdk", "k", "old");
    before = vmdk_test_read_file(t, "d.vmdk", &len_before);
    node = vmdk_test_open(t, "d.vmdk", META_FLAGS);
    g_assert_false(vd_vmdk_driver.co_set_meta(node, "k", value, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_NO_SPACE);
    g_assert_nonnull(strstr(error->message, "room for 10240"));
    g_assert_cmpstr(vd_vmdk_driver.get_meta(node, "k"), ==, "old");
    test_co_close(node);
    after = vmdk_test_read_file(t, "d.vmdk", &len_after);
    g_assert_cmpmem(before, len_before, after, len_after);
}

static void
test_bare_extents_have_none(TestCo *t)
{
    VdNode *node;

    vmdk_test_create(t, "d.vmdk", SIZE, "subformat=twoGbMaxExtentSparse");
    node = vmdk_test_open(t, "d-s001.vmdk", VD_OPEN_NO_IO);
    g_assert_null(vd_vmdk_driver.get_meta(node, "uuid"));
    test_co_close(node);
}

/* -- failures and crashes
 * ---------------------------------------------------------------- */

typedef struct {
    TestCo *t;
    const char *options;
    uint32_t cid;
} Change;

static const char old_value[] = "the value that was there before";
static const char new_value[] = "something else";

/* What stands behind the key moves when it gets another value: over the border
 * of a sector, too. */
static void
change_prepare(void *arg)
{
    Change *c = arg;
    g_autofree char *behind = g_strnfill(BEHIND, 'b');
    VdNode *node;

    test_dir_empty(c->t->dir);
    vmdk_test_create(c->t, "d.vmdk", SIZE, c->options);
    set(c->t, "d.vmdk", "k", old_value);
    set(c->t, "d.vmdk", "behind", behind);
    node = vmdk_test_open(c->t, "d.vmdk", VD_OPEN_RDWR);
    test_co_write_pattern(node, MIB, 70000, 3);
    test_co_close(node);
    c->cid = cid_of(c->t, "d.vmdk");
}

static bool
change_act(void *arg, GError **error)
{
    Change *c = arg;

    return try_set(c->t, "d.vmdk", "k", new_value, error);
}

static void
change_check(void *arg, bool ok)
{
    Change *c = arg;
    g_autofree char *value = get(c->t, "d.vmdk", "k");
    g_autofree char *behind = get(c->t, "d.vmdk", "behind");
    VdNode *node = vmdk_test_open(c->t, "d.vmdk", 0);

    if (ok || strcmp(value, old_value))
        g_assert_cmpstr(value, ==, new_value);
    g_assert_cmpuint(strspn(behind, "b"), ==, BEHIND);
    g_assert_cmpuint(strlen(behind), ==, BEHIND);
    g_assert_cmphex(vmdk_test_state(node)->cid, ==, c->cid);
    test_co_assert_pattern(node, MIB, 70000, 3);
    vmdk_test_assert_sound(node, false);
    test_co_close(node);
}

static void
test_failures_leave_old_or_new(TestCo *t)
{
    static const TestOp ops[] = {TEST_OP_WRITE, TEST_OP_FLUSH, TEST_OP_READ,
                                 TEST_OP_OPEN};
    static const int errnums[] = {ENOSPC, EIO};
    Change c = {.t = t, .options = ""};
    unsigned fired = 0;

    test_leaf_install();
    for (unsigned i = 0; i < 2 * G_N_ELEMENTS(ops); i++) {
        TestSweep how = {.op = ops[i / 2],
                         .errnum = errnums[i % 2],
                         .prepare = change_prepare,
                         .act = change_act,
                         .check = change_check,
                         .may_succeed = ops[i / 2] == TEST_OP_READ};

        fired += test_fault_sweep(&how, &c);
    }
    test_leaf_remove();
    g_assert_cmpuint(fired, >=, 8);
}

static bool
crash_act(void *arg, GError **error)
{
    bool ok = change_act(arg, error);

    test_leaf_mark(1);
    return ok;
}

static void
crash_check(const TestCrashPoint *point, void *arg)
{
    Change *c = arg;
    TestCo t = *c->t;
    Change there = {.t = &t, .cid = c->cid};

    t.dir = (char *) point->dir;
    change_check(&there, point->mark == 1);
}

static void
test_a_crash_leaves_old_or_new(TestCo *t)
{
    Change c = {.t = t, .options = ""};
    TestCrash crash = {.samples = 8, .seed = 5, .check = crash_check};

    change_prepare(&c);
    g_assert_cmpuint(test_crash_try(&crash, t->dir, crash_act, &c), >, 4);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, fn) test_co_add("/vmdk/meta/" path, fn)
    ADD("each-kind", test_meta_of_each_kind);
    ADD("header-keys", test_header_keys_are_no_metadata);
    ADD("foreign-lines", test_foreign_lines_stay);
    ADD("several-changes", test_several_changes_of_one_opening);
    ADD("in-place", test_in_place_behind_a_rename);
    ADD("impossible", test_keys_and_values_that_cannot_be);
    ADD("no-room", test_no_room_changes_nothing);
    ADD("bare-extent", test_bare_extents_have_none);
    ADD("fault", test_failures_leave_old_or_new);
    ADD("crash", test_a_crash_leaves_old_or_new);
#undef ADD
    return g_test_run();
}
