/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-io-loop.c - coroutines, turns, posting, runners, embedding.
 */
#include "tests/unit/io-test.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/wait.h>

#include "io/offload.h"
#include "io/sync.h"

typedef struct Loop {
    VioLoop *loop;
    VioFile *file;
    unsigned count, want;
    VioCoQueue queue;
    GString *log;
    bool done;
} Loop;

/* A foreign loop looks at @done while another thread may run the loop. */
static bool
loop_is_done(Loop *l)
{
    return __atomic_load_n(&l->done, __ATOMIC_ACQUIRE);
}

static void
loop_set_done(Loop *l)
{
    __atomic_store_n(&l->done, true, __ATOMIC_RELEASE);
}

static void
count_main(void *opaque)
{
    Loop *l = opaque;

    l->count++;
}

static void
turn_until_done(Loop *l)
{
    while (!l->done)
        (void) vio_loop_iterate(l->loop, -1);
}

/* -- coroutines ----------------------------------------------------------- */

static void
self_main(void *opaque)
{
    Loop *l = opaque;
    VioCo *self = vio_co_self();

    g_assert_nonnull(self);
    g_assert_true(vio_co_loop() == l->loop);
    g_assert_true(vio_loop_is_runner(l->loop));
    vio_co_reschedule();
    g_assert_true(vio_co_self() == self);
}

static void
test_self(IoFixture *f, gconstpointer engine)
{
    Loop l = {.loop = f->loop};

    g_assert_null(vio_co_self());
    g_assert_false(vio_loop_is_runner(f->loop));
    io_test_run(f, self_main, &l);
    g_assert_null(vio_co_self());
}

static void
many_member(void *opaque)
{
    Loop *l = opaque;
    volatile char deep[2000];

    memset((char *) deep, 1, sizeof(deep));
    vio_co_queue_wait(&l->queue);
    l->count += (unsigned) deep[1999];
    vio_co_reschedule();
}

static void
many_main(void *opaque)
{
    Loop *l = opaque;

    for (unsigned i = 0; i < l->want; i++)
        vio_co_start(l->loop, many_member, l);
    vio_co_reschedule();
    vio_co_queue_wake_all(&l->queue);
    for (int i = 0; i < 4; i++)
        vio_co_reschedule();
    l->done = true;
}

/* As many coroutines as @usual, but few where each costs some 10 ms.  More than
 * are kept for the next ones these are, too. */
static unsigned
so_many(unsigned usual)
{
    return io_test_under_tsan() ? 300 : usual;
}

static void
test_many_coroutines(IoFixture *f, gconstpointer engine)
{
    Loop l = {.loop = f->loop,
              .want = so_many(io_test_is_slow() ? 1000 : 10000)};
    VioLoopStats stats;

    for (int i = 0; i < 2; i++) /* the second time from the pool */
        io_test_run(f, many_main, &l);
    vio_loop_get_stats(f->loop, &stats);
    g_assert_cmpuint(l.count, ==, 2 * l.want);
    g_assert_cmpuint(stats.coroutines_started, ==, 2 * l.want + 2);
    g_assert_cmpuint(stats.coroutines_peak, ==, l.want + 1);
    g_assert_cmpuint(stats.coroutines_alive, ==, 0);
}

static void
trim_main(void *opaque)
{
    Loop *l = opaque;

    many_main(l);
    /* Long enough for idle stacks to be given back. */
    g_assert_cmpint(vio_co_sleep(l->loop, UINT64_C(1200000000), NULL), ==, 0);
    many_main(l);
}

static void
test_pool_is_trimmed(IoFixture *f, gconstpointer engine)
{
    Loop l = {.loop = f->loop, .want = so_many(700)};

    io_test_run(f, trim_main, &l);
    g_assert_cmpuint(l.count, ==, 2 * l.want);
}

/* -- deferred, posted, offloaded ------------------------------------------ */

static void
deferred_call(void *opaque)
{
    Loop *l = opaque;

    g_assert_null(vio_co_self());
    g_string_append_c(l->log, 'd');
    l->done = true;
}

static void
defer_main(void *opaque)
{
    Loop *l = opaque;

    vio_loop_defer(l->loop, deferred_call, l);
    g_string_append_c(l->log, 'c');
}

static void
test_defer_runs_later(IoFixture *f, gconstpointer engine)
{
    Loop l = {.loop = f->loop, .log = g_string_new(NULL)};

    vio_co_start(f->loop, defer_main, &l);
    turn_until_done(&l);
    g_assert_cmpstr(l.log->str, ==, "cd");
    g_string_free(l.log, TRUE);
}

