/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-api-async.c - asynchronous requests and foreign loops. */
#include "tests/unit/api-test.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

typedef struct {
    unsigned called;
    bool submitting; /* set around submits: no callback may come then */
    int code;        /* of the last error; -1 = none */
} Seen;

static void
note_call(void *opaque, const GError *error)
{
    Seen *seen = opaque;

    g_assert_false(seen->submitting);
    seen->called++;
    seen->code = error != NULL ? error->code : -1;
}

static void
run_until(VdContext *ctx, const unsigned *count, unsigned goal)
{
    while (*count < goal)
        (void) vd_context_iterate(ctx, -1);
}

static void
test_callback_comes_after_submit_in_dispatch(ApiTest *t, gconstpointer unused)
{
    VdDisk *disk = api_test_memory(t, MIB);
    uint8_t buf[4096] = {7};
    struct iovec iov = {buf, sizeof(buf)};
    Seen seen = {.submitting = true};

    vd_disk_pwritev_async(disk, &iov, 1, 0, 0, note_call, &seen);
    vd_disk_flush_async(disk, note_call, &seen);
    g_assert_cmpuint(seen.called, ==, 0);
    seen.submitting = false;
    run_until(t->ctx, &seen.called, 2);
    g_assert_cmpint(seen.code, ==, -1);
    api_test_close(disk);
}

typedef struct {
    VdDisk *disk;
    uint8_t buf[4096];
    struct iovec iov;
    Seen seen;
} Posted;

static void
submit_posted(void *opaque)
{
    Posted *posted = opaque;

    posted->iov = (struct iovec){posted->buf, sizeof(posted->buf)};
    vd_disk_preadv_async(posted->disk, &posted->iov, 1, 0, note_call,
                         &posted->seen);
}

static void *
post_main(void *opaque)
{
    Posted *posted = opaque;

    g_usleep(1000); /* so that the runner may already sleep */
    vd_context_post(vd_disk_context(posted->disk), submit_posted, posted);
    return NULL;
}

static void
test_other_threads_post_what_submits(ApiTest *t, gconstpointer unused)
{
    Posted posted = {.disk = api_test_memory(t, MIB)};

    for (unsigned i = 0; i < 20; i++) {
        GThread *thread = g_thread_new("post", post_main, &posted);

        run_until(t->ctx, &posted.seen.called, i + 1);
        g_thread_join(thread);
    }
    g_assert_cmpint(posted.seen.code, ==, -1);
    api_test_close(posted.disk);
}

static void
test_error_reaches_callback(ApiTest *t, gconstpointer unused)
{
    VdDisk *disk = api_test_memory(t, MIB);
    uint8_t buf[4096];
    struct iovec iov = {buf, sizeof(buf)};
    Seen seen = {0};

    vd_disk_preadv_async(disk, &iov, 1, MIB, note_call, &seen);
    run_until(t->ctx, &seen.called, 1);
    g_assert_cmpint(seen.code, ==, VD_ERROR_OUT_OF_RANGE);
    api_test_close(disk);
}

static void
test_all_kinds_of_requests(ApiTest *t, gconstpointer unused)
{
    VdDisk *disk = api_test_memory(t, MIB);
    uint8_t out[4096], in[4096], zeroes[4096] = {0};
    struct iovec wv = {out, sizeof(out)}, rv = {in, sizeof(in)};
    Seen seen = {0};

    api_test_fill(out, sizeof(out), 0, 5);
    vd_disk_pwritev_async(disk, &wv, 1, 8192, VD_REQ_FUA, note_call, &seen);
    run_until(t->ctx, &seen.called, 1);
    vd_disk_preadv_async(disk, &rv, 1, 8192, note_call, &seen);
    run_until(t->ctx, &seen.called, 2);
    g_assert_cmpmem(in, sizeof(in), out, sizeof(out));
    vd_disk_write_zeroes_async(disk, 8192, 4096, 0, note_call, &seen);
    run_until(t->ctx, &seen.called, 3);
    vd_disk_preadv_async(disk, &rv, 1, 8192, note_call, &seen);
    run_until(t->ctx, &seen.called, 4);
    g_assert_cmpmem(in, sizeof(in), zeroes, sizeof(zeroes));
    vd_disk_discard_async(disk, 0, MIB, note_call, &seen);
    run_until(t->ctx, &seen.called, 5);
    g_assert_cmpint(seen.code, ==, -1);
    api_test_close(disk);
}

