/* SPDX-License-Identifier: BSD-3-Clause */
/* io/pool.c - worker threads of a loop.
 *
 * The queue is first in, first out; the idle threads are a stack, so that the
 * warmest one works and the coldest one ages until it leaves.  Quick jobs go to
 * a worker several at a time; if one is not quick after all, those that are
 * done are told of before the others.
 *
 * Concurrency: submission by the runner; everything under pool->lock.  A
 * finished job goes back through the loop's inbox and belongs to the loop from
 * the push on.  Plain pthreads: race detectors understand them.
 */
#include "io/pool.h"

#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <time.h>

#include "io/loop-internal.h"

#define POOL_IDLE_SECONDS 10
/* Quick jobs that a worker takes at a time. */
#define POOL_QUICK 8
/* A job that takes that long was not quick. */
#define POOL_SLOW_NS UINT64_C(1000000)
/* Workers that one submission wakes with the lock free. */
#define POOL_CALLS 8

struct VioWorker {
    VioWorker *next; /* in idle or gone */
    VioPool *pool;
    pthread_t thread;
    /* No condition: a mutex that was waited with counts as contended, so that
     * its next unlocking is a system call. */
    sem_t wake;
    bool called; /* taken off the idle stack by a submitter */
};

static void
job_take(VioLoop *loop, VioInboxItem *item)
{
    VioJob *job = (VioJob *) item; /* its first member */

    vio_co_wake(job->co);
}

/* Take one job off the queue, or several quick ones; returns the first. */
static VioJob *
pool_pop_locked(VioPool *pool)
{
    VioJob *first = pool->head, *last = first;

    if (!first)
        return NULL;
    for (int n = 1; last->quick && n < POOL_QUICK && last->next; n++) {
        if (!last->next->quick)
            break;
        last = last->next;
    }
    pool->head = last->next;
    if (!pool->head)
        pool->tail = &pool->head;
    last->next = NULL;
    return first;
}

/* The loop looks for results by itself while it is awake; if it sleeps it is
 * woken for all of them; that saves system calls.  Not if it would be late. */
static void
pool_run(VioPool *pool, VioJob *job)
{
    VioLoop *loop = pool->loop;
    uint64_t begin = job && job->next ? vio_now_ns() : 0;

    while (job) {
        VioJob *next = job->next;

        job->fn(job->opaque);
        vio_inbox_push(&loop->inbox, &job->item); /* the job is gone now */
        if (next && vio_now_ns() - begin >= POOL_SLOW_NS) {
            vio_waker_wake(loop->waker);
            begin = vio_now_ns();
        }
        job = next;
    }
    vio_waker_wake(loop->waker);
}

static void
idle_remove_locked(VioPool *pool, VioWorker *worker)
{
    VioWorker **link = &pool->idle;

    while (*link != worker)
        link = &(*link)->next;
    *link = worker->next;
}

/* One post may be left from a call that was seen before it was made: whoever
 * wakes up has to look why.  False if time is over. */
static bool
worker_sleep(VioWorker *worker, const struct timespec *until)
{
    return sem_clockwait(&worker->wake, CLOCK_MONOTONIC, until) == 0 ||
           errno != ETIMEDOUT;
}

/* Sleep until called.  False if nobody did for a long time. */
static bool
worker_idle_locked(VioPool *pool, VioWorker *worker)
{
    struct timespec until;
    bool in_time = true;

    worker->called = false;
    worker->next = pool->idle;
    pool->idle = worker;
    (void) clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += POOL_IDLE_SECONDS;
    while (!worker->called && !pool->quit && in_time) {
        pthread_mutex_unlock(&pool->lock);
        in_time = worker_sleep(worker, &until);
        pthread_mutex_lock(&pool->lock);
    }
    if (!worker->called)
        idle_remove_locked(pool, worker);
    return worker->called;
}

