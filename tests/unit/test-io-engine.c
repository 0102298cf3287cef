/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-io-engine.c - which engine a loop gets.
 *
 * Where io_uring must be forbidden the program runs itself again under
 * deny-uring, whose path is in the environment, and judges by the exit status.
 */
#include "tests/unit/io-test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>

static const char *program;

static int
loop_make(VioEngineKind engine, bool fixed, char **name)
{
    VioLoopParams params = {.engine = engine, .fixed_runner = fixed};
    VioLoop *loop = NULL;
    int ret = vio_loop_new(&params, &loop);

    if (ret == 0) {
        *name = g_strdup(vio_loop_engine_name(loop));
        g_test_message("%s: %s", *name, vio_loop_engine_reason(loop));
        g_assert_cmpint(strlen(vio_loop_engine_reason(loop)), >, 0);
        vio_loop_free(loop);
    } else {
        g_assert_null(loop);
    }
    return ret;
}

/* What becomes of the engine once a file shall be read past the page cache.
 * That it is not is the engine's secret: any file will do. */
static const char *
name_with_direct(VioEngineKind engine)
{
    VioLoopParams params = {.engine = engine};
    VioLoop *loop = NULL;
    const char *name;

    if (vio_loop_new(&params, &loop) != 0)
        return "none";
    vio_file_free(
        vio_file_new(loop, open("/dev/zero", O_RDONLY | O_CLOEXEC), 0));
    g_assert_cmpstr(vio_loop_engine_name(loop), !=, "aio");
    vio_file_free(vio_file_new(loop, open("/dev/zero", O_RDONLY | O_CLOEXEC),
                               VIO_FILE_DIRECT));
    name = vio_loop_engine_name(loop);
    vio_loop_free(loop);
    return name;
}

