/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vmdk-rename.c - other names for disks.
 *
 * A hook in front of each step stands for a failure, or for the power going:
 * then what the directory held at that moment is looked at. */
#include "tests/support/sweep.h"
#include "tests/unit/moves-test.h"
#include "tests/unit/vmdk-test.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE (4 * MIB)
#define SEED 17

static bool
try_rename(TestCo *t, const char *from, const char *to, unsigned flags,
           GError **error)
{
    g_autoptr(VdMoves) moves = vd_moves_new();
    g_autofree char *old_path = test_co_path(t, from);
    g_autofree char *new_path = test_co_path(t, to);
    VdNode *node;
    bool ok;

    if (!vd_moves_hold(moves, old_path, error))
        return false;
    node = vmdk_test_try_open(t, from, MOVES_TEST_FLAGS, error);
    if (!node)
        return false;
    ok = vd_vmdk_driver.co_rename(node, new_path, flags, moves, error);
    test_co_close(node);
    return ok;
}

static void
rename_disk(TestCo *t, const char *from, const char *to, unsigned flags)
{
    g_autoptr(GError) error = NULL;

    try_rename(t, from, to, flags, &error);
    g_assert_no_error(error);
}

static void
assert_refused(TestCo *t, const char *from, const char *to, unsigned flags,
               VdErrorCode code)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(try_rename(t, from, to, flags, &error));
    g_assert_error(error, VD_ERROR, (int) code);
}

static void
assert_names(TestCo *t, const char *sub, const char *wanted)
{
    g_autofree char *dir = g_build_filename(t->dir, sub, NULL);
    g_autofree char *names = moves_test_names_in(dir);

    g_assert_cmpstr(names, ==, wanted);
}

static bool
is_there(TestCo *t, const char *name)
{
    g_autofree char *path = test_co_path(t, name);

    return g_file_test(path, G_FILE_TEST_EXISTS);
}

static void
make_directory(TestCo *t, const char *name)
{
    g_autofree char *path = test_co_path(t, name);

    g_assert_cmpint(mkdir(path, 0755), ==, 0);
}

static void
fill(TestCo *t, const char *name, uint32_t seed)
{
    VdNode *node = vmdk_test_open(t, name, VD_OPEN_RDWR);

    test_co_write_pattern(node, MIB, 70000, seed);
    test_co_close(node);
}

static void
assert_filled(TestCo *t, const char *name, uint32_t seed)
{
    VdNode *node = vmdk_test_open(t, name, 0);

    test_co_assert_pattern(node, MIB, 70000, seed);
    vmdk_test_assert_sound(node, false);
    test_co_close(node);
}

static char *
hint_of(TestCo *t, const char *name)
{
    VdNode *node = vmdk_test_open(t, name, MOVES_TEST_FLAGS);
    char *hint = g_strdup(
        vmdk_descriptor_get(vmdk_test_state(node)->desc, "parentFileNameHint"));

    test_co_close(node);
    return hint;
}

static void
assert_hint(TestCo *t, const char *name, const char *wanted)
{
    g_autofree char *hint = hint_of(t, name);

    g_assert_cmpstr(hint, ==, wanted);
}

/* -- which files get which names
 * -------------------------------------------------------- */

typedef struct {
    const char *options, *before, *after;
} Kind;

static const Kind kinds[] = {
    {"", "old.vmdk", "new.vmdk"},
    {"subformat=monolithicFlat", "old-flat.vmdk old.vmdk",
     "new-flat.vmdk new.vmdk"},
    {"subformat=twoGbMaxExtentSparse,split_size=2M",
     "old-s001.vmdk old-s002.vmdk old.vmdk",
     "new-s001.vmdk new-s002.vmdk new.vmdk"},
    {"subformat=twoGbMaxExtentFlat,split_size=2M",
     "old-f001.vmdk old-f002.vmdk old.vmdk",
     "new-f001.vmdk new-f002.vmdk new.vmdk"},
};

static void
test_each_kind(TestCo *t)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
        test_dir_empty(t->dir);
        vmdk_test_create(t, "old.vmdk", SIZE, kinds[i].options);
        fill(t, "old.vmdk", SEED);
        assert_names(t, ".", kinds[i].before);
        rename_disk(t, "old.vmdk", "new.vmdk", 0);
        assert_names(t, ".", kinds[i].after);
        assert_filled(t, "new.vmdk", SEED);
    }
}

