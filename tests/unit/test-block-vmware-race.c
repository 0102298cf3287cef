/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-block-vmware-race.c - VMware's locks with many who want them:
 * threads, processes, some of which die, and coroutines that wait. */
#include "block/vmware-lock.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/op.h"
#include "tests/support/co-test.h"
#include "tests/support/effort.h"
#include "tests/unit/vmware-test.h"

#define THREADS 200
#define PROCESSES 4
#define ROUNDS 25

static VdVmwareLock *
take(const char *path, bool exclusive)
{
    GError *error = NULL;
    VdVmwareLock *lock = vd_vmware_lock_enter(path, exclusive, &error);
    gulong pause = 500;

    g_assert_no_error(error);
    while (vd_vmware_lock_look(lock, &error) != VD_VMWARE_GRANTED) {
        g_assert_no_error(error);
        g_usleep(pause); /* looks of all of them together cost most */
        pause = MIN(2 * pause, 15000);
    }
    return lock;
}

static void
assert_nothing_held(const char *path)
{
    g_autofree char *held = vmware_test_held(path);

    g_assert_cmpstr(held, ==, "");
}

/* Who is inside at the moment. */
typedef struct {
    const char *path;
    int readers, writers;
} Room;

static void
visit(Room *room, bool exclusive)
{
    VdVmwareLock *lock = take(room->path, exclusive);
    int *mine = exclusive ? &room->writers : &room->readers;
    int before = g_atomic_int_add(mine, 1);

    g_usleep(200);
    if (exclusive) {
        g_assert_cmpint(before, ==, 0);
        g_assert_cmpint(g_atomic_int_get(&room->readers), ==, 0);
    }
    g_assert_cmpint(g_atomic_int_get(&room->writers), ==, exclusive);
    (void) g_atomic_int_add(mine, -1);
    vd_vmware_lock_release(lock);
}

static void *
write_thread(void *opaque)
{
    visit(opaque, true);
    return NULL;
}

static void *
read_thread(void *opaque)
{
    visit(opaque, false);
    return NULL;
}

/* Every @nth of them writes.  Each looks at all the others, again and again:
 * half as many take a quarter of the time. */
static void
run_threads(unsigned n, unsigned nth)
{
    char *dir = test_dir_new();
    g_autofree char *path = g_build_filename(dir, "disk", NULL);
    GThread *threads[THREADS];
    Room room = {.path = path};

    for (unsigned i = 0; i < n; i++)
        threads[i] = g_thread_new(
            NULL, i % nth == 0 ? write_thread : read_thread, &room);
    for (unsigned i = 0; i < n; i++)
        (void) g_thread_join(threads[i]);
    assert_nothing_held(path);
    test_dir_remove(dir);
}

static void
test_of_many_threads_one_writes(void)
{
    run_threads(test_effort_steps(THREADS), 1);
}

static void
test_nobody_reads_while_one_writes(void)
{
    run_threads(test_effort_steps(THREADS / 2), 5);
}

/* -- processes ------------------------------------------------------------- */

typedef struct {
    int total; /* changed with the lock held, in two steps */
} Shared;

static void
add_one(const char *path, volatile Shared *shared)
{
    VdVmwareLock *lock = take(path, true);
    int before = shared->total;

    g_usleep(100);
    shared->total = before + 1;
    vd_vmware_lock_release(lock);
}

static Shared *
shared_new(void)
{
    Shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    g_assert_true(shared != MAP_FAILED);
    return shared;
}

static void
test_processes_take_turns(void)
{
    char *dir = test_dir_new();
    g_autofree char *path = g_build_filename(dir, "disk", NULL);
    Shared *shared = shared_new();
    int status;

    for (unsigned i = 0; i < PROCESSES; i++) {
        if (fork() != 0)
            continue;
        for (unsigned n = 0; n < ROUNDS; n++)
            add_one(path, shared);
        _exit(0);
    }
    for (unsigned i = 0; i < PROCESSES; i++) {
        g_assert_cmpint(wait(&status), >, 0);
        g_assert_cmpint(status, ==, 0);
    }
    g_assert_cmpint(shared->total, ==, PROCESSES * ROUNDS);
    assert_nothing_held(path);
    (void) munmap(shared, sizeof(*shared));
    test_dir_remove(dir);
}