/* Run this program again; @launcher: under deny-uring with those arguments. */
static int
rerun(const char *mode, const char *error, const char *what, const char *env)
{
    const char *deny = getenv("VDISK_TEST_DENY_URING");
    g_auto(GStrv) environ_ = g_get_environ();
    const char *argv[] = {deny, error, what, program, mode, NULL};
    int status = 0;

    if (!deny) {
        g_test_skip("VDISK_TEST_DENY_URING does not name the launcher");
        return 77;
    }
    environ_ = g_environ_setenv(environ_, "VDISK_ENGINE", env, TRUE);
    g_assert_true(g_spawn_sync(NULL, (char **) (error ? argv : argv + 3),
                               environ_, G_SPAWN_DEFAULT, NULL, NULL, NULL,
                               NULL, &status, NULL));
    g_assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* What the second run does: exit status 0 if the expectation holds. */
static int
second_run(const char *mode)
{
    g_autofree char *name = NULL;
    g_autofree char *fixed = NULL;
    VioEngineKind kind = VIO_ENGINE_AUTO;
    int ret;

    if (g_str_has_prefix(mode, "--direct-"))
        return strcmp(name_with_direct(kind), mode + strlen("--direct-"));
    if (strcmp(mode, "--explicit") == 0)
        kind = VIO_ENGINE_URING;
    if (strcmp(mode, "--explicit-aio") == 0)
        kind = VIO_ENGINE_AIO;
    ret = loop_make(kind, false, &name);
    if (ret != loop_make(kind, true, &fixed) || g_strcmp0(name, fixed) != 0)
        return 3;
    if (strcmp(mode, "--threads") == 0)
        return ret == 0 && strcmp(name, "threads") == 0 ? 0 : 1;
    if (strcmp(mode, "--aio") == 0)
        return ret == 0 && strcmp(name, "aio") == 0 ? 0 : 1;
    if (strcmp(mode, "--any") == 0)
        return ret == 0 ? 0 : 1;
    return ret < 0 ? -ret : 200;
}

static void
expect(const char *error, const char *what, const char *env, const char *mode,
       int wanted)
{
    int status = rerun(mode, error, what, env);

    if (status != 77)
        g_assert_cmpint(status, ==, wanted);
}

static void
test_forbidden_falls_back(void)
{
    expect("EPERM", "all", "", "--threads", 0);
    expect("ENOSYS", "all", "", "--threads", 0);
    expect("EPERM", "enter", "", "--threads", 0);
    expect("ENOSYS", "enter", "", "--threads", 0);
}

/* Direct I/O has Linux AIO where io_uring is forbidden, unless that is, too. */
static void
test_forbidden_takes_aio(void)
{
    expect("EPERM", "all", "", "--direct-aio", 0);
    expect("ENOSYS", "all", "", "--direct-aio", 0);
    expect("EPERM", "enter", "", "--direct-aio", 0);
    expect("EPERM", "aio", "", "--direct-threads", 0);
    expect("ENOSYS", "aio", "", "--direct-threads", 0);
    expect("EPERM", "all", "threads", "--direct-threads", 0);
}

/* A build without io_uring does not get as far as the kernel's answer. */
#ifdef VIO_HAVE_URING
#    define REFUSAL EPERM
#else
#    define REFUSAL ENOSYS
#endif

static void
test_forbidden_by_name_fails(void)
{
    expect("EPERM", "all", "uring", "--env", REFUSAL);
    expect("ENOSYS", "all", "uring", "--env", ENOSYS);
    expect("EPERM", "all", "", "--explicit", REFUSAL);
    expect("EPERM", "enter", "uring", "--env", REFUSAL);
    expect("EPERM", "aio", "aio", "--env", EPERM);
    expect("ENOSYS", "aio", "", "--explicit-aio", ENOSYS);
    expect("EPERM", "all", "aio", "--aio", 0);
}

static void
test_environment_chooses(void)
{
    expect(NULL, NULL, "threads", "--threads", 0);
    expect(NULL, NULL, "aio", "--aio", 0);
    expect(NULL, NULL, "nonsense", "--env", EINVAL);
    expect(NULL, NULL, "auto", "--any", 0);
    expect(NULL, NULL, "", "--any", 0);
}

static void
test_by_name(void)
{
    g_autofree char *name = NULL;

    g_assert_cmpint(loop_make(VIO_ENGINE_THREADS, false, &name), ==, 0);
    g_assert_cmpstr(name, ==, "threads");
    g_clear_pointer(&name, g_free);
    g_assert_cmpint(loop_make(VIO_ENGINE_AIO, true, &name), ==, 0);
    g_assert_cmpstr(name, ==, "aio");
}

static void
read_main(void *opaque)
{
    VioFile *file = opaque;
    char buf[100];

    g_assert_cmpint(io_test_co_read(file, 0, buf, 100), ==, 100);
    io_test_assert_pattern(buf, 0, 100);
}

/* Locked memory is what older kernels count rings as. */
static void
test_no_locked_memory(IoFixture *f, gconstpointer engine)
{
    struct rlimit before, none = {0, 0};
    VioLoopParams params = {.engine = VIO_ENGINE_AUTO};

    vio_loop_free(f->loop);
    g_assert_cmpint(getrlimit(RLIMIT_MEMLOCK, &before), ==, 0);
    none.rlim_max = before.rlim_max;
    g_assert_cmpint(setrlimit(RLIMIT_MEMLOCK, &none), ==, 0);
    g_assert_cmpint(vio_loop_new(&params, &f->loop), ==, 0);
    {
        VioFile *file = io_test_file(f, "a", 100);

        io_test_run(f, read_main, file);
        io_test_run_busy(f, read_main, file);
        vio_file_free(file);
    }
    g_assert_cmpint(setrlimit(RLIMIT_MEMLOCK, &before), ==, 0);
}

int
main(int argc, char **argv)
{
    if (argc == 2 && g_str_has_prefix(argv[1], "--") &&
        getenv("VDISK_TEST_DENY_URING") && !g_str_has_prefix(argv[1], "--tap"))
        return second_run(argv[1]);
    program = argv[0];
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/io/engine/forbidden-falls-back",
                    test_forbidden_falls_back);
    g_test_add_func("/io/engine/forbidden-takes-aio", test_forbidden_takes_aio);
    g_test_add_func("/io/engine/forbidden-by-name-fails",
                    test_forbidden_by_name_fails);
    g_test_add_func("/io/engine/environment-chooses", test_environment_chooses);
    g_test_add_func("/io/engine/by-name", test_by_name);
    io_test_add("engine/no-locked-memory", test_no_locked_memory);
    return g_test_run();
}
