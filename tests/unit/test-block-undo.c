/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-block-undo.c - changes in many places: all or nothing,
 * whatever fails, whenever the power goes, whatever lies beside the file. */
#include "block/undo-internal.h"
#include "tests/support/co-test.h"
#include "tests/support/crash.h"
#include "tests/support/pattern.h"
#include "tests/support/sweep.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

#define SECTOR 512u
#define FILE_SIZE (300 * 1024 + 100) /* the last sector is cut off */
#define GROWN (FILE_SIZE + 8000)
#define LOG "f.vdisk-repair"

/* What is changed: spots over the file, the cut-off sector among them. */
static const struct {
    uint64_t sector, n;
} spots[] = {{0, 1}, {3, 2}, {100, 130}, {FILE_SIZE / SECTOR, 1}};

static void
make_file(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "f");
    g_autofree uint8_t *bytes = g_malloc(FILE_SIZE);

    test_pattern_fill(bytes, FILE_SIZE, 0, 1);
    g_assert_true(
        g_file_set_contents(path, (const char *) bytes, FILE_SIZE, NULL));
}

static VdNode *
open_file(TestCo *t, VdOpenFlags flags)
{
    return test_co_open_file(t, "file", "f", flags);
}

static bool
log_counts(TestCo *t)
{
    g_autofree char *path = test_co_path(t, LOG);

    return g_file_test(path, G_FILE_TEST_EXISTS) && test_file_size(path) > 0;
}

static bool
change(VdNode *node, VdUndo *undo, GError **error)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(spots); i++) {
        size_t len = (size_t) spots[i].n * SECTOR;
        uint64_t off = spots[i].sector * SECTOR;
        g_autofree uint8_t *bytes = g_malloc(len);

        test_pattern_fill(bytes, len, off, 2);
        if (!vd_undo_co_write(undo, off, bytes, len, error))
            return false;
        if (i == 1 && !vd_undo_co_apply(undo, error))
            return false;
    }
    return true;
}

static bool
is_changed(uint64_t off)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(spots); i++)
        if (off / SECTOR - spots[i].sector < spots[i].n)
            return true;
    return false;
}

/* All old or all new. */
static void
assert_file(TestCo *t, bool changed)
{
    g_autofree char *path = test_co_path(t, "f");
    g_autofree char *bytes = NULL;
    gsize len;

    g_assert_true(g_file_get_contents(path, &bytes, &len, NULL));
    if (!changed)
        g_assert_cmpuint(len, ==, FILE_SIZE);
    for (uint64_t off = 0; off < FILE_SIZE; off += SECTOR) {
        size_t n = MIN(SECTOR, FILE_SIZE - off);

        g_assert_cmpuint(
            test_pattern_differs(bytes + off, n, off,
                                 changed && is_changed(off) ? 2 : 1),
            ==, n);
    }
}

static bool
try_change(TestCo *t, GError **error)
{
    VdNode *node = open_file(t, VD_OPEN_RDWR);
    VdUndo *undo = vd_undo_new(node);
    bool ok = vd_node_co_truncate(node, GROWN, VD_PREALLOC_OFF, error) &&
              change(node, undo, error) && vd_undo_co_end(undo, error);

    if (!ok)
        (void) vd_undo_co_cancel(undo, NULL); /* the next opening tries again */
    vd_undo_free(undo);
    return vd_node_co_close(node, ok ? error : NULL) && ok;
}

static void
test_end_keeps_changes(TestCo *t)
{
    g_autofree char *path = test_co_path(t, LOG);
    g_autoptr(GError) error = NULL;

    make_file(t);
    g_assert_true(try_change(t, &error));
    g_assert_no_error(error);
    assert_file(t, true);
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
}

static void
test_cancel_puts_back(TestCo *t)
{
    VdNode *node;
    VdUndo *undo;

    make_file(t);
    node = open_file(t, VD_OPEN_RDWR);
    undo = vd_undo_new(node);
    g_assert_true(vd_node_co_truncate(node, GROWN, VD_PREALLOC_OFF, NULL));
    g_assert_true(change(node, undo, NULL));
    g_assert_true(vd_undo_co_apply(undo, NULL));
    g_assert_true(log_counts(t));
    g_assert_true(vd_undo_co_cancel(undo, NULL));
    vd_undo_free(undo);
    test_co_close(node);
    g_assert_false(log_counts(t));
    assert_file(t, false);
}

/* The log of an interrupted change, as it was before the end. */
static void
make_interrupted(TestCo *t)
{
    g_autofree char *log = test_co_path(t, LOG);
    g_autofree char *bytes = NULL;
    gsize len;
    VdNode *node;
    VdUndo *undo;

    (void) g_unlink(log);
    make_file(t);
    node = open_file(t, VD_OPEN_RDWR);
    undo = vd_undo_new(node);
    g_assert_true(vd_node_co_truncate(node, GROWN, VD_PREALLOC_OFF, NULL));
    g_assert_true(change(node, undo, NULL));
    g_assert_true(vd_undo_co_apply(undo, NULL));
    g_assert_true(g_file_get_contents(log, &bytes, &len, NULL));
    g_assert_true(vd_undo_co_end(undo, NULL));
    vd_undo_free(undo);
    test_co_close(node);
    g_assert_true(g_file_set_contents(log, bytes, (gssize) len, NULL));
}