static void
test_into_another_directory(TestCo *t)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
        test_dir_empty(t->dir);
        make_directory(t, "sub");
        vmdk_test_create(t, "old.vmdk", SIZE, kinds[i].options);
        fill(t, "old.vmdk", SEED);
        rename_disk(t, "old.vmdk", "sub/new.vmdk", 0);
        assert_names(t, ".", "sub");
        assert_names(t, "sub", kinds[i].after);
        assert_filled(t, "sub/new.vmdk", SEED);
    }
}

static void
test_streams_too(TestCo *t)
{
    size_t len;
    g_autofree char *text = NULL;

    vmdk_test_create(t, "old.vmdk", SIZE, "subformat=streamOptimized");
    rename_disk(t, "old.vmdk", "new.vmdk", 0);
    assert_names(t, ".", "new.vmdk");
    test_co_close(vmdk_test_open(t, "new.vmdk", 0));
    text = vmdk_test_read_file(t, "new.vmdk", &len);
    g_assert_nonnull(memmem(text, len, "\"new.vmdk\"", 10));
}

static void
write_custom(TestCo *t)
{
    static const char text[] =
        "# Disk DescriptorFile\nversion=3\nCID=12345678\nparentCID=ffffffff\n"
        "createType=\"custom\"\nRW 8 FLAT \"old-flat.vmdk\" 0\n"
        "RW 8 FLAT \"older.vmdk\" 0\nRW 8 FLAT \"data.raw\" 8\n"
        "RW 8 FLAT \"data.raw\" 0\nRW 8 ZERO\n"
        "changeTrackPath=\"old-ctk.vmdk\"\n";
    static const char zeroes[8192];

    vmdk_test_write_file(t, "old.vmdk", text, strlen(text));
    vmdk_test_write_file(t, "old-flat.vmdk", zeroes, 4096);
    vmdk_test_write_file(t, "older.vmdk", zeroes, 4096);
    vmdk_test_write_file(t, "data.raw", zeroes, 8192);
    vmdk_test_write_file(t, "old-ctk.vmdk", zeroes, 512);
}

static void
test_other_names_stay(TestCo *t)
{
    write_custom(t);
    rename_disk(t, "old.vmdk", "new.vmdk", 0);
    assert_names(t, ".",
                 "data.raw new-ctk.vmdk new-flat.vmdk new.vmdk older.vmdk");
    test_co_close(vmdk_test_open(t, "new.vmdk", 0));
}

static void
test_other_names_come_along(TestCo *t)
{
    write_custom(t);
    make_directory(t, "sub");
    rename_disk(t, "old.vmdk", "sub/new.vmdk", 0);
    assert_names(t, ".", "sub");
    assert_names(t, "sub",
                 "data.raw new-ctk.vmdk new-flat.vmdk new.vmdk older.vmdk");
    test_co_close(vmdk_test_open(t, "sub/new.vmdk", 0));
}

static void
test_odd_names(TestCo *t)
{
    static const char *const names[] = {"with blank.vmdk",
                                        "\xc3\xa4\xc3\xb6.vmdk", "no-suffix",
                                        ".hidden", "two.dots.vmdk"};
    const char *now = "old.vmdk";

    vmdk_test_create(t, "old.vmdk", SIZE, "subformat=monolithicFlat");
    fill(t, "old.vmdk", SEED);
    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        rename_disk(t, now, names[i], 0);
        now = names[i];
        assert_filled(t, now, SEED);
    }
    assert_names(t, ".", "two.dots-flat.vmdk two.dots.vmdk");
}

static void
test_names_that_cannot_be(TestCo *t)
{
    g_autofree char *long_name = g_strnfill(300, 'n');

    vmdk_test_create(t, "old.vmdk", SIZE, "subformat=monolithicFlat");
    assert_refused(t, "old.vmdk", "a\"b.vmdk", 0, VD_ERROR_INVALID_ARGUMENT);
    assert_refused(t, "old.vmdk", "a\nb.vmdk", 0, VD_ERROR_INVALID_ARGUMENT);
    assert_refused(t, "old.vmdk", "\xff.vmdk", 0, VD_ERROR_INVALID_ARGUMENT);
    assert_refused(t, "old.vmdk", "absent/new.vmdk", 0, VD_ERROR_NOT_FOUND);
    assert_refused(t, "old.vmdk", "old.vmdk", 0, VD_ERROR_EXISTS);
    {
        g_autoptr(GError) error = NULL;

        g_assert_false(try_rename(t, "old.vmdk", long_name, 0, &error));
        g_assert_cmpint(vd_error_to_errno(error), !=, 0);
    }
    assert_names(t, ".", "old-flat.vmdk old.vmdk");
}