/* A process that holds the lock; it has it when this returns. */
static pid_t
start_holder(const char *path, bool exclusive)
{
    int pipe_fds[2];
    char byte;
    pid_t pid;

    g_assert_cmpint(pipe(pipe_fds), ==, 0);
    pid = fork();
    if (pid == 0) {
        (void) take(path, exclusive);
        if (write(pipe_fds[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            (void) pause();
    }
    g_assert_cmpint(read(pipe_fds[0], &byte, 1), ==, 1);
    (void) close(pipe_fds[0]);
    (void) close(pipe_fds[1]);
    return pid;
}

static void
kill_holder(pid_t pid)
{
    g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
    g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
}

static void
test_a_killed_holder_holds_nothing(void)
{
    char *dir = test_dir_new();
    g_autofree char *path = g_build_filename(dir, "disk", NULL);
    g_autofree char *before = NULL, *after = NULL;
    pid_t pid = start_holder(path, true);
    g_autofree char *who = g_strdup_printf("by process %d (", (int) pid);
    g_autoptr(GError) error = NULL;
    VdVmwareLock *lock;

    g_assert_false(vd_vmware_lock_check(path, &error));
    g_assert_nonnull(strstr(error->message, who));
    kill_holder(pid);
    g_assert_true(vd_vmware_lock_check(path, NULL));
    before = vmware_test_held(path);
    g_assert_cmpstr(before, ==, "X");
    lock = take(path, false);
    after = vmware_test_held(path);
    g_assert_cmpstr(after, ==, "S");
    vd_vmware_lock_release(lock);
    assert_nothing_held(path);
    test_dir_remove(dir);
}

/* What those who died while they chose their place have left. */
static void
age_unfinished(const char *path)
{
    static const struct timespec then[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    g_autofree char *lck = g_strconcat(path, ".lck", NULL);
    g_autoptr(GDir) dir = g_dir_open(lck, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *file = g_build_filename(lck, name, NULL);

        if (name[0] != 'M')
            g_assert_cmpint(utimensat(AT_FDCWD, file, then, 0), ==, 0);
    }
}

static void
test_killed_processes_keep_nobody_out(void)
{
    char *dir = test_dir_new();
    g_autofree char *path = g_build_filename(dir, "disk", NULL);
    Shared *shared = shared_new();

    for (unsigned i = 0; i < 20; i++) {
        pid_t pid = fork();

        if (pid == 0)
            for (;;)
                add_one(path, shared);
        g_usleep(1000 + (gulong) g_random_int_range(0, 3000));
        kill_holder(pid);
    }
    age_unfinished(path); /* eight seconds are too long to wait for here */
    vd_vmware_lock_release(take(path, true));
    assert_nothing_held(path);
    (void) munmap(shared, sizeof(*shared));
    test_dir_remove(dir);
}

/* -- waiting --------------------------------------------------------------- */

static VdVmwareLock *
co_take(TestCo *t, const char *path, bool exclusive)
{
    GError *error = NULL;
    VdVmwareLock *lock = vd_vmware_co_lock(&t->env, path, exclusive, &error);

    g_assert_no_error(error);
    g_assert_nonnull(lock);
    return lock;
}

static void
co_assert_refused(TestCo *t, const char *path, bool exclusive, int code)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(vd_vmware_co_lock(&t->env, path, exclusive, &error));
    g_assert_error(error, VD_ERROR, code);
}

static void
test_waits_no_longer_than_asked(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "disk");
    VdVmwareLock *lock = co_take(t, path, true);

    for (unsigned ms = 0; ms <= 20; ms += 10) {
        g_autofree char *held = NULL;

        t->env.lock_wait_ms = ms;
        co_assert_refused(t, path, false, VD_ERROR_IN_USE);
        held = vmware_test_held(path);
        g_assert_cmpstr(held, ==, "X");
    }
    vd_vmware_co_unlock(t->loop, lock);
    vd_vmware_co_unlock(t->loop, co_take(t, path, true));
    assert_nothing_held(path);
}

typedef struct {
    TestCo *t;
    VdVmwareLock *lock;
    bool released;
} Releaser;

static bool
release_co_later(void *arg, GError **error)
{
    Releaser *r = arg;

    (void) vio_co_sleep(r->t->loop, 5000000, NULL);
    r->released = true;
    vd_vmware_co_unlock(r->t->loop, r->lock);
    return true;
}

/* Which the loop goes on during: the holder lives on the same one. */
static void
test_waiting_ends_when_it_is_let_go(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "disk");
    g_autoptr(VioCoGroup) group = vio_co_group_new(1);
    Releaser r = {.t = t, .lock = co_take(t, path, true)};
    VdVmwareLock *lock;

    t->env.lock_wait_ms = 600000;
    vio_co_group_spawn(group, release_co_later, &r, NULL);
    lock = co_take(t, path, true);
    g_assert_true(r.released);
    g_assert_true(vio_co_group_join(group, NULL));
    vd_vmware_co_unlock(t->loop, lock);
    assert_nothing_held(path);
}

static bool
cancel_co_later(void *arg, GError **error)
{
    TestCo *t = arg;

    (void) vio_co_sleep(t->loop, 5000000, NULL);
    vio_cancel_fire(t->env.cancel);
    return true;
}

static void
test_waiting_can_be_cancelled(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "disk");
    g_autoptr(VioCoGroup) group = vio_co_group_new(1);
    VdVmwareLock *lock = co_take(t, path, false);

    t->env.lock_wait_ms = 600000;
    t->env.cancel = vio_cancel_new();
    vio_co_group_spawn(group, cancel_co_later, t, NULL);
    co_assert_refused(t, path, true, VD_ERROR_CANCELLED);
    g_assert_true(vio_co_group_join(group, NULL));
    vio_cancel_unref(t->env.cancel);
    vd_vmware_co_unlock(t->loop, lock);
    assert_nothing_held(path);
}