static void *
worker_main(void *arg)
{
    VioWorker *worker = arg;
    VioPool *pool = worker->pool;

    pthread_mutex_lock(&pool->lock);
    do {
        VioJob *job;

        while ((job = pool_pop_locked(pool)) != NULL) {
            pthread_mutex_unlock(&pool->lock);
            pool_run(pool, job);
            pthread_mutex_lock(&pool->lock);
        }
    } while (!pool->quit && worker_idle_locked(pool, worker));
    pool->threads--;
    worker->next = pool->gone;
    pool->gone = worker;
    pthread_cond_signal(&pool->left);
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* Workers take no signals: those belong to the program's own threads. */
static bool
worker_start_locked(VioPool *pool)
{
    VioWorker *worker = g_new0(VioWorker, 1);
    sigset_t all, before;
    int ret;

    worker->pool = pool;
    (void) sem_init(&worker->wake, 0, 0);
    (void) sigfillset(&all);
    (void) pthread_sigmask(SIG_SETMASK, &all, &before);
    ret = pthread_create(&worker->thread, NULL, worker_main, worker);
    (void) pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (ret != 0) {
        (void) sem_destroy(&worker->wake);
        g_free(worker);
        return false;
    }
    pool->threads++;
    return true;
}

static void
pool_reap(VioPool *pool, VioWorker *gone)
{
    while (gone) {
        VioWorker *next = gone->next;

        (void) pthread_join(gone->thread, NULL);
        (void) sem_destroy(&gone->wake);
        g_free(gone);
        gone = next;
    }
}

/* -- submitting ----------------------------------------------------------- */

/* Workers that are to be woken when the lock is free: who wakes up to a lock
 * that is held goes to sleep again. */
typedef struct {
    VioWorker *workers[POOL_CALLS];
    unsigned n;
} PoolCalls;

static void
calls_add_locked(PoolCalls *calls, VioWorker *worker)
{
    worker->called = true;
    if (calls->n < POOL_CALLS)
        calls->workers[calls->n++] = worker;
    else
        (void) sem_post(&worker->wake);
}

/* They may be at work already, or asleep again; only who calls this joins them,
 * so they are there. */
static void
calls_make(const PoolCalls *calls)
{
    for (unsigned i = 0; i < calls->n; i++)
        (void) sem_post(&calls->workers[i]->wake);
}

/* Somebody shall look at the queue.  False if there is nobody, ever. */
static bool
pool_call_locked(VioPool *pool, PoolCalls *calls)
{
    VioWorker *worker = pool->idle;

    if (worker) {
        pool->idle = worker->next;
        calls_add_locked(calls, worker);
        return true;
    }
    return (pool->threads < pool->max && worker_start_locked(pool)) ||
           pool->threads > 0;
}

/* A list of @n jobs goes to the end of the queue.  False if there is no thread
 * to ever run them, which are not queued then. */
static bool
pool_submit(VioPool *pool, VioJob *jobs, VioJob **tail, unsigned n)
{
    PoolCalls calls = {.n = 0};
    VioWorker *gone;
    bool ok;

    pthread_mutex_lock(&pool->lock);
    ok = pool_call_locked(pool, &calls);
    for (unsigned called = POOL_QUICK; ok && called < n; called += POOL_QUICK)
        (void) pool_call_locked(pool, &calls);
    if (ok) {
        *pool->tail = jobs;
        pool->tail = tail;
    }
    gone = pool->gone;
    pool->gone = NULL;
    pthread_mutex_unlock(&pool->lock);
    calls_make(&calls);
    pool_reap(pool, gone);
    return ok;
}

/* End of a turn: its quick jobs all at once. */
static void
pool_late(VioLate *late)
{
    VioPool *pool = (VioPool *) ((char *) late - offsetof(VioPool, late));
    VioJob *jobs = g_steal_pointer(&pool->fresh);

    if (!pool_submit(pool, jobs, pool->fresh_tail, pool->n_fresh))
        pool_run(pool, jobs);
    pool->fresh_tail = &pool->fresh;
    pool->n_fresh = 0;
}

void
vio_pool_co_run_quick(VioPool *pool, VioFunc fn, void *opaque)
{
    VioJob job = {
        .item.take = job_take,
        .fn = fn,
        .opaque = opaque,
        .co = vio_co_self(),
        .quick = true,
    };

    *pool->fresh_tail = &job;
    pool->fresh_tail = &job.next;
    pool->n_fresh++;
    vio_late_add(pool->loop, &pool->late);
    vio_co_yield();
}

void
vio_pool_co_run(VioPool *pool, VioFunc fn, void *opaque)
{
    VioJob job = {
        .item.take = job_take,
        .fn = fn,
        .opaque = opaque,
        .co = vio_co_self(),
    };

    if (pool_submit(pool, &job, &job.next, 1))
        vio_co_yield();
    else
        fn(opaque); /* no thread to be had: slow is better than failing */
}

/* -- life ----------------------------------------------------------------- */

void
vio_pool_open(VioPool *pool, VioLoop *loop, unsigned max)
{
    *pool = (VioPool){.loop = loop, .max = max};
    pool->tail = &pool->head;
    pool->fresh_tail = &pool->fresh;
    pool->late.fn = pool_late;
    (void) pthread_mutex_init(&pool->lock, NULL);
    (void) pthread_cond_init(&pool->left, NULL);
}

void
vio_pool_close(VioPool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->quit = true;
    for (VioWorker *w = pool->idle; w; w = w->next)
        (void) sem_post(&w->wake);
    while (pool->threads > 0)
        pthread_cond_wait(&pool->left, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
    pool_reap(pool, pool->gone);
    (void) pthread_cond_destroy(&pool->left);
    (void) pthread_mutex_destroy(&pool->lock);
}