/* -- callbacks that go on ---------------------------------------------------
 */

typedef struct {
    VdDisk *disk;
    struct iovec iov;
    uint8_t buf[512];
    unsigned left, done, nested;
} Chain;

static void
chain_next(void *opaque, const GError *error)
{
    Chain *chain = opaque;

    g_assert_no_error(error);
    g_assert_cmpuint(chain->nested++, ==, 0);
    chain->done++;
    if (chain->left-- > 0)
        vd_disk_preadv_async(chain->disk, &chain->iov, 1,
                             chain->left % 100 * 512, chain_next, chain);
    chain->nested--;
}

static void
test_callback_may_submit_again(ApiTest *t, gconstpointer unused)
{
    Chain chain = {.disk = api_test_memory(t, MIB), .left = 10000};

    chain.iov = (struct iovec){chain.buf, sizeof(chain.buf)};
    vd_disk_preadv_async(chain.disk, &chain.iov, 1, 0, chain_next, &chain);
    run_until(t->ctx, &chain.done, 10001);
    api_test_close(chain.disk);
}

static void
try_sync(void *opaque, const GError *error)
{
    Chain *chain = opaque;
    g_autoptr(GError) own = NULL;

    g_assert_no_error(error);
    g_assert_false(vd_disk_flush(chain->disk, &own));
    g_assert_error(own, VD_ERROR, VD_ERROR_INVALID_ARGUMENT);
    chain->done++;
}

static void
test_synchronous_call_in_callback_is_refused(ApiTest *t, gconstpointer unused)
{
    Chain chain = {.disk = api_test_memory(t, MIB)};

    vd_disk_flush_async(chain.disk, try_sync, &chain);
    run_until(t->ctx, &chain.done, 1);
    api_test_close(chain.disk);
}

/* -- closing ------------------------------------------------------------------
 */

/* A disk whose reads take a while. */
static VdDisk *
slow_disk(const ApiTest *t)
{
    return api_test_open_opts(t, VD_OPEN_RDWR,
                              "driver=raw,file.driver=fault,"
                              "file.delay-ns=20000000,file.delay-op=read,"
                              "file.file.driver=memory,file.file.size=1M");
}

static void
submit_reads(VdDisk *disk, struct iovec *iov, unsigned n, Seen *seen)
{
    for (unsigned i = 0; i < n; i++)
        vd_disk_preadv_async(disk, iov, 1, i * 512, note_call, seen);
}

static void
test_close_waits_for_requests_in_flight(ApiTest *t, gconstpointer unused)
{
    VdDisk *disk = slow_disk(t);
    uint8_t buf[512];
    struct iovec iov = {buf, sizeof(buf)};
    Seen seen = {0};

    submit_reads(disk, &iov, 16, &seen);
    api_test_close(disk);
    g_assert_cmpuint(seen.called, ==, 16);
    g_assert_cmpint(seen.code, ==, -1);
}

typedef struct {
    const Seen *reads;
    unsigned expected, closed;
} CloseSeen;

static void
note_close(void *opaque, const GError *error)
{
    CloseSeen *seen = opaque;

    g_assert_no_error(error);
    g_assert_cmpuint(seen->reads->called, ==, seen->expected);
    seen->closed++;
}

static void
test_async_close_answers_last(ApiTest *t, gconstpointer unused)
{
    VdDisk *disk = slow_disk(t);
    uint8_t buf[512];
    struct iovec iov = {buf, sizeof(buf)};
    Seen seen = {0};
    CloseSeen close_seen = {&seen, 16, 0};

    submit_reads(disk, &iov, 16, &seen);
    vd_disk_close_async(disk, note_close, &close_seen);
    run_until(t->ctx, &close_seen.closed, 1);
}