static void
posted_main(void *opaque)
{
    Loop *l = opaque;

    if (++l->count == l->want)
        l->done = true;
}

static void *
post_thread(void *opaque)
{
    Loop *l = opaque;

    for (unsigned i = 0; i < l->want / 4; i++)
        vio_loop_post_co(l->loop, posted_main, l);
    return NULL;
}

static void
test_post_from_threads(IoFixture *f, gconstpointer engine)
{
    Loop l = {.loop = f->loop, .want = so_many(4 * 500)};
    pthread_t threads[4];

    for (int i = 0; i < 4; i++)
        g_assert_cmpint(pthread_create(&threads[i], NULL, post_thread, &l), ==,
                        0);
    turn_until_done(&l);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    g_assert_cmpuint(l.count, ==, l.want);
}

typedef struct Work {
    Loop *l;
    pthread_t thread;
} Work;

static void
work_call(void *opaque)
{
    Work *work = opaque;

    work->thread = pthread_self();
    g_assert_null(vio_co_self());
}

static bool
work_member(void *arg, GError **error)
{
    Work *work = arg;

    work->thread = pthread_self();
    vio_co_offload(work->l->loop, work_call, work);
    g_assert_false(pthread_equal(work->thread, pthread_self()));
    work->l->count++;
    return true;
}

static void
offload_main(void *opaque)
{
    g_autoptr(VioCoGroup) group = vio_co_group_new(16);

    for (int i = 0; i < 200; i++) {
        Work *work = g_new(Work, 1);

        work->l = opaque;
        vio_co_group_spawn(group, work_member, work, g_free);
    }
    g_assert_true(vio_co_group_join(group, NULL));
}

static void
test_offload(IoFixture *f, gconstpointer engine)
{
    Loop l = {.loop = f->loop};

    g_assert_cmpuint(vio_loop_workers(f->loop), >=, 1);
    io_test_run(f, offload_main, &l);
    g_assert_cmpuint(l.count, ==, 200);
}

/* -- runners -------------------------------------------------------------- */

static void
sync_main(void *opaque)
{
    Loop *l = opaque;
    uint8_t buf[1000];

    for (int i = 0; i < 3; i++) {
        g_assert_cmpint(io_test_co_read(l->file, 100, buf, sizeof(buf)), ==,
                        sizeof(buf));
        io_test_assert_pattern(buf, 100, sizeof(buf));
        g_assert_cmpint(io_test_co_write(l->file, 100, buf, sizeof(buf), 0), ==,
                        sizeof(buf));
        (void) vio_co_sleep(l->loop, 1000, NULL);
    }
    l->count++; /* one loop, one runner: no lock */
}

static void *
sync_thread(void *opaque)
{
    Loop *l = opaque;

    for (int i = 0; i < 100; i++)
        vio_loop_run_sync(l->loop, sync_main, l);
    return NULL;
}