static bool
replace_co_later(void *arg, GError **error)
{
    TestCo *t = arg;
    g_autofree char *path = test_co_path(t, "disk");
    g_autofree char *other = test_co_path(t, "other");

    (void) vio_co_sleep(t->loop, 5000000, NULL);
    test_file_make(other, 2048);
    g_assert_cmpint(rename(other, path), ==, 0);
    vmware_test_remove(path, "M00042.lck");
    return true;
}

/* As whoever writes a descriptor does: what is there when the lock is granted
 * counts, not what was there before. */
static void
test_what_the_holder_has_left_is_opened(TestCo *t)
{
    g_autofree char *path = test_co_path(t, "disk");
    g_autoptr(VioCoGroup) group = vio_co_group_new(1);
    GError *error = NULL;
    VdNode *node;

    test_file_make(path, 1024);
    vmware_test_member(path, "M00042.lck", VMWARE_TEST_OTHER, "1-1(x)", 1, 'X');
    t->env.lock_wait_ms = 600000;
    vio_co_group_spawn(group, replace_co_later, t, NULL);
    node = vd_co_open(&t->env, path, "raw", NULL,
                      VD_OPEN_RDWR | VD_OPEN_VMWARE_LOCK, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(vd_node_size(node), ==, 2048);
    g_assert_true(vio_co_group_join(group, NULL));
    test_co_close(node);
    assert_nothing_held(path);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define TEST(name) g_test_add_func("/block/vmware-race/" #name, test_##name)
    /* Those that fork first: there are no threads yet. */
    TEST(processes_take_turns);
    TEST(a_killed_holder_holds_nothing);
    TEST(killed_processes_keep_nobody_out);
    TEST(of_many_threads_one_writes);
    TEST(nobody_reads_while_one_writes);
#define CO_TEST(name) test_co_add("/block/vmware-race/" #name, test_##name)
    CO_TEST(waits_no_longer_than_asked);
    CO_TEST(waiting_ends_when_it_is_let_go);
    CO_TEST(waiting_can_be_cancelled);
    CO_TEST(what_the_holder_has_left_is_opened);
    return g_test_run();
}