static void
test_a_quote_in_the_name_of_one_file(TestCo *t)
{
    vmdk_test_create(t, "old.vmdk", SIZE, "");
    fill(t, "old.vmdk", SEED);
    rename_disk(t, "old.vmdk", "a\"b.vmdk", 0);
    assert_filled(t, "a\"b.vmdk", SEED);
}

static void
test_nothing_is_overwritten(TestCo *t)
{
    static const char *const there[] = {"new.vmdk", "new-s001.vmdk",
                                        "new-s002.vmdk"};

    for (unsigned i = 0; i < G_N_ELEMENTS(there); i++) {
        g_autofree char *path = test_co_path(t, there[i]);
        g_autofree char *content = NULL;
        size_t len;

        test_dir_empty(t->dir);
        vmdk_test_create(t, "old.vmdk", SIZE, kinds[2].options);
        fill(t, "old.vmdk", SEED);
        vmdk_test_write_file(t, there[i], "mine", 4);
        assert_refused(t, "old.vmdk", "new.vmdk", 0, VD_ERROR_EXISTS);
        content = vmdk_test_read_file(t, there[i], &len);
        g_assert_cmpmem(content, len, "mine", 4);
        g_assert_cmpint(unlink(path), ==, 0);
        assert_names(t, ".", kinds[2].before);
        assert_filled(t, "old.vmdk", SEED);
    }
}

static void
test_missing_extents(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "old-s002.vmdk");

    vmdk_test_create(t, "old.vmdk", SIZE, kinds[2].options);
    g_assert_cmpint(unlink(path), ==, 0);
    assert_refused(t, "old.vmdk", "new.vmdk", 0, VD_ERROR_NOT_FOUND);
    rename_disk(t, "old.vmdk", "new.vmdk", VD_RENAME_FORCE);
    assert_names(t, ".", "new-s001.vmdk new.vmdk");
}

static void
test_in_use_is_refused(TestCo *t)
{
    static const VdOpenFlags uses[] = {0, VD_OPEN_RDWR};

    vmdk_test_create(t, "old.vmdk", SIZE, kinds[2].options);
    for (unsigned i = 0; i < G_N_ELEMENTS(uses); i++) {
        VdNode *user = vmdk_test_open(t, "old.vmdk", uses[i]);

        assert_refused(t, "old.vmdk", "new.vmdk", 0, VD_ERROR_IN_USE);
        test_co_close(user);
        user = test_co_open_file(t, "file", "old-s002.vmdk", uses[i]);
        assert_refused(t, "old.vmdk", "new.vmdk", 0, VD_ERROR_IN_USE);
        test_co_close(user);
    }
    assert_names(t, ".", kinds[2].before);
}

static void
test_a_bare_extent_is_refused(TestCo *t)
{
    vmdk_test_create(t, "old.vmdk", SIZE, kinds[2].options);
    assert_refused(t, "old-s001.vmdk", "new.vmdk", 0, VD_ERROR_NOT_SUPPORTED);
}

/* -- chains
 * ------------------------------------------------------------------------------
 */

static const char *const child_options[] = {
    "", "subformat=twoGbMaxExtentSparse,split_size=2M"};

static void
make_chain(TestCo *t, const char *options)
{
    vmdk_test_create(t, "base.vmdk", SIZE, options);
    fill(t, "base.vmdk", SEED);
    vmdk_test_create_child(t, "child.vmdk", SIZE, options, "base.vmdk");
}

static void
test_parents_are_found_from_elsewhere(TestCo *t)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(child_options); i++) {
        test_dir_empty(t->dir);
        make_directory(t, "sub");
        make_chain(t, child_options[i]);
        rename_disk(t, "child.vmdk", "sub/c.vmdk", 0);
        assert_hint(t, "sub/c.vmdk", "../base.vmdk");
        assert_filled(t, "sub/c.vmdk", SEED);
        rename_disk(t, "sub/c.vmdk", "child.vmdk", 0);
        assert_hint(t, "child.vmdk", "base.vmdk");
        assert_filled(t, "child.vmdk", SEED);
    }
}