static void
run_threads(Loop *l, unsigned n)
{
    g_autofree pthread_t *threads = g_new(pthread_t, n);

    for (unsigned i = 0; i < n; i++)
        g_assert_cmpint(pthread_create(&threads[i], NULL, sync_thread, l), ==,
                        0);
    for (unsigned i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
}

static void
test_run_sync_from_threads(IoFixture *f, gconstpointer engine)
{
    Loop l = {.loop = f->loop, .file = io_test_file(f, "a", 5000)};

    run_threads(&l, 8);
    g_assert_cmpuint(l.count, ==, 800);
    vio_file_free(l.file);
}

static void *
runner_thread(void *opaque)
{
    turn_until_done(opaque);
    return NULL;
}

static void
stop_main(void *opaque)
{
    Loop *l = opaque;

    l->done = true;
}

/* A thread that always turns the loop, and callers beside it. */
static void
test_run_sync_beside_a_runner(IoFixture *f, gconstpointer engine)
{
    Loop l = {.loop = f->loop, .file = io_test_file(f, "a", 5000)};
    pthread_t runner;

    g_assert_cmpint(pthread_create(&runner, NULL, runner_thread, &l), ==, 0);
    run_threads(&l, 3);
    vio_loop_post_co(f->loop, stop_main, &l);
    pthread_join(runner, NULL);
    g_assert_cmpuint(l.count, ==, 300);
    vio_file_free(l.file);
}

static void *
owner_thread(void *opaque)
{
    Loop *l = opaque;

    vio_loop_run_sync(l->loop, sync_main, l);
    vio_co_start(l->loop, sync_main, l);
    while (l->count < 2)
        (void) vio_loop_iterate(l->loop, -1);
    return NULL;
}

static void
run_elsewhere(IoFixture *f, gconstpointer engine, bool fixed)
{
    VioLoopParams params = {
        .engine = *(const VioEngineKind *) engine,
        .fixed_runner = fixed,
    };
    Loop l = {.count = 0};
    pthread_t owner;

    vio_loop_free(f->loop);
    g_assert_cmpint(vio_loop_new(&params, &f->loop), ==, 0);
    l.loop = f->loop;
    l.file = io_test_file(f, "a", 5000);
    g_assert_cmpint(pthread_create(&owner, NULL, owner_thread, &l), ==, 0);
    pthread_join(owner, NULL);
    g_assert_cmpuint(l.count, ==, 2);
    vio_file_free(l.file);
}

static void
test_made_here_run_there(IoFixture *f, gconstpointer engine)
{
    run_elsewhere(f, engine, false);
}

static void
test_made_here_fixed_there(IoFixture *f, gconstpointer engine)
{
    run_elsewhere(f, engine, true);
}

/* Threads that come, submit and exit while others still use the loop. */
static void *
brief_thread(void *opaque)
{
    Loop *l = opaque;

    vio_loop_run_sync(l->loop, sync_main, l);
    return NULL;
}

static void
test_runners_that_exit(IoFixture *f, gconstpointer engine)
{
    Loop l = {.loop = f->loop, .file = io_test_file(f, "a", 5000)};

    for (int round = 0; round < 30; round++) {
        pthread_t threads[4];

        for (int i = 0; i < 4; i++)
            g_assert_cmpint(pthread_create(&threads[i], NULL, brief_thread, &l),
                            ==, 0);
        for (int i = 0; i < 4; i++)
            pthread_join(threads[i], NULL);
    }
    g_assert_cmpuint(l.count, ==, 120);
    vio_file_free(l.file);
}

static void
test_fork_between(IoFixture *f, gconstpointer engine)
{
    Loop l = {.loop = f->loop, .file = io_test_file(f, "a", 5000)};
    pid_t child;
    int status;

    if (io_test_under_valgrind()) {
        vio_file_free(l.file);
        g_test_skip("valgrind does not know that rings vanish in children");
        return;
    }
    io_test_run(f, sync_main, &l);
    child = fork();
    g_assert_cmpint(child, >=, 0);
    if (child == 0) {
        VioLoopParams params = {.engine = *(const VioEngineKind *) engine};
        VioLoop *own;
        Loop mine = {.file = NULL};

        if (vio_loop_new(&params, &own) != 0)
            _exit(1);
        vio_loop_run_sync(own, count_main, &mine);
        vio_loop_free(own);
        _exit(mine.count == 1 ? 0 : 2);
    }
    io_test_run(f, sync_main, &l);
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    g_assert_cmpint(status, ==, 0);
    io_test_run(f, sync_main, &l);
    g_assert_cmpuint(l.count, ==, 3);
    vio_file_free(l.file);
}

/* -- embedding ------------------------------------------------------------ */

/* A bit of everything that must make the descriptor or the time-out move. */
static void
embed_main(void *opaque)
{
    Loop *l = opaque;
    Work work = {.l = l};

    sync_main(l);
    vio_co_offload(l->loop, work_call, &work);
    g_assert_cmpint(vio_co_sleep(l->loop, 2000000, NULL), ==, 0);
    g_assert_cmpint(vio_co_fsync(l->file, false), ==, 0);
    sync_main(l);
    if (--l->want == 0)
        loop_set_done(l);
}

static void
embed_by_epoll(Loop *l)
{
    int fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};

    g_assert_cmpint(epoll_ctl(fd, EPOLL_CTL_ADD, vio_loop_fd(l->loop), &event),
                    ==, 0);
    while (!loop_is_done(l)) {
        (void) epoll_wait(fd, &event, 1, vio_loop_timeout_ms(l->loop));
        (void) vio_loop_dispatch(l->loop);
    }
    (void) close(fd);
}

static void
embed_run(IoFixture *f, gconstpointer engine, bool fixed)
{
    VioLoopParams params = {
        .engine = *(const VioEngineKind *) engine,
        .fixed_runner = fixed,
    };
    Loop l = {.want = 11};

    vio_loop_free(f->loop);
    g_assert_cmpint(vio_loop_new(&params, &f->loop), ==, 0);
    l.loop = f->loop;
    l.file = io_test_file(f, "a", 5000);
    g_assert_cmpint(vio_loop_timeout_ms(f->loop), <=, 0);
    for (int i = 0; i < 10; i++)
        vio_co_start(f->loop, embed_main, &l);
    vio_loop_post_co(f->loop, embed_main, &l);
    g_assert_cmpint(vio_loop_timeout_ms(f->loop), ==, 0);
    embed_by_epoll(&l);
    io_test_comes_to_rest(l.loop, vio_loop_fd(l.loop));
    g_assert_cmpuint(l.count, ==, 22);
    vio_file_free(l.file);
}