static void
test_next_writer_puts_back(TestCo *t)
{
    VdNode *node;

    make_interrupted(t);
    node = open_file(t, VD_OPEN_RDWR);
    g_assert_true(vd_undo_co_recover(node, NULL));
    test_co_close(node);
    g_assert_cmpuint(t->warnings->len, ==, 1);
    g_assert_false(log_counts(t));
    assert_file(t, false);
}

static void
test_reader_only_tells(TestCo *t)
{
    VdNode *node;

    make_interrupted(t);
    node = open_file(t, 0);
    g_assert_true(vd_undo_co_recover(node, NULL));
    test_co_close(node);
    g_assert_cmpuint(t->warnings->len, ==, 1);
    g_assert_true(log_counts(t));
    assert_file(t, true);
}

/* -- what is not to be believed -------------------------------------------- */

static void
assert_recovery_refused(TestCo *t)
{
    g_autoptr(GError) error = NULL;
    VdNode *node = open_file(t, VD_OPEN_RDWR);

    g_assert_false(vd_undo_co_recover(node, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_REFUSED);
    test_co_close(node);
    assert_file(t, true);
}

static void
poke(TestCo *t, const char *name, uint64_t off, uint8_t value)
{
    g_autofree char *path = test_co_path(t, name);
    int fd = g_open(path, O_RDWR | O_CLOEXEC, 0);

    g_assert_cmpint(pwrite(fd, &value, 1, (off_t) off), ==, 1);
    close(fd);
}

static void
test_damaged_head(TestCo *t)
{
    make_interrupted(t);
    poke(t, LOG, 40, 0xee);
    assert_recovery_refused(t);
}

static void
test_other_file(TestCo *t)
{
    g_autofree char *log = test_co_path(t, LOG);
    g_autofree char *other = test_co_path(t, "g.vdisk-repair");
    g_autofree char *f = test_co_path(t, "f"), *g = test_co_path(t, "g");
    g_autoptr(GError) error = NULL;
    VdNode *node;

    make_interrupted(t);
    g_assert_cmpint(g_rename(log, other), ==, 0);
    g_assert_cmpint(g_rename(f, g), ==, 0);
    node = test_co_open_file(t, "file", "g", VD_OPEN_RDWR);
    g_assert_false(vd_undo_co_recover(node, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_REFUSED);
    test_co_close(node);
}

static void
test_changed_since(TestCo *t)
{
    g_autoptr(GError) error = NULL;
    VdNode *node;
    uint8_t old;

    make_interrupted(t);
    poke(t, "f", 110 * SECTOR + 7, 0);
    node = open_file(t, VD_OPEN_RDWR);
    g_assert_false(vd_undo_co_recover(node, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_REFUSED);
    test_co_close(node);
    g_assert_true(log_counts(t));
    test_pattern_fill(&old, 1, 110 * SECTOR + 7, 2);
    poke(t, "f", 110 * SECTOR + 7, old);
    assert_file(t, true);
}

static void
test_link_is_not_followed(TestCo *t)
{
    g_autofree char *log = test_co_path(t, LOG);
    g_autofree char *elsewhere = test_co_path(t, "elsewhere");

    make_interrupted(t);
    g_assert_cmpint(g_rename(log, elsewhere), ==, 0);
    g_assert_cmpint(symlink("elsewhere", log), ==, 0);
    assert_recovery_refused(t);
}

static void
test_link_is_not_written_through(TestCo *t)
{
    g_autofree char *log = test_co_path(t, LOG);
    g_autofree char *victim = test_co_path(t, "victim");
    g_autoptr(GError) error = NULL;

    make_file(t);
    g_assert_cmpint(symlink("victim", log), ==, 0);
    g_assert_false(try_change(t, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_EXISTS);
    g_assert_false(g_file_test(victim, G_FILE_TEST_EXISTS));
    assert_file(t, false);
}

/* A record that is not whole was never durable. */
static void
test_torn_record_ends_the_log(TestCo *t)
{
    g_autofree char *log = test_co_path(t, LOG);
    VdNode *node;

    make_file(t);
    make_interrupted(t);
    g_assert_cmpint(truncate(log, (off_t) test_file_size(log) - 700), ==, 0);
    node = open_file(t, VD_OPEN_RDWR);
    /* As it is the torn record's change is there, which no crash can leave. */
    g_assert_true(vd_undo_co_recover(node, NULL));
    test_co_close(node);
    g_assert_false(log_counts(t));
}

static void
test_zeroes_are_no_log(TestCo *t)
{
    g_autofree char *log = test_co_path(t, LOG);
    VdNode *node;

    make_file(t);
    test_file_make(log, 5000);
    node = open_file(t, VD_OPEN_RDWR);
    g_assert_true(vd_undo_co_recover(node, NULL));
    test_co_close(node);
    g_assert_false(log_counts(t));
    assert_file(t, false);
}

/* Any byte of a log may be anything. */
static void
test_flipped_logs(TestCo *t)
{
    g_autofree char *log = test_co_path(t, LOG);
    g_autoptr(GRand) rand = g_rand_new_with_seed(5);
    g_autofree char *bytes = NULL;
    gsize len;

    make_interrupted(t);
    g_assert_true(g_file_get_contents(log, &bytes, &len, NULL));
    for (unsigned i = 0; i < 200; i++) {
        g_autofree char *copy = g_memdup2(bytes, len);
        VdNode *node;

        for (unsigned k = 0; k < 3; k++)
            copy[g_rand_int_range(rand, 0, k ? 600 : (gint32) len)] =
                (char) g_rand_int(rand);
        g_assert_true(g_file_set_contents(log, copy, (gssize) len, NULL));
        node = open_file(t, VD_OPEN_RDWR);
        (void) vd_undo_co_recover(node, NULL); /* only that it ends well */
        g_assert_cmpuint(vd_node_size(node), <=, GROWN);
        test_co_close(node);
        make_interrupted(t);
    }
}

/* -- failures and crashes -------------------------------------------------- */

static void
sweep_prepare(void *arg)
{
    TestCo *t = arg;

    test_dir_empty(t->dir);
    make_file(t);
}

static bool
sweep_act(void *arg, GError **error)
{
    return try_change(arg, error);
}

static void
sweep_check(void *arg, bool ok)
{
    TestCo *t = arg;
    VdNode *node = open_file(t, VD_OPEN_RDWR);

    if (!ok)
        g_assert_true(vd_undo_co_recover(node, NULL));
    test_co_close(node);
    if (!ok) {
        g_autofree char *path = test_co_path(t, "f");
        g_autofree char *bytes = NULL;
        gsize len;

        /* The very last step may fail when all is done. */
        g_assert_true(g_file_get_contents(path, &bytes, &len, NULL));
        ok = test_pattern_differs(bytes, SECTOR, 0, 2) == SECTOR;
    }
    assert_file(t, ok);
}

static void
test_sweep(TestCo *t)
{
    static const TestOp ops[] = {TEST_OP_READ, TEST_OP_WRITE, TEST_OP_FLUSH,
                                 TEST_OP_TRUNCATE};
    TestSweep how = {
        .prepare = sweep_prepare, .act = sweep_act, .check = sweep_check};

    test_leaf_install();
    for (unsigned i = 0; i < 2 * G_N_ELEMENTS(ops); i++) {
        how.op = ops[i / 2];
        how.errnum = i % 2 ? EIO : ENOSPC;
        how.may_succeed = how.op == TEST_OP_READ; /* tried again */
        g_assert_cmpuint(test_fault_sweep(&how, t), >=, 1);
    }
    test_leaf_remove();
}

static void
crash_check(const TestCrashPoint *point, void *arg)
{
    TestCo t = *(TestCo *) arg;
    g_autofree char *path = NULL, *bytes = NULL;
    VdNode *node;
    gsize len;

    t.dir = (char *) point->dir;
    node = open_file(&t, VD_OPEN_RDWR);
    g_assert_true(vd_undo_co_recover(node, NULL));
    test_co_close(node);
    path = test_co_path(&t, "f");
    g_assert_true(g_file_get_contents(path, &bytes, &len, NULL));
    if (len > FILE_SIZE &&
        test_pattern_differs(bytes, SECTOR, 0, 2) != SECTOR) {
        /* The file had grown, and nothing had been saved. */
        g_assert_cmpint(truncate(path, FILE_SIZE), ==, 0);
    }
    assert_file(&t, test_pattern_differs(bytes, SECTOR, 0, 2) == SECTOR);
}

static void
test_crash(TestCo *t)
{
    TestCrash crash = {.samples = 8, .seed = 3, .check = crash_check};

    make_file(t);
    g_assert_cmpuint(test_crash_try(&crash, t->dir, sweep_act, t), >, 40);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, fn) test_co_add("/block/undo/" path, fn)
    ADD("end", test_end_keeps_changes);
    ADD("cancel", test_cancel_puts_back);
    ADD("next-writer", test_next_writer_puts_back);
    ADD("reader", test_reader_only_tells);
    ADD("damaged-head", test_damaged_head);
    ADD("other-file", test_other_file);
    ADD("changed-since", test_changed_since);
    ADD("link", test_link_is_not_followed);
    ADD("link-making", test_link_is_not_written_through);
    ADD("torn-record", test_torn_record_ends_the_log);
    ADD("zeroes", test_zeroes_are_no_log);
    ADD("flipped", test_flipped_logs);
    ADD("sweep", test_sweep);
    ADD("crash", test_crash);
#undef ADD
    return g_test_run();
}
