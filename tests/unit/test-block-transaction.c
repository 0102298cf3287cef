/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-block-transaction.c - files that come into being together,
 * or not at all. */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "block/drivers.h"
#include "block/image-lock.h"
#include "block/transaction.h"
#include "tests/unit/block-test.h"

static VdTransaction *
begin(TestCo *t)
{
    block_test_begin(t);
    return vd_tx_new(t->loop, true, false);
}

/* Make, write "new" in front, close. */
static void
make(TestCo *t, VdTransaction *tx, const char *path, uint64_t size)
{
    g_autoptr(GError) error = NULL;
    VdNode *node =
        vd_tx_co_file(tx, &t->env, path, size, VD_PREALLOC_OFF, &error);

    g_assert_no_error(error);
    vd_node_co_pwrite(node, 0, "new", 3, &error);
    g_assert_no_error(error);
    test_co_close(node);
}

static void
commit(VdTransaction *tx)
{
    g_autoptr(GError) error = NULL;

    vd_tx_co_commit(tx, &error);
    g_assert_no_error(error);
    vd_tx_free(tx);
}

static void
abort_tx(VdTransaction *tx)
{
    vd_tx_co_abort(tx);
    vd_tx_free(tx);
}

static void
put_old(const char *path)
{
    g_assert_true(g_file_set_contents(path, "old bytes", -1, NULL));
}

static void
assert_begins(const char *path, const char *text)
{
    g_autofree char *bytes = NULL;
    gsize len;

    g_assert_true(g_file_get_contents(path, &bytes, &len, NULL));
    g_assert_cmpuint(len, >=, strlen(text));
    g_assert_cmpmem(bytes, strlen(text), text, strlen(text));
}

static void
assert_files(const TestCo *t, unsigned expected)
{
    GDir *dir = g_dir_open(t->dir, 0, NULL);
    unsigned n = 0;

    while (g_dir_read_name(dir))
        n++;
    g_dir_close(dir);
    g_assert_cmpuint(n, ==, expected);
}

static bool
exists(const char *path)
{
    return g_file_test(path, G_FILE_TEST_EXISTS);
}

/* -- streams --------------------------------------------------------------- */

static bool
note_end(void *what, bool whole, GError **error)
{
    g_string_append_c(what, whole ? '+' : '-');
    return true;
}

static bool
note_other_end(void *what, bool whole, GError **error)
{
    g_string_append_c(what, whole ? 'y' : 'n');
    return true;
}

static void
keep_on(void *what)
{
}

/* Three data files, and what names them. */
static void
test_streams_end_before_what_names_them(TestCo *t)
{
    g_autoptr(GString) ends = g_string_new(NULL);
    VdTransaction *tx = begin(t);

    vd_tx_keep(tx, "names", ends, note_other_end, keep_on);
    vd_tx_keep(tx, "a", ends, note_end, keep_on);
    vd_tx_keep(tx, "b", ends, note_end, keep_on);
    vd_tx_keep(tx, "c", ends, note_end, keep_on);
    commit(tx);
    g_assert_cmpstr(ends->str, ==, "+++y");
}

/* -- new files ------------------------------------------------------------- */

static void
test_new_files_stay_after_commit(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "f");
    VdTransaction *tx = begin(t);

    make(t, tx, path, 4096);
    g_assert_true(exists(path));
    commit(tx);
    assert_begins(path, "new");
    g_assert_cmpuint(test_file_size(path), ==, 4096);
    assert_files(t, 1);
}

static void
test_new_files_go_with_abort(TestCo *t)
{
    g_autofree char *a = test_co_path(t, "a");
    g_autofree char *b = test_co_path(t, "b");
    VdTransaction *tx = begin(t);

    make(t, tx, a, 4096);
    make(t, tx, b, 4096);
    abort_tx(tx);
    assert_files(t, 0);
}

static void
test_file_names_may_have_a_scheme(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "f");
    g_autofree char *name = g_strconcat("file:", path, NULL);
    VdTransaction *tx = begin(t);

    make(t, tx, name, 512);
    g_assert_cmpstr(vd_tx_translate(tx, path), ==, path);
    commit(tx);
    assert_begins(path, "new");
}

static void
test_files_can_grow_while_they_are_written(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "f");
    VdTransaction *tx = begin(t);
    VdNode *node = vd_tx_co_file(tx, &t->env, path, 0, VD_PREALLOC_OFF, NULL);

    g_assert_true(vd_node_co_pwrite(node, 1000, "x", 1, NULL));
    g_assert_cmpuint(vd_node_size(node), ==, 1001);
    test_co_close(node);
    commit(tx);
    g_assert_cmpuint(test_file_size(path), ==, 1001);
}