static void
test_embed_epoll(IoFixture *f, gconstpointer engine)
{
    embed_run(f, engine, false);
}

static void
test_embed_epoll_fixed(IoFixture *f, gconstpointer engine)
{
    embed_run(f, engine, true);
}

static void *
late_post_thread(void *opaque)
{
    Loop *l = opaque;

    for (int i = 0; i < 50; i++) {
        g_usleep(500);
        vio_loop_post_co(l->loop, posted_main, l);
    }
    return NULL;
}

/* The descriptor is all that wakes the foreign loop here. */
static void
test_embed_wakes_for_posts(IoFixture *f, gconstpointer engine)
{
    Loop l = {.loop = f->loop, .want = 50};
    pthread_t thread;

    g_assert_cmpint(pthread_create(&thread, NULL, late_post_thread, &l), ==, 0);
    embed_by_epoll(&l);
    pthread_join(thread, NULL);
    io_test_comes_to_rest(l.loop, vio_loop_fd(l.loop));
    g_assert_cmpuint(l.count, ==, 50);
}

static gboolean
source_tick(gpointer data)
{
    Loop *l = data;

    l->count++;
    return G_SOURCE_CONTINUE;
}

static void
test_embed_gsource(IoFixture *f, gconstpointer engine)
{
    Loop l = {.loop = f->loop, .file = io_test_file(f, "a", 5000), .want = 4};
    Loop ticks = {.count = 0};
    GMainContext *context = g_main_context_new();
    GSource *source = vio_loop_source_new(f->loop);
    GSource *tick = g_timeout_source_new(1);

    g_source_set_callback(tick, source_tick, &ticks, NULL);
    g_source_attach(tick, context);
    g_source_attach(source, context);
    for (int i = 0; i < 3; i++)
        vio_co_start(f->loop, embed_main, &l);
    vio_loop_post_co(f->loop, embed_main, &l);
    while (!l.done || ticks.count == 0)
        (void) g_main_context_iteration(context, TRUE);
    g_source_destroy(source);
    g_source_destroy(tick);
    g_source_unref(source);
    g_source_unref(tick);
    g_main_context_unref(context);
    g_assert_cmpuint(l.count, ==, 8);
    vio_file_free(l.file);
}

/* A foreign loop owns the descriptor while another thread calls in. */
static void
test_run_sync_beside_embedding(IoFixture *f, gconstpointer engine)
{
    Loop l = {.loop = f->loop, .file = io_test_file(f, "a", 5000)};
    Loop embedded = {.loop = f->loop, .file = l.file, .want = 20};
    pthread_t thread;

    for (int i = 0; i < 20; i++)
        vio_loop_post_co(f->loop, embed_main, &embedded);
    g_assert_cmpint(pthread_create(&thread, NULL, sync_thread, &l), ==, 0);
    embed_by_epoll(&embedded);
    pthread_join(thread, NULL);
    io_test_comes_to_rest(embedded.loop, vio_loop_fd(embedded.loop));
    g_assert_cmpuint(l.count, ==, 100);
    vio_file_free(l.file);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    io_test_add("co/self", test_self);
    io_test_add("co/many", test_many_coroutines);
    io_test_add("co/pool-is-trimmed", test_pool_is_trimmed);
    io_test_add("defer/runs-later", test_defer_runs_later);
    io_test_add("post/from-threads", test_post_from_threads);
    io_test_add("offload", test_offload);
    io_test_add("run-sync/from-threads", test_run_sync_from_threads);
    io_test_add("run-sync/beside-a-runner", test_run_sync_beside_a_runner);
    io_test_add("run-sync/beside-embedding", test_run_sync_beside_embedding);
    io_test_add("runner/made-here-run-there", test_made_here_run_there);
    io_test_add("runner/made-here-fixed-there", test_made_here_fixed_there);
    io_test_add("runner/exits", test_runners_that_exit);
    io_test_add("fork/between", test_fork_between);
    io_test_add("embed/epoll", test_embed_epoll);
    io_test_add("embed/epoll-fixed", test_embed_epoll_fixed);
    io_test_add("embed/wakes-for-posts", test_embed_wakes_for_posts);
    io_test_add("embed/gsource", test_embed_gsource);
    return g_test_run();
}