static void
test_children_stop_it(TestCo *t)
{
    g_autoptr(GError) error = NULL;

    make_chain(t, "");
    g_assert_false(try_rename(t, "base.vmdk", "b.vmdk", 0, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_REFUSED);
    g_assert_nonnull(strstr(error->message, "child.vmdk"));
    rename_disk(t, "base.vmdk", "b.vmdk", VD_RENAME_FORCE);
    g_assert_cmpuint(t->warnings->len, >=, 1);
    vmdk_test_assert_refused(t, "child.vmdk", 0, VD_ERROR_NOT_FOUND);
}

static void
test_children_follow(TestCo *t)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(child_options); i++) {
        test_dir_empty(t->dir);
        make_directory(t, "sub");
        make_chain(t, child_options[i]);
        vmdk_test_create_child(t, "second.vmdk", SIZE, "", "base.vmdk");
        rename_disk(t, "base.vmdk", "b.vmdk", VD_RENAME_CHILDREN);
        assert_hint(t, "child.vmdk", "b.vmdk");
        assert_hint(t, "second.vmdk", "b.vmdk");
        assert_filled(t, "child.vmdk", SEED);
        rename_disk(t, "b.vmdk", "sub/base.vmdk", VD_RENAME_CHILDREN);
        assert_hint(t, "child.vmdk", "sub/base.vmdk");
        assert_filled(t, "child.vmdk", SEED);
        assert_filled(t, "second.vmdk", SEED);
    }
}

static void
test_a_child_in_use_stops_it(TestCo *t)
{
    VdNode *user;

    make_chain(t, kinds[2].options);
    user = test_co_open_file(t, "file", "child.vmdk", 0);
    assert_refused(t, "base.vmdk", "b.vmdk", VD_RENAME_CHILDREN,
                   VD_ERROR_IN_USE);
    test_co_close(user);
    assert_filled(t, "child.vmdk", SEED);
}

/* -- failures and crashes
 * ---------------------------------------------------------------- */

typedef struct {
    TestCo *t;
    const char *options, *from, *to;
    bool chain;
    unsigned flags;
} Job;

static const Job jobs[] = {
    {NULL, "", "old.vmdk", "new.vmdk", false, 0},
    {NULL, "subformat=monolithicFlat", "old.vmdk", "new.vmdk", false, 0},
    {NULL, "subformat=twoGbMaxExtentSparse,split_size=2M", "old.vmdk",
     "sub/new.vmdk", false, 0},
    {NULL, "subformat=twoGbMaxExtentSparse,split_size=2M", "base.vmdk",
     "sub/new.vmdk", true, VD_RENAME_CHILDREN},
    {NULL, "", "child.vmdk", "sub/new.vmdk", true, 0},
    {NULL, "", "base.vmdk", "new.vmdk", true, VD_RENAME_CHILDREN},
};

static void
job_prepare(Job *job)
{
    test_dir_empty(job->t->dir);
    make_directory(job->t, "sub");
    if (job->chain) {
        make_chain(job->t, job->options);
    } else {
        vmdk_test_create(job->t, "old.vmdk", SIZE, job->options);
        fill(job->t, "old.vmdk", SEED);
    }
}

/* One of both is whole, and what has a descriptor is whole. */
static void
assert_one_is_whole(TestCo *t, const Job *job)
{
    bool before = is_there(t, job->from), after = is_there(t, job->to);

    g_assert_true(before || after);
    if (before)
        assert_filled(t, job->from, SEED);
    if (after)
        assert_filled(t, job->to, SEED);
    if (job->chain && strcmp(job->from, "child.vmdk"))
        assert_filled(t, "child.vmdk", SEED);
}

static void
crash_at_each_step(Job *job)
{
    MovesTest m;

    job_prepare(job);
    moves_test_begin_copies(&m, job->t->dir);
    rename_disk(job->t, job->from, job->to, job->flags);
    moves_test_end();
    g_assert_cmpuint(m.made->len, >=, 4);
    for (unsigned i = 0; i < m.made->len; i++) {
        TestCo t = *job->t;

        t.dir = m.made->pdata[i];
        g_test_message("%s: before step %u", job->from, i);
        assert_one_is_whole(&t, job);
        test_dir_remove(t.dir);
    }
    g_ptr_array_unref(m.made);
    assert_one_is_whole(job->t, job);
}

