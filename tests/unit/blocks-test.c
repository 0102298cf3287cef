/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/blocks-test.c - making, opening and damaging images of one file,
 * of any format. */
#include "tests/unit/blocks-test.h"
#include "tests/support/crash.h"
#include "tests/support/sweep.h"
#include "tests/unit/crash-session.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/fd.h"

/* -- images ---------------------------------------------------------------- */

bool
blocks_test_try_create(TestCo *t, const BlocksTest *image, uint64_t size,
                       const char *options, GError **error)
{
    return vmdk_test_try_create_of(t, image->driver, image->name, size, options,
                                   error);
}

void
blocks_test_create(TestCo *t, const BlocksTest *image, uint64_t size,
                   const char *options)
{
    g_autoptr(GError) error = NULL;

    blocks_test_try_create(t, image, size, options, &error);
    g_assert_no_error(error);
}

VdNode *
blocks_test_try_open(TestCo *t, const BlocksTest *image, VdOpenFlags flags,
                     GError **error)
{
    g_autofree char *path = test_co_path(t, image->name);

    return vd_co_open(&t->env, path, image->driver->name, NULL, flags, error);
}

VdNode *
blocks_test_open(TestCo *t, const BlocksTest *image, VdOpenFlags flags)
{
    g_autoptr(GError) error = NULL;
    VdNode *node = blocks_test_try_open(t, image, flags, &error);

    g_assert_no_error(error);
    return node;
}

void
blocks_test_assert_refused(TestCo *t, const BlocksTest *image,
                           VdOpenFlags flags, VdErrorCode code,
                           const char *text)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(blocks_test_try_open(t, image, flags, &error));
    g_assert_error(error, VD_ERROR, (int) code);
    if (text && !strstr(error->message, text))
        g_error("\"%s\" is not in: %s", text, error->message);
}

VdCheckResult
blocks_test_check(VdNode *node, unsigned repair)
{
    VdCheckParams params = {.repair = repair};
    VdCheckResult result = {.max_findings = 3};
    g_autoptr(GError) error = NULL;

    vd_node_driver(node)->co_check(node, &params, &result, &error);
    g_assert_no_error(error);
    for (unsigned i = 0; result.corruptions && i < result.findings->len; i++)
        g_test_message(
            "finding: %s",
            ((VdFinding *) g_ptr_array_index(result.findings, i))->detail);
    g_clear_pointer(&result.findings, g_ptr_array_unref);
    return result;
}

void
blocks_test_assert_sound(VdNode *node)
{
    VdCheckResult result = blocks_test_check(node, 0);

    g_assert_cmpuint(result.corruptions, ==, 0);
    g_assert_cmpuint(result.check_errors, ==, 0);
}

/* -- bytes ----------------------------------------------------------------- */

void
blocks_test_poke(TestCo *t, const BlocksTest *image, uint64_t off,
                 const void *bytes, size_t len)
{
    vmdk_test_poke(t, image->name, off, bytes, len);
}

static int
open_file(TestCo *t, const BlocksTest *image)
{
    g_autofree char *path = test_co_path(t, image->name);
    int fd = open(path, O_RDWR | O_CLOEXEC);

    g_assert_cmpint(fd, >=, 0);
    return fd;
}

void
blocks_test_peek(TestCo *t, const BlocksTest *image, uint64_t off, void *bytes,
                 size_t len)
{
    VIO_AUTO_FD fd = open_file(t, image);

    g_assert_cmpint(pread(fd, bytes, len, (off_t) off), ==, (ssize_t) len);
}

void
blocks_test_truncate(TestCo *t, const BlocksTest *image, uint64_t size)
{
    VIO_AUTO_FD fd = open_file(t, image);

    g_assert_cmpint(ftruncate(fd, (off_t) size), ==, 0);
}

uint64_t
blocks_test_file_size(TestCo *t, const BlocksTest *image)
{
    VIO_AUTO_FD fd = open_file(t, image);
    struct stat st;

    g_assert_cmpint(fstat(fd, &st), ==, 0);
    return (uint64_t) st.st_size;
}

/* -- crashes --------------------------------------------------------------- */

typedef struct {
    CrashSession session;
    const BlocksTest *image;
    const char *options;
} Run;

static void
crash_check(const TestCrashPoint *point, void *arg)
{
    const Run *run = arg;
    TestCo t = *run->session.t;
    VdNode *node;

    t.dir = (char *) point->dir;
    node = blocks_test_open(&t, run->image, 0);
    crash_session_assert(&run->session, node, point->mark);
    if (!run->image->mends)
        blocks_test_assert_sound(node);
    test_co_close(node);
    node = blocks_test_open(&t, run->image, VD_OPEN_RDWR);
    crash_session_assert(&run->session, node, point->mark);
    test_co_write_pattern(node, MIB, 70000, 500);
    test_co_close(node);
    node = blocks_test_open(&t, run->image, 0);
    test_co_assert_pattern(node, MIB, 70000, 500);
    blocks_test_assert_sound(node);
    test_co_close(node);
}

