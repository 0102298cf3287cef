/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-io-sync.c - queue, mutex, range lock, group, turnstile. */
#include "tests/unit/io-test.h"

#include <errno.h>

#include "io/sync.h"

/* What happened in which order, as letters. */
typedef struct Sync {
    VioLoop *loop;
    GString *log;
    VioCoQueue queue;
    VioCoMutex mutex;
    VioRangeLock *lock;
    VioTurnstile turnstile;
    unsigned running, peak, freed, runs;
} Sync;

typedef struct Step {
    Sync *s;
    char name;
    uint64_t off, len; /* range, or ticket */
    bool exclusive;
    unsigned turns; /* how long to hold on */
} Step;

static void
pause_turns(unsigned n)
{
    while (n-- > 0)
        vio_co_reschedule();
}

static void
sync_run(IoFixture *f, Sync *s, VioCoFunc fn)
{
    s->loop = f->loop;
    s->log = g_string_new(NULL);
    io_test_run(f, fn, s);
    while (vio_loop_iterate(f->loop, 0))
        ; /* what the main coroutine left running */
}

static void
sync_check(Sync *s, const char *log)
{
    g_assert_cmpstr(s->log->str, ==, log);
    g_string_free(s->log, TRUE);
}

/* -- queue and mutex ------------------------------------------------------ */

static void
queue_waiter(void *opaque)
{
    Step *step = opaque;

    vio_co_queue_wait(&step->s->queue);
    g_string_append_c(step->s->log, step->name);
}

static void
queue_main(void *opaque)
{
    Sync *s = opaque;
    static Step steps[3];

    for (int i = 0; i < 3; i++) {
        steps[i] = (Step){.s = s, .name = (char) ('a' + i)};
        vio_co_start(s->loop, queue_waiter, &steps[i]);
    }
    pause_turns(1);
    g_assert_true(vio_co_queue_wake_one(&s->queue));
    pause_turns(1);
    g_string_append_c(s->log, '|');
    vio_co_queue_wake_all(&s->queue);
    g_assert_true(vio_co_queue_is_empty(&s->queue));
    g_assert_false(vio_co_queue_wake_one(&s->queue));
    pause_turns(1);
}

static void
test_queue_is_fifo(IoFixture *f, gconstpointer engine)
{
    Sync s = {.running = 0};

    sync_run(f, &s, queue_main);
    sync_check(&s, "a|bc");
}

static void
mutex_user(void *opaque)
{
    Step *step = opaque;

    vio_co_mutex_lock(&step->s->mutex);
    g_string_append_c(step->s->log, step->name);
    pause_turns(step->turns);
    g_string_append_c(step->s->log, step->name);
    vio_co_mutex_unlock(&step->s->mutex);
    /* Must not get it again before those who wait. */
    vio_co_mutex_lock(&step->s->mutex);
    g_string_append_c(step->s->log, (char) g_ascii_toupper(step->name));
    vio_co_mutex_unlock(&step->s->mutex);
}

static void
mutex_main(void *opaque)
{
    Sync *s = opaque;
    static Step steps[3];

    for (int i = 0; i < 3; i++) {
        steps[i] = (Step){.s = s, .name = (char) ('a' + i), .turns = 2};
        vio_co_start(s->loop, mutex_user, &steps[i]);
    }
}

static void
test_mutex_excludes_in_order(IoFixture *f, gconstpointer engine)
{
    Sync s = {.running = 0};

    sync_run(f, &s, mutex_main);
    sync_check(&s, "aabbccABC");
    g_assert_null(s.mutex.owner);
}

/* -- range lock ----------------------------------------------------------- */

static void
range_user(void *opaque)
{
    Step *step = opaque;
    VioRange *range =
        vio_range_co_lock(step->s->lock, step->off, step->len, step->exclusive);

    g_string_append_c(step->s->log, step->name);
    pause_turns(step->turns);
    g_string_append_c(step->s->log, (char) g_ascii_toupper(step->name));
    vio_range_unlock(step->s->lock, range);
}

static void
range_start(Sync *s, Step *step)
{
    step->s = s;
    vio_co_start(s->loop, range_user, step);
}

static void
range_shared_main(void *opaque)
{
    static Step a = {.name = 'a', .off = 0, .len = 10, .turns = 2};
    static Step b = {.name = 'b', .off = 5, .len = 10, .turns = 2};

    range_start(opaque, &a);
    range_start(opaque, &b);
}

