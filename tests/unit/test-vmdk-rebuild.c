/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-vmdk-rebuild.c - a descriptor from its data files comes into
 * being whole or not at all, and never in the place of another by accident. */
#include "tests/support/sweep.h"
#include "tests/unit/vmdk-test.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define NAME "d.vmdk"
#define DISK (5 * MIB)
#define OTHER_TEXT "this is what somebody else keeps here\n"

typedef struct {
    TestCo *t;
    const char *options;
    bool force;
    const char *before; /* what stands in NAME; NULL = there is none */
    char *good;         /* directory with the data files only */
} Lost;

static bool
rebuild(const Lost *l, GError **error)
{
    g_autofree char *path = test_co_path(l->t, NAME);
    VdTransaction *tx = vd_tx_new(l->t->loop, true, !l->force);
    VdEnv env = l->t->env;
    VdRebuildSpec spec = {.env = &env, .filename = path};
    bool ok;

    env.tx = tx;
    ok = vd_vmdk_driver.co_rebuild(tx, &spec, error) &&
         vd_tx_co_commit(tx, error);
    if (!ok)
        vd_tx_co_abort(tx);
    vd_tx_free(tx);
    return ok;
}

static void
lose(Lost *l)
{
    g_autofree char *path = test_co_path(l->t, NAME);
    VdNode *node;

    vmdk_test_create(l->t, NAME, DISK, l->options);
    node = vmdk_test_open(l->t, NAME, VD_OPEN_RDWR);
    test_co_write_pattern(node, MIB, 2 * MIB, 3);
    test_co_close(node);
    g_assert_cmpint(unlink(path), ==, 0);
    l->good = test_dir_new();
    test_dir_copy(l->t->dir, l->good);
}

static void
prepare(void *arg)
{
    Lost *l = arg;

    test_dir_copy(l->good, l->t->dir);
    if (l->before)
        vmdk_test_write_file(l->t, NAME, l->before, strlen(l->before));
}

static bool
act(void *arg, GError **error)
{
    return rebuild(arg, error);
}

static void
assert_disk(TestCo *t)
{
    VdNode *node = vmdk_test_open(t, NAME, VD_OPEN_RDWR);

    g_assert_cmpuint(vd_node_size(node), ==, DISK);
    test_co_assert_zero(node, 0, MIB);
    test_co_assert_pattern(node, MIB, 2 * MIB, 3);
    test_co_assert_zero(node, 3 * MIB, 2 * MIB);
    vmdk_test_assert_sound(node, false);
    test_co_close(node);
}

static bool
is_as_before(const Lost *l)
{
    g_autofree char *path = test_co_path(l->t, NAME);
    g_autofree char *text = NULL;

    if (!l->before)
        return !g_file_test(path, G_FILE_TEST_EXISTS);
    return g_file_get_contents(path, &text, NULL, NULL) &&
           !strcmp(text, l->before);
}

/* Data files must not have been touched at all, and nothing else be there. */
static void
assert_only_data_files(const Lost *l)
{
    g_autoptr(GDir) dir = g_dir_open(l->t->dir, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name(dir))) {
        g_autofree char *good = g_build_filename(l->good, name, NULL);
        g_autofree char *now = NULL, *then = NULL;
        gsize n_now, n_then;

        if (!strcmp(name, NAME))
            continue;
        g_assert_true(g_file_get_contents(good, &then, &n_then, NULL));
        now = vmdk_test_read_file(l->t, name, &n_now);
        g_assert_cmpmem(now, n_now, then, n_then);
    }
}

static void
check(void *arg, bool ok)
{
    Lost *l = arg;

    /* A failure behind the renaming cannot take it back. */
    assert_only_data_files(l);
    if (ok || !is_as_before(l))
        assert_disk(l->t);
}

static void
sweep(Lost *l)
{
    static const TestOp ops[] = {TEST_OP_READ, TEST_OP_WRITE, TEST_OP_FLUSH,
                                 TEST_OP_TRUNCATE, TEST_OP_OPEN};
    TestSweep how = {.prepare = prepare, .act = act, .check = check};
    unsigned runs = 0;

    lose(l);
    test_leaf_install();
    for (unsigned i = 0; i < 2 * G_N_ELEMENTS(ops); i++) {
        how.op = ops[i / 2];
        how.errnum = i % 2 ? EIO : ENOSPC;
        runs += test_fault_sweep(&how, l);
    }
    test_leaf_remove();
    g_assert_cmpuint(runs, >=, 6);
    test_dir_remove(l->good);
}

static void
test_flat(TestCo *t)
{
    sweep(&(Lost){.t = t, .options = "subformat=monolithicFlat"});
}

static void
test_split(TestCo *t)
{
    sweep(&(Lost){.t = t,
                  .options = "subformat=twoGbMaxExtentSparse,split_size=2M"});
}

static void
test_forced(TestCo *t)
{
    sweep(&(Lost){.t = t,
                  .options = "subformat=vmfsSparse",
                  .force = true,
                  .before = OTHER_TEXT});
}

/* -- what is there already ------------------------------------------------- */

/* Refused whatever else goes wrong; nothing may even be made for it. */
static void
check_kept(void *arg, bool ok)
{
    Lost *l = arg;

    g_assert_false(ok);
    g_assert_true(is_as_before(l));
    assert_only_data_files(l);
}

static void
test_kept(TestCo *t)
{
    static const TestOp ops[] = {TEST_OP_READ, TEST_OP_WRITE, TEST_OP_FLUSH,
                                 TEST_OP_TRUNCATE, TEST_OP_OPEN};
    Lost l = {.t = t,
              .options = "subformat=twoGbMaxExtentSparse,split_size=2M",
              .before = OTHER_TEXT};

    lose(&l);
    test_leaf_install();
    for (unsigned i = 0; i < G_N_ELEMENTS(ops); i++) {
        bool fired = true;

        for (unsigned nth = 0; fired; nth++) {
            g_autoptr(GError) error = NULL;
            bool ok;

            prepare(&l);
            test_leaf_fail_nth(ops[i], nth, EIO);
            ok = rebuild(&l, &error);
            fired = test_leaf_fault_fired();
            test_leaf_clear_fault();
            check_kept(&l, ok);
            g_assert_nonnull(error);
            if (!fired)
                g_assert_nonnull(strstr(error->message, "exists"));
        }
    }
    test_leaf_remove();
    test_dir_remove(l.good);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    test_co_add("/vmdk/rebuild/flat", test_flat);
    test_co_add("/vmdk/rebuild/split", test_split);
    test_co_add("/vmdk/rebuild/forced", test_forced);
    test_co_add("/vmdk/rebuild/kept", test_kept);
    return g_test_run();
}