static void
test_nodes_are_called_by_the_name_asked_for(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "f");
    VdTransaction *tx = begin(t);
    VdNode *node;

    put_old(path);
    node = vd_tx_co_file(tx, &t->env, path, 512, VD_PREALLOC_OFF, NULL);
    g_assert_cmpstr(vd_node_name(node), ==, path);
    test_co_close(node);
    abort_tx(tx);
}

static void
test_preallocation_takes_space(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "f");
    VdTransaction *tx = begin(t);
    VdNode *node =
        vd_tx_co_file(tx, &t->env, path, 1 << 20, VD_PREALLOC_FULL, NULL);

    g_assert_nonnull(node);
    test_co_close(node);
    commit(tx);
    g_assert_cmpuint(test_file_allocated(path), >=, 1 << 20);
}

static void
test_an_impossible_size_leaves_nothing(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "f");
    VdTransaction *tx = begin(t);
    g_autoptr(GError) error = NULL;

    g_assert_null(
        vd_tx_co_file(tx, &t->env, path, UINT64_MAX, VD_PREALLOC_OFF, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_LIMIT);
    abort_tx(tx);
    assert_files(t, 0);
}

static void
test_a_missing_directory_is_told(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "no/f");
    g_autofree char *text = g_strdup_printf(
        "Could not create '%s': No such file or directory", path);
    VdTransaction *tx = begin(t);
    g_autoptr(GError) error = NULL;

    g_assert_null(
        vd_tx_co_file(tx, &t->env, path, 512, VD_PREALLOC_OFF, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_NOT_FOUND);
    g_assert_cmpstr(error->message, ==, text);
    abort_tx(tx);
}

static void
test_a_directory_is_no_target(TestCo *t)
{
    VdTransaction *tx = begin(t);
    g_autoptr(GError) error = NULL;

    g_assert_null(
        vd_tx_co_file(tx, &t->env, t->dir, 512, VD_PREALLOC_OFF, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_INVALID_ARGUMENT);
    abort_tx(tx);
}

/* -- files that are there -------------------------------------------------- */

static void
test_old_files_stay_until_commit(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "f");
    VdTransaction *tx = begin(t);

    put_old(path);
    make(t, tx, path, 4096);
    assert_begins(path, "old bytes");
    assert_begins(vd_tx_translate(tx, path), "new");
    commit(tx);
    assert_begins(path, "new");
    assert_files(t, 1);
}

static void
test_old_files_stay_after_abort(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "f");
    VdTransaction *tx = begin(t);

    put_old(path);
    make(t, tx, path, 4096);
    abort_tx(tx);
    assert_begins(path, "old bytes");
    g_assert_cmpuint(test_file_size(path), ==, 9);
    assert_files(t, 1);
}

static void
test_no_clobber_refuses_old_files(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "f");
    VdTransaction *tx;
    g_autoptr(GError) error = NULL;

    block_test_begin(t);
    put_old(path);
    tx = vd_tx_new(t->loop, false, true);
    g_assert_null(
        vd_tx_co_file(tx, &t->env, path, 512, VD_PREALLOC_OFF, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_EXISTS);
    abort_tx(tx);
    assert_begins(path, "old bytes");
}

static void
test_mode_is_kept(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "f");
    VdTransaction *tx = begin(t);
    struct stat st;

    put_old(path);
    g_assert_cmpint(g_chmod(path, 0640), ==, 0);
    make(t, tx, path, 512);
    commit(tx);
    g_assert_cmpint(stat(path, &st), ==, 0);
    g_assert_cmpint(st.st_mode & 07777, ==, 0640);
}

static void
test_owner_is_kept(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "f");
    VdTransaction *tx = begin(t);
    struct stat st;

    put_old(path);
    if (chown(path, 12345, 23456) != 0) {
        abort_tx(tx);
        g_test_skip("not root");
        return;
    }
    make(t, tx, path, 512);
    commit(tx);
    g_assert_cmpint(stat(path, &st), ==, 0);
    g_assert_cmpuint(st.st_uid, ==, 12345);
    g_assert_cmpuint(st.st_gid, ==, 23456);
}