static void
test_a_crash_at_each_step(TestCo *t)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(jobs); i++) {
        Job job = jobs[i];

        job.t = t;
        crash_at_each_step(&job);
    }
}

/* True if that step was there to fail. */
static bool
fail_at_step(Job *job, unsigned nth, int errnum)
{
    MovesTest m;
    g_autoptr(GError) error = NULL;
    g_autofree char *before = NULL, *after = NULL;
    bool ok;

    job_prepare(job);
    before = moves_test_names_in(job->t->dir);
    moves_test_begin_failure(&m, nth, errnum);
    ok = try_rename(job->t, job->from, job->to, job->flags, &error);
    moves_test_end();
    if (!ok) {
        g_assert_cmpint(vd_error_to_errno(error), ==, errnum);
        after = moves_test_names_in(job->t->dir);
        g_assert_cmpstr(after, ==, before);
        assert_names(job->t, "sub", "");
        g_assert_true(is_there(job->t, job->from));
    } else {
        g_assert_false(is_there(job->t, job->from));
    }
    assert_one_is_whole(job->t, job);
    return m.count > nth;
}

static void
test_a_failure_at_each_step(TestCo *t)
{
    unsigned fired = 0;

    for (unsigned i = 0; i < 2 * G_N_ELEMENTS(jobs); i++) {
        Job job = jobs[i / 2];

        job.t = t;
        for (unsigned nth = 0; fail_at_step(&job, nth, i % 2 ? ENOSPC : EIO);
             nth++)
            fired++;
    }
    g_assert_cmpuint(fired, >, 40);
}

/* -- requests that fail
 * -------------------------------------------------------------------- */

static void
sweep_prepare(void *arg)
{
    job_prepare(arg);
}

static bool
sweep_act(void *arg, GError **error)
{
    Job *job = arg;

    return try_rename(job->t, job->from, job->to, job->flags, error);
}

static void
sweep_check(void *arg, bool ok)
{
    Job *job = arg;

    g_assert_cmpint(is_there(job->t, job->from), ==, !ok);
    g_assert_cmpint(is_there(job->t, job->to), ==, ok);
    assert_one_is_whole(job->t, job);
}

static void
test_failing_requests(TestCo *t)
{
    static const TestOp ops[] = {TEST_OP_WRITE, TEST_OP_FLUSH, TEST_OP_OPEN,
                                 TEST_OP_READ};
    unsigned fired = 0;

    test_leaf_install();
    for (unsigned i = 0; i < G_N_ELEMENTS(jobs) * G_N_ELEMENTS(ops); i++) {
        Job job = jobs[i / G_N_ELEMENTS(ops)];
        TestSweep how = {.op = ops[i % G_N_ELEMENTS(ops)],
                         .errnum = EIO,
                         .prepare = sweep_prepare,
                         .act = sweep_act,
                         .check = sweep_check};

        job.t = t;
        fired += test_fault_sweep(&how, &job);
    }
    test_leaf_remove();
    g_assert_cmpuint(fired, >, 10);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, fn) test_co_add("/vmdk/rename/" path, fn)
    ADD("each-kind", test_each_kind);
    ADD("another-directory", test_into_another_directory);
    ADD("streams", test_streams_too);
    ADD("other-names", test_other_names_stay);
    ADD("other-names-elsewhere", test_other_names_come_along);
    ADD("odd-names", test_odd_names);
    ADD("impossible-names", test_names_that_cannot_be);
    ADD("quote", test_a_quote_in_the_name_of_one_file);
    ADD("overwrite", test_nothing_is_overwritten);
    ADD("missing-extents", test_missing_extents);
    ADD("in-use", test_in_use_is_refused);
    ADD("bare-extent", test_a_bare_extent_is_refused);
    ADD("parent", test_parents_are_found_from_elsewhere);
    ADD("children-refuse", test_children_stop_it);
    ADD("children-follow", test_children_follow);
    ADD("child-in-use", test_a_child_in_use_stops_it);
    ADD("crash", test_a_crash_at_each_step);
    ADD("fault-step", test_a_failure_at_each_step);
    ADD("fault-request", test_failing_requests);
#undef ADD
    return g_test_run();
}