static void
range_run(IoFixture *f, VioCoFunc fn, const char *log)
{
    Sync s = {.lock = vio_range_lock_new()};

    sync_run(f, &s, fn);
    sync_check(&s, log);
    g_assert_false(vio_range_lock_contended(s.lock));
    vio_range_lock_free(s.lock);
}

static void
test_range_readers_share(IoFixture *f, gconstpointer engine)
{
    range_run(f, range_shared_main, "abAB");
}

static void
range_conflict_main(void *opaque)
{
    static Step a = {
        .name = 'a', .off = 0, .len = 10, .exclusive = true, .turns = 3};
    static Step b = {.name = 'b', .off = 9, .len = 1, .turns = 1};
    static Step c = {.name = 'c', .off = 10, .len = 5, .exclusive = true};

    range_start(opaque, &a);
    range_start(opaque, &b);
    range_start(opaque, &c);
    pause_turns(1);
    g_assert_true(vio_range_lock_contended(((Sync *) opaque)->lock));
}

static void
test_range_conflicts_wait(IoFixture *f, gconstpointer engine)
{
    range_run(f, range_conflict_main, "acCAbB");
}

static void
range_fair_main(void *opaque)
{
    static Step a = {.name = 'a', .off = 0, .len = 8, .turns = 3};
    static Step w = {.name = 'w', .off = 4, .len = 8, .exclusive = true};
    static Step r = {
        .name = 'r', .off = 8, .len = 8}; /* only w is in its way */
    static Step o = {.name = 'o', .off = 0, .len = 4}; /* nobody is */

    range_start(opaque, &a);
    range_start(opaque, &w);
    range_start(opaque, &r);
    range_start(opaque, &o);
}

static void
test_range_is_fair(IoFixture *f, gconstpointer engine)
{
    range_run(f, range_fair_main, "aoOAwWrR");
}

#define RANGE_BYTES 64
#define RANGE_USERS 200

typedef struct RangeOracle {
    Sync *s;
    int readers[RANGE_BYTES], writers[RANGE_BYTES];
} RangeOracle;

static RangeOracle oracle;

static void
range_oracle_user(void *opaque)
{
    Step *step = opaque;
    VioRange *range =
        vio_range_co_lock(step->s->lock, step->off, step->len, step->exclusive);
    int *mine = step->exclusive ? oracle.writers : oracle.readers;

    for (uint64_t i = step->off; i < step->off + step->len; i++) {
        g_assert_cmpint(oracle.writers[i], ==, 0);
        g_assert_true(!step->exclusive || oracle.readers[i] == 0);
        mine[i]++;
    }
    pause_turns(step->turns);
    for (uint64_t i = step->off; i < step->off + step->len; i++)
        mine[i]--;
    vio_range_unlock(step->s->lock, range);
    step->s->runs++;
}

static void
range_random_main(void *opaque)
{
    static Step steps[RANGE_USERS];

    for (int i = 0; i < RANGE_USERS; i++) {
        uint64_t off = (uint64_t) g_test_rand_int_range(0, RANGE_BYTES);

        steps[i] = (Step){
            .s = opaque,
            .off = off,
            .len = (uint64_t) g_test_rand_int_range(1, RANGE_BYTES + 1 -
                                                           (gint32) off),
            .exclusive = g_test_rand_bit(),
            .turns = (unsigned) g_test_rand_int_range(0, 5),
        };
        vio_co_start(steps[i].s->loop, range_oracle_user, &steps[i]);
        pause_turns(i % 3 == 0);
    }
}

static void
test_range_random(IoFixture *f, gconstpointer engine)
{
    Sync s = {.lock = vio_range_lock_new()};

    sync_run(f, &s, range_random_main);
    g_assert_cmpuint(s.runs, ==, RANGE_USERS);
    sync_check(&s, "");
    vio_range_lock_free(s.lock);
}

/* -- group ---------------------------------------------------------------- */

static bool
member_main(void *arg, GError **error)
{
    Step *step = arg;
    Sync *s = step->s;

    s->runs++;
    s->running++;
    s->peak = MAX(s->peak, s->running);
    pause_turns(step->turns);
    s->running--;
    if (!step->exclusive)
        return true;
    g_set_error(error, G_FILE_ERROR, (int) step->off, "member %c", step->name);
    return false;
}

static void
group_freed(gpointer arg)
{
    Step *step = arg;

    step->s->freed++;
    g_free(step);
}