static void
test_freeing_waits_for_async_closes(void)
{
    ApiTest t = {0};
    Seen seen = {0};
    CloseSeen close_seen = {&seen, 16, 0};
    uint8_t buf[512];
    struct iovec iov = {buf, sizeof(buf)};
    VdDisk *disk;

    api_test_set_up(&t, NULL);
    disk = slow_disk(&t);
    submit_reads(disk, &iov, 16, &seen);
    vd_disk_close_async(disk, note_close, &close_seen);
    api_test_tear_down(&t, NULL);
    g_assert_cmpuint(close_seen.closed, ==, 1);
}

static void
count_close(void *opaque, const GError *error)
{
    unsigned *closed = opaque;

    g_assert_no_error(error);
    (*closed)++;
}

typedef struct {
    VdDisk *disk;
    unsigned closed;
} OwnClose;

static void
close_itself(void *opaque, const GError *error)
{
    OwnClose *own = opaque;

    g_assert_no_error(error);
    vd_disk_close_async(own->disk, count_close, &own->closed);
}

static void
test_callback_may_close_its_own_disk(ApiTest *t, gconstpointer unused)
{
    OwnClose own = {.disk = api_test_memory(t, MIB)};

    vd_disk_flush_async(own.disk, close_itself, &own);
    run_until(t->ctx, &own.closed, 1);
}

/* -- foreign loops --------------------------------------------------------- */

#define DEPTH 16
#define BLOCK 4096u

/* Reads a disk at depth and sums its bytes. */
typedef struct Reader Reader;

typedef struct {
    Reader *reader;
    struct iovec iov;
    uint8_t buf[BLOCK];
} ReaderSlot;

struct Reader {
    VdDisk *disk;
    uint64_t next, size, sum;
    unsigned in_flight;
    GMainLoop *main_loop; /* quit at the end */
    ReaderSlot slots[DEPTH];
};

static void reader_done(void *opaque, const GError *error);

static void
reader_submit(ReaderSlot *slot)
{
    Reader *r = slot->reader;

    if (r->next >= r->size)
        return;
    slot->iov = (struct iovec){slot->buf, BLOCK};
    r->in_flight++;
    vd_disk_preadv_async(r->disk, &slot->iov, 1, r->next, reader_done, slot);
    r->next += BLOCK;
}

static void
reader_done(void *opaque, const GError *error)
{
    ReaderSlot *slot = opaque;
    Reader *r = slot->reader;

    g_assert_no_error(error);
    r->in_flight--;
    for (unsigned i = 0; i < BLOCK; i++)
        r->sum += slot->buf[i];
    reader_submit(slot);
    if (r->in_flight == 0 && r->main_loop != NULL)
        g_main_loop_quit(r->main_loop);
}

static void
reader_start(Reader *r, const ApiTest *t, const char *path)
{
    r->disk = api_test_open(t, path, "raw", 0);
    r->size = vd_disk_size(r->disk);
    for (unsigned i = 0; i < DEPTH; i++) {
        r->slots[i].reader = r;
        reader_submit(&r->slots[i]);
    }
}

static uint64_t
sum_of_file(const char *path)
{
    g_autofree char *text = NULL;
    gsize len;
    uint64_t sum = 0;

    g_assert_true(g_file_get_contents(path, &text, &len, NULL));
    for (gsize i = 0; i < len; i++)
        sum += (uint8_t) text[i];
    return sum;
}

static void
test_lives_inside_epoll(ApiTest *t, gconstpointer unused)
{
    const char *path = api_test_path(t, "a.raw");
    g_autofree Reader *r = g_new0(Reader, 1);
    struct epoll_event event = {.events = EPOLLIN};
    int ep = epoll_create1(EPOLL_CLOEXEC);

    api_test_make_full(path, MIB, 1);
    g_assert_cmpint(epoll_ctl(ep, EPOLL_CTL_ADD, vd_context_fd(t->ctx), &event),
                    ==, 0);
    reader_start(r, t, path);
    while (r->in_flight > 0) {
        int n = epoll_wait(ep, &event, 1, vd_context_timeout_ms(t->ctx));

        g_assert_true(n >= 0 || errno == EINTR);
        (void) vd_context_dispatch(t->ctx);
    }
    g_assert_cmpuint(r->sum, ==, sum_of_file(path));
    api_test_close(r->disk);
    (void) close(ep);
}