static void
test_links_are_followed(TestCo *t)
{
    g_autofree char *real = test_co_path(t, "real");
    g_autofree char *link = test_co_path(t, "link");
    VdTransaction *tx = begin(t);

    put_old(real);
    g_assert_cmpint(symlink("real", link), ==, 0);
    make(t, tx, link, 4096);
    assert_begins(real, "old bytes");
    commit(tx);
    g_assert_true(g_file_test(link, G_FILE_TEST_IS_SYMLINK));
    assert_begins(real, "new");
    assert_files(t, 2);
}

static void
test_a_dangling_link_makes_its_target(TestCo *t)
{
    g_autofree char *real = test_co_path(t, "real");
    g_autofree char *link = test_co_path(t, "link");
    VdTransaction *tx = begin(t);

    g_assert_cmpint(symlink("real", link), ==, 0);
    make(t, tx, link, 512);
    abort_tx(tx);
    g_assert_false(exists(real));
    g_assert_true(g_file_test(link, G_FILE_TEST_IS_SYMLINK));

    tx = vd_tx_new(t->loop, true, false);
    make(t, tx, link, 512);
    commit(tx);
    assert_begins(real, "new");
}

static void
test_links_in_a_circle_are_refused(TestCo *t)
{
    g_autofree char *link = test_co_path(t, "link");
    VdTransaction *tx = begin(t);
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(symlink("link", link), ==, 0);
    g_assert_null(
        vd_tx_co_file(tx, &t->env, link, 512, VD_PREALLOC_OFF, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_INVALID_ARGUMENT);
    abort_tx(tx);
}

/* -- several files --------------------------------------------------------- */

static void
test_some_old_some_new(TestCo *t)
{
    g_autofree char *a = test_co_path(t, "a");
    g_autofree char *b = test_co_path(t, "b");
    VdTransaction *tx = begin(t);

    put_old(a);
    make(t, tx, a, 512);
    make(t, tx, b, 512);
    abort_tx(tx);
    assert_begins(a, "old bytes");
    g_assert_false(exists(b));

    tx = vd_tx_new(t->loop, false, false);
    make(t, tx, a, 512);
    make(t, tx, b, 512);
    commit(tx);
    assert_begins(a, "new");
    assert_begins(b, "new");
    assert_files(t, 2);
}

static void
test_a_failed_commit_puts_all_back(TestCo *t)
{
    g_autofree char *sub = test_co_path(t, "sub");
    g_autofree char *moved = test_co_path(t, "moved");
    g_autofree char *a = test_co_path(t, "sub/a");
    g_autofree char *moved_a = test_co_path(t, "moved/a");
    g_autofree char *b = test_co_path(t, "b");
    VdTransaction *tx = begin(t);
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(g_mkdir(sub, 0755), ==, 0);
    put_old(a);
    put_old(b);
    make(t, tx, a, 512);
    make(t, tx, b, 512);
    /* b is replaced first, then a cannot be found any more */
    g_assert_cmpint(rename(sub, moved), ==, 0);
    g_assert_false(vd_tx_co_commit(tx, &error));
    g_assert_nonnull(error);
    abort_tx(tx);
    assert_begins(b, "old bytes");
    assert_begins(moved_a, "old bytes");
}

static void
test_abort_leaves_files_of_others(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "f");
    VdTransaction *tx = begin(t);

    make(t, tx, path, 512);
    g_assert_cmpint(unlink(path), ==, 0);
    put_old(path); /* somebody else's by now */
    abort_tx(tx);
    assert_begins(path, "old bytes");
}

/* -- in use ---------------------------------------------------------------- */

static void
test_files_in_use_are_refused(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "f");

    for (unsigned i = 0; i < 3; i++) {
        static const VdOpenFlags flags[] = {VD_OPEN_RDWR, 0,
                                            VD_OPEN_FORCE_SHARE};
        VdTransaction *tx = begin(t);
        g_autoptr(GError) error = NULL;
        VdNode *user;

        put_old(path);
        user = block_test_open(t, path, "file", flags[i]);
        g_assert_null(
            vd_tx_co_file(tx, &t->env, path, 512, VD_PREALLOC_OFF, &error));
        g_assert_error(error, VD_ERROR, VD_ERROR_IN_USE);
        abort_tx(tx);
        test_co_close(user);
        assert_begins(path, "old bytes");
        assert_files(t, 1);
    }
}

static void
test_nobody_else_gets_the_old_file_meanwhile(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "f");
    VdTransaction *tx = begin(t);
    g_autoptr(GError) error = NULL;
    VdNode *node;

    put_old(path);
    make(t, tx, path, 512);
    g_assert_null(vd_co_open(&t->env, path, "raw", NULL, VD_OPEN_RDWR, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_IN_USE);
    abort_tx(tx);
    node = block_test_open(t, path, "raw", VD_OPEN_RDWR);
    test_co_close(node);
}

