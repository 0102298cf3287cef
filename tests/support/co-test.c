/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/support/co-test.c - test cases that run as a coroutine on each engine.
 */
#include "tests/support/co-test.h"

#include <string.h>

#include "block/registry.h"
#include "tests/support/effort.h"

static void
record_warning(const char *message, void *opaque)
{
    TestCo *t = opaque;

    g_ptr_array_add(t->warnings, g_strdup(message));
}

typedef struct {
    TestCo t;
    TestCoFunc fn;
} CoRun;

static void
co_run(void *opaque)
{
    CoRun *run = opaque;

    run->fn(&run->t);
}

bool
test_co_run(VioEngineKind engine, TestCoFunc fn)
{
    VioLoopParams params = {.engine = engine, .workers = 2};
    CoRun run = {.fn = fn};

    if (vio_loop_new(&params, &run.t.loop) < 0)
        return false;
    run.t.dir = test_dir_new();
    run.t.warnings = g_ptr_array_new_with_free_func(g_free);
    run.t.env = (VdEnv){
        .loop = run.t.loop,
        .warn = record_warning,
        .warn_opaque = &run.t,
    };
    test_register_drivers();
    vio_loop_run_sync(run.t.loop, co_run, &run);
    vio_loop_free(run.t.loop);
    g_ptr_array_unref(run.t.warnings);
    test_dir_remove(run.t.dir);
    return true;
}

static void
run_threads(gconstpointer data)
{
    g_assert_true(test_co_run(VIO_ENGINE_THREADS, *(const TestCoFunc *) data));
}

static void
run_uring(gconstpointer data)
{
    test_effort_again(!g_getenv("VDISK_ENGINE"));
    if (!test_co_run(VIO_ENGINE_URING, *(const TestCoFunc *) data))
        g_test_skip("no io_uring here");
    test_effort_again(false);
}

static void
add_engine(const char *engine, const char *path, TestCoFunc fn,
           GTestDataFunc run)
{
    g_autofree char *name = g_strconcat("/", engine, path, NULL);
    const char *only = g_getenv("VDISK_ENGINE");

    if (!only || strcmp(only, engine) == 0)
        g_test_add_data_func_full(name, g_memdup2(&fn, sizeof(fn)), run,
                                  g_free);
}

void
test_co_add(const char *path, TestCoFunc fn)
{
    add_engine("threads", path, fn, run_threads);
    add_engine("uring", path, fn, run_uring);
}

char *
test_co_path(const TestCo *t, const char *name)
{
    return g_build_filename(t->dir, name, NULL);
}

VdNode *
test_co_try_open(TestCo *t, const char *options, VdOpenFlags flags,
                 GError **error)
{
    g_autoptr(VdOptions) opts = vd_options_new();

    if (!vd_options_parse(opts, options, error))
        return NULL;
    return vd_co_open(&t->env, NULL, NULL, g_steal_pointer(&opts), flags,
                      error);
}

VdNode *
test_co_open(TestCo *t, const char *options, VdOpenFlags flags)
{
    g_autoptr(GError) error = NULL;
    VdNode *node = test_co_try_open(t, options, flags, &error);

    g_assert_no_error(error);
    g_assert_nonnull(node);
    return node;
}

VdNode *
test_co_open_file(TestCo *t, const char *driver, const char *name,
                  VdOpenFlags flags)
{
    const char *key = g_str_equal(driver, "file") ? "" : "file.";
    g_autofree char *path = test_co_path(t, name);
    g_autofree char *options =
        g_strdup_printf("driver=%s,%sfilename=%s", driver, key, path);

    return test_co_open(t, options, flags);
}

void
test_co_close(VdNode *node)
{
    g_autoptr(GError) error = NULL;

    vd_node_co_close(node, &error);
    g_assert_no_error(error);
}