static void
group_spawn(VioCoGroup *group, Sync *s, Step step)
{
    Step *copy = g_new(Step, 1);

    *copy = step;
    copy->s = s;
    vio_co_group_spawn(group, member_main, copy, group_freed);
}

static void
group_limit_main(void *opaque)
{
    g_autoptr(VioCoGroup) group = vio_co_group_new(4);
    g_autoptr(GError) error = NULL;

    for (unsigned i = 0; i < 50; i++)
        group_spawn(group, opaque, (Step){.turns = i % 7});
    g_assert_true(vio_co_group_join(group, &error));
    g_assert_no_error(error);
    g_assert_false(vio_co_group_failed(group));
}

static void
test_group_limits_members(IoFixture *f, gconstpointer engine)
{
    Sync s = {.running = 0};

    sync_run(f, &s, group_limit_main);
    g_assert_cmpuint(s.runs, ==, 50);
    g_assert_cmpuint(s.freed, ==, 50);
    g_assert_cmpuint(s.peak, ==, 4);
    sync_check(&s, "");
}

static void
group_failure_main(void *opaque)
{
    g_autoptr(VioCoGroup) group = vio_co_group_new(3);
    g_autoptr(GError) error = NULL;

    group_spawn(group, opaque, (Step){.name = 'a', .turns = 9});
    group_spawn(group, opaque,
                (Step){.name = 'b', .turns = 2, .exclusive = true, .off = 2});
    group_spawn(group, opaque,
                (Step){.name = 'c', .turns = 1, .exclusive = true, .off = 3});
    for (int i = 0; i < 5; i++)
        group_spawn(group, opaque, (Step){.name = 'd'});
    g_assert_true(vio_co_group_failed(group));
    g_assert_false(vio_co_group_join(group, &error));
    g_assert_error(error, G_FILE_ERROR, 3); /* c fails before b */
}

static void
test_group_first_failure_wins(IoFixture *f, gconstpointer engine)
{
    Sync s = {.running = 0};

    sync_run(f, &s, group_failure_main);
    g_assert_cmpuint(s.runs, ==, 3); /* those after the failure did not run */
    g_assert_cmpuint(s.freed, ==, 8);
    sync_check(&s, "");
}

static void
group_no_error_main(void *opaque)
{
    g_autoptr(VioCoGroup) group = vio_co_group_new(1);

    g_assert_true(vio_co_group_join(group, NULL));
    group_spawn(group, opaque, (Step){.exclusive = true, .off = 1});
    g_assert_false(vio_co_group_join(group, NULL));
}

static void
test_group_join_without_error(IoFixture *f, gconstpointer engine)
{
    Sync s = {.running = 0};

    sync_run(f, &s, group_no_error_main);
    g_assert_cmpuint(s.freed, ==, 1);
    sync_check(&s, "");
}

/* -- turnstile ------------------------------------------------------------ */

static void
turnstile_user(void *opaque)
{
    Step *step = opaque;

    vio_turnstile_co_enter(&step->s->turnstile, step->off);
    g_string_append_c(step->s->log, step->name);
    pause_turns(step->turns);
    vio_turnstile_release(&step->s->turnstile, step->off);
}

static void
turnstile_main(void *opaque)
{
    static const char order[] = "dbeafc";
    static Step steps[6];

    for (int i = 0; i < 6; i++) {
        steps[i] = (Step){
            .s = opaque,
            .name = order[i],
            .off = (uint64_t) (order[i] - 'a'),
            .turns = (unsigned) i % 3,
        };
        vio_co_start(steps[i].s->loop, turnstile_user, &steps[i]);
    }
}

static void
test_turnstile_orders(IoFixture *f, gconstpointer engine)
{
    Sync s = {.running = 0};

    sync_run(f, &s, turnstile_main);
    vio_turnstile_clear(&s.turnstile);
    sync_check(&s, "abcdef");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    io_test_add("queue/is-fifo", test_queue_is_fifo);
    io_test_add("mutex/excludes-in-order", test_mutex_excludes_in_order);
    io_test_add("range/readers-share", test_range_readers_share);
    io_test_add("range/conflicts-wait", test_range_conflicts_wait);
    io_test_add("range/is-fair", test_range_is_fair);
    io_test_add("range/random", test_range_random);
    io_test_add("group/limits-members", test_group_limits_members);
    io_test_add("group/first-failure-wins", test_group_first_failure_wins);
    io_test_add("group/join-without-error", test_group_join_without_error);
    io_test_add("turnstile/orders", test_turnstile_orders);
    return g_test_run();
}