static void
test_vmware_locks_are_respected(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "f");
    g_autofree char *dir = test_co_path(t, "f.lck");
    g_autofree char *member = test_co_path(t, "f.lck/M12345.lck");
    VdTransaction *tx = begin(t);
    g_autoptr(GError) error = NULL;

    put_old(path);
    g_assert_cmpint(g_mkdir(dir, 0755), ==, 0);
    g_assert_true(g_file_set_contents(member, "?", 1, NULL));
    g_assert_null(
        vd_tx_co_file(tx, &t->env, path, 512, VD_PREALLOC_OFF, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_IN_USE);
    abort_tx(tx);
    assert_begins(path, "old bytes");
}

/* -- names inside ---------------------------------------------------------- */

static void
test_opens_through_the_environment_find_new_files(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "f");
    g_autofree char *dotted = test_co_path(t, "./f");
    VdTransaction *tx = begin(t);
    char buf[4] = {0};
    VdNode *node;

    put_old(path);
    make(t, tx, path, 512);
    t->env.tx = tx;
    node = block_test_open(t, dotted, "raw", 0);
    g_assert_true(vd_node_co_pread(node, 0, buf, 3, NULL));
    g_assert_cmpstr(buf, ==, "new");
    test_co_close(node);
    t->env.tx = NULL;
    commit(tx);
}

static void
test_other_names_are_themselves(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "f");
    VdTransaction *tx = begin(t);

    make(t, tx, path, 512);
    g_assert_cmpstr(vd_tx_translate(tx, "other"), ==, "other");
    g_assert_cmpstr(vd_tx_translate(tx, path), ==, path);
    abort_tx(tx);
}

/* Enough for several pushes; the last is under way when the file closes. */
static void
test_a_durable_file_is_pushed_out_while_written(TestCo *t)
{
    const size_t piece = 8 << 20, pieces = 5;
    g_autofree char *path = test_co_path(t, "big");
    g_autofree uint8_t *buf = g_malloc(piece);
    VdTransaction *tx = vd_tx_new(t->loop, true, false);
    g_autoptr(GError) error = NULL;
    g_autofree char *content = NULL;
    gsize len;
    VdNode *node;

    t->env.tx = tx;
    node = vd_tx_co_file(tx, &t->env, path, 0, VD_PREALLOC_OFF, &error);
    g_assert_no_error(error);
    for (size_t i = 0; i < pieces; i++) {
        memset(buf, (int) i + 1, piece);
        vd_node_co_pwrite(node, i * piece, buf, piece, &error);
        g_assert_no_error(error);
    }
    g_assert_true(vd_node_co_close(node, NULL));
    t->env.tx = NULL;
    vd_tx_co_commit(tx, &error);
    g_assert_no_error(error);
    vd_tx_free(tx);

    g_assert_true(g_file_get_contents(path, &content, &len, NULL));
    g_assert_cmpuint(len, ==, pieces * piece);
    for (size_t i = 0; i < len; i += 4096)
        g_assert_cmpint(content[i], ==, (char) (i / piece + 1));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define TEST(name) test_co_add("/block/transaction/" #name, test_##name)
    TEST(streams_end_before_what_names_them);
    TEST(new_files_stay_after_commit);
    TEST(new_files_go_with_abort);
    TEST(file_names_may_have_a_scheme);
    TEST(files_can_grow_while_they_are_written);
    TEST(nodes_are_called_by_the_name_asked_for);
    TEST(preallocation_takes_space);
    TEST(an_impossible_size_leaves_nothing);
    TEST(a_missing_directory_is_told);
    TEST(a_directory_is_no_target);
    TEST(old_files_stay_until_commit);
    TEST(old_files_stay_after_abort);
    TEST(no_clobber_refuses_old_files);
    TEST(mode_is_kept);
    TEST(owner_is_kept);
    TEST(links_are_followed);
    TEST(a_dangling_link_makes_its_target);
    TEST(links_in_a_circle_are_refused);
    TEST(some_old_some_new);
    TEST(a_failed_commit_puts_all_back);
    TEST(abort_leaves_files_of_others);
    TEST(files_in_use_are_refused);
    TEST(nobody_else_gets_the_old_file_meanwhile);
    TEST(vmware_locks_are_respected);
    TEST(opens_through_the_environment_find_new_files);
    TEST(other_names_are_themselves);
    TEST(a_durable_file_is_pushed_out_while_written);
    return g_test_run();
}