/* A foreign loop that has nothing to do must be able to sleep. */
static void
test_idle_descriptor_is_quiet(ApiTest *t, gconstpointer unused)
{
    struct pollfd pfd = {.fd = vd_context_fd(t->ctx), .events = POLLIN};
    VdDisk *disk = api_test_memory(t, MIB);
    Seen seen = {0};

    vd_disk_flush_async(disk, note_call, &seen);
    for (unsigned i = 0; i < 100 && seen.called == 0; i++) {
        (void) poll(&pfd, 1, vd_context_timeout_ms(t->ctx));
        (void) vd_context_dispatch(t->ctx);
    }
    g_assert_cmpuint(seen.called, ==, 1);
    while (vd_context_dispatch(t->ctx))
        ;
    g_assert_cmpint(poll(&pfd, 1, 0), ==, 0);
    g_assert_cmpint(vd_context_timeout_ms(t->ctx), !=, 0);
    api_test_close(disk);
}

static void
test_lives_inside_a_main_loop(ApiTest *t, gconstpointer unused)
{
    const char *path = api_test_path(t, "a.raw");
    g_autofree Reader *r = g_new0(Reader, 1);
    GMainContext *main_ctx = g_main_context_new();
    GSource *source = vd_context_source_new(t->ctx);

    api_test_make_full(path, MIB, 1);
    g_source_attach(source, main_ctx);
    r->main_loop = g_main_loop_new(main_ctx, FALSE);
    reader_start(r, t, path);
    g_main_loop_run(r->main_loop);
    g_assert_cmpuint(r->sum, ==, sum_of_file(path));
    api_test_close(r->disk);

    g_source_destroy(source);
    g_source_unref(source);
    g_main_loop_unref(r->main_loop);
    g_main_context_unref(main_ctx);
}

static void
test_fixed_thread_context_serves_its_thread(void)
{
    VdContextParams params = {.fixed_thread = true};
    ApiTest t;

    api_test_set_up(&t, &params);
    test_all_kinds_of_requests(&t, NULL);
    test_lives_inside_epoll(&t, NULL);
    api_test_tear_down(&t, NULL);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    api_test_add("/api/async/callback-comes-after-submit-in-dispatch",
                 test_callback_comes_after_submit_in_dispatch);
    api_test_add("/api/async/other-threads-post-what-submits",
                 test_other_threads_post_what_submits);
    api_test_add("/api/async/error-reaches-callback",
                 test_error_reaches_callback);
    api_test_add("/api/async/all-kinds-of-requests",
                 test_all_kinds_of_requests);
    api_test_add("/api/async/callback-may-submit-again",
                 test_callback_may_submit_again);
    api_test_add("/api/async/synchronous-call-in-callback-is-refused",
                 test_synchronous_call_in_callback_is_refused);
    api_test_add("/api/async/close-waits-for-requests-in-flight",
                 test_close_waits_for_requests_in_flight);
    api_test_add("/api/async/async-close-answers-last",
                 test_async_close_answers_last);
    g_test_add_func("/api/async/freeing-waits-for-async-closes",
                    test_freeing_waits_for_async_closes);
    api_test_add("/api/async/callback-may-close-its-own-disk",
                 test_callback_may_close_its_own_disk);
    api_test_add("/api/async/lives-inside-epoll", test_lives_inside_epoll);
    api_test_add("/api/async/idle-descriptor-is-quiet",
                 test_idle_descriptor_is_quiet);
    api_test_add("/api/async/lives-inside-a-main-loop",
                 test_lives_inside_a_main_loop);
    g_test_add_func("/api/async/fixed-thread-context-serves-its-thread",
                    test_fixed_thread_context_serves_its_thread);
    return g_test_run();
}