void
blocks_test_replay(TestCo *t, const BlocksTest *image, uint64_t size,
                   const char *options, uint32_t seed)
{
    Run run = {.session = {.t = t,
                           .name = image->name,
                           .size = size,
                           .recorded = true},
               .image = image};
    char *base = test_dir_new();
    g_autoptr(GPtrArray) changes = NULL;
    g_autoptr(GError) error = NULL;
    TestCrash crash = {
        .base_dir = base, .samples = 1, .seed = seed, .check = crash_check};
    VdNode *node;

    blocks_test_create(t, image, size, options);
    crash_session_plan(&run.session, seed);
    test_dir_copy(t->dir, base);
    test_leaf_install();
    test_leaf_record();
    node = blocks_test_open(t, image, VD_OPEN_RDWR | VD_OPEN_UNMAP);
    crash_session_run(&run.session, node, &error);
    g_assert_no_error(error);
    test_co_close(node);
    changes = test_leaf_record_end();
    test_leaf_remove();
    crash.changes = changes;
    g_assert_cmpuint(test_crash_replay(&crash, &run), >, 20);
    test_dir_remove(base);
}

/* -- failing requests ------------------------------------------------------ */

static void
sweep_prepare(void *arg)
{
    Run *run = arg;

    run->session.durable = 0;
    test_dir_empty(run->session.t->dir);
    blocks_test_create(run->session.t, run->image, run->session.size,
                       run->options);
}

static bool
sweep_act(void *arg, GError **error)
{
    Run *run = arg;
    VdNode *node = blocks_test_try_open(run->session.t, run->image,
                                        VD_OPEN_RDWR | VD_OPEN_UNMAP, error);
    bool ok;

    if (!node)
        return false;
    ok = crash_session_run(&run->session, node, error);
    return vd_node_co_close(node, ok ? error : NULL) && ok;
}

/* Nothing is lost but what was never flushed. */
static void
sweep_check(void *arg, bool ok)
{
    Run *run = arg;
    unsigned mark = ok ? CRASH_STEPS : run->session.durable;
    VdNode *node = blocks_test_open(run->session.t, run->image, 0);

    crash_session_assert(&run->session, node, mark);
    test_co_close(node);
    node = blocks_test_open(run->session.t, run->image, VD_OPEN_RDWR);
    if (run->image->mends)
        (void) blocks_test_check(node, VD_REPAIR_ALL);
    test_co_close(node);
    node = blocks_test_open(run->session.t, run->image, 0);
    crash_session_assert(&run->session, node, mark);
    blocks_test_assert_sound(node);
    test_co_close(node);
}

void
blocks_test_sweep(TestCo *t, const BlocksTest *image, uint64_t size,
                  const char *options, uint32_t seed)
{
    static const TestOp ops[] = {TEST_OP_WRITE, TEST_OP_FLUSH, TEST_OP_READ,
                                 TEST_OP_TRUNCATE};
    Run run = {.session = {.t = t, .name = image->name, .size = size},
               .image = image,
               .options = options};
    TestSweep how = {.errnum = ENOSPC,
                     .prepare = sweep_prepare,
                     .act = sweep_act,
                     .check = sweep_check};

    crash_session_plan(&run.session, seed);
    test_leaf_install();
    for (unsigned i = 0; i < G_N_ELEMENTS(ops); i++) {
        how.op = ops[i];
        g_assert_cmpuint(test_fault_sweep(&how, &run), >,
                         ops[i] == TEST_OP_TRUNCATE ? 0 : 1);
    }
    test_leaf_remove();
}

static void
create_prepare(void *arg)
{
    const Run *run = arg;

    test_dir_empty(run->session.t->dir);
}

static bool
create_act(void *arg, GError **error)
{
    const Run *run = arg;

    return blocks_test_try_create(run->session.t, run->image, run->session.size,
                                  run->options, error);
}

static void
create_check(void *arg, bool ok)
{
    const Run *run = arg;
    g_autoptr(GDir) dir = g_dir_open(run->session.t->dir, 0, NULL);
    VdNode *node;

    if (!ok) {
        g_assert_null(g_dir_read_name(dir));
        return;
    }
    node = blocks_test_open(run->session.t, run->image, 0);
    test_co_assert_zero(node, 0, run->session.size);
    blocks_test_assert_sound(node);
    test_co_close(node);
}

void
blocks_test_sweep_create(TestCo *t, const BlocksTest *image, uint64_t size,
                         const char *options)
{
    Run run = {
        .session = {.t = t, .size = size}, .image = image, .options = options};
    TestSweep how = {.op = TEST_OP_WRITE,
                     .errnum = ENOSPC,
                     .prepare = create_prepare,
                     .act = create_act,
                     .check = create_check};

    test_leaf_install();
    g_assert_cmpuint(test_fault_sweep(&how, &run), >, 0);
    test_leaf_remove();
}
