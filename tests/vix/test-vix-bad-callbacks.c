/* SPDX-License-Identifier: BSD-3-Clause */
/* test-vix-bad-callbacks - functions of the program that call back in: when a
 * request is done, when an operation gets on, when something is logged. */
#include <string.h>

#include "tests/vix/host.h"

#define SECTORS 8192

typedef struct {
    VixDiskLibConnection connection;
    VixDiskLibHandle disk;
    uint8 buf[SECTOR];
    HostCount done;
    unsigned left; /* requests that callbacks are still to submit */
} Fixture;

static void
set_up(Fixture *f, gconstpointer unused)
{
    host_init();
    f->connection = host_connect();
    f->disk = host_open(f->connection, host_make_disk("disk.vmdk", SECTORS), 0);
    host_write(f->disk, 0, 4, 1);
    host_count_init(&f->done);
    f->left = 100;
}

/* What a test has closed is NULL. */
static void
tear_down(Fixture *f, gconstpointer unused)
{
    if (f->disk)
        assert_ok(vix(Close)(f->disk));
    if (f->connection)
        assert_ok(vix(Disconnect)(f->connection));
    host_exit();
    host_count_clear(&f->done);
}

/* Has @callback called with the fixture. */
static void
request(Fixture *f, VixDiskLibCompletionCB callback)
{
    assert_vix(vix(ReadAsync)(f->disk, 0, 1, f->buf, callback, f), VIX_ASYNC);
}

static void
request_and_wait(Fixture *f, VixDiskLibCompletionCB callback)
{
    request(f, callback);
    host_count_await(&f->done, 1);
}

/* -- when a request is done ----------------------------------------------- */

static void
call_much(void *opaque, VixError result)
{
    Fixture *f = opaque;
    VixDiskLibBlockList *list;
    VixDiskLibInfo *info;
    uint8 buf[SECTOR];

    assert_ok(result);
    g_assert_true(host_holds(f->buf, 0, 1, 1));
    host_assert_reads(f->disk, 1, 3, 1);
    host_write(f->disk, 8, 1, 2);
    assert_ok(vix(Flush)(f->disk));
    assert_ok(vix(GetInfo)(f->disk, &info));
    g_assert_cmpuint(info->capacity, ==, SECTORS);
    vix(FreeInfo)(info);
    g_assert_cmpstr(vix(GetTransportMode)(f->disk), ==, "file");
    assert_ok(vix(QueryAllocatedBlocks)(f->disk, 0, SECTORS, 128, &list));
    assert_ok(vix(FreeBlockList)(list));
    assert_ok(vix(WriteMetadata)(f->disk, "key", "value"));
    assert_vix(vix(Read)(f->disk, SECTORS, 1, buf), 16007);
    host_assert_text(16007, "disk.vmdk");
    host_count_add(&f->done);
}

static void
test_calls(Fixture *f, gconstpointer unused)
{
    request_and_wait(f, call_much);
    host_assert_reads(f->disk, 8, 1, 2);
}

static void
submit_again(void *opaque, VixError result)
{
    Fixture *f = opaque;

    assert_ok(result);
    if (f->left-- > 1)
        request(f, submit_again);
    else
        host_count_add(&f->done);
}

static void
test_submits(Fixture *f, gconstpointer unused)
{
    request_and_wait(f, submit_again);
    assert_ok(vix(Wait)(f->disk));
}

/* It would wait for itself. */
static void
wait_in_callback(void *opaque, VixError result)
{
    Fixture *f = opaque;

    assert_vix(vix(Wait)(f->disk), VIX_E_OBJECT_IS_BUSY);
    assert_vix(
        vix(CreateChild)(f->disk, host_path("child.vmdk"), 1, NULL, NULL),
        VIX_E_OBJECT_IS_BUSY);
    host_count_add(&f->done);
}

static void
test_waits(Fixture *f, gconstpointer unused)
{
    request_and_wait(f, wait_in_callback);
}

static void
close_in_callback(void *opaque, VixError result)
{
    Fixture *f = opaque;

    assert_ok(vix(Close)(f->disk));
    assert_vix(vix(Read)(f->disk, 0, 1, f->buf), VIX_E_INVALID_HANDLE);
    assert_vix(vix(Close)(f->disk), VIX_E_INVALID_HANDLE);
    host_count_add(&f->done);
}

/* The end of the library waits until it is closed. */
static void
test_closes(Fixture *f, gconstpointer unused)
{
    request_and_wait(f, close_in_callback);
    assert_vix(vix(Read)(f->disk, 0, 1, f->buf), VIX_E_INVALID_HANDLE);
    host_exit();
    host_init();
    f->connection = host_connect();
    f->disk = host_open(f->connection, host_path("disk.vmdk"), 0);
    host_assert_reads(f->disk, 0, 4, 1);
}

static void
disconnect_in_callback(void *opaque, VixError result)
{
    Fixture *f = opaque;

    assert_ok(vix(Disconnect)(f->connection));
    assert_vix(vix(Disconnect)(f->connection), VIX_E_DISK_INVALID_CONNECTION);
    host_count_add(&f->done);
}

/* Whatever becomes of the handle, it can be given back once. */
static void
test_disconnects(Fixture *f, gconstpointer unused)
{
    request_and_wait(f, disconnect_in_callback);
    f->connection = NULL;
}

static void
forget(void *opaque, VixError result)
{
    VixDiskLibHandle *disk = opaque;

    (void) vix(Close)(*disk);
}

/* Nobody waits for that. */
static void
test_closes_and_ends(Fixture *f, gconstpointer unused)
{
    uint8 buf[SECTOR];

    assert_vix(vix(ReadAsync)(f->disk, 0, 1, buf, forget, &f->disk), VIX_ASYNC);
    host_exit();
    f->disk = NULL;
    f->connection = NULL;
    host_init();
}

/* -- while requests are in flight ----------------------------------------- */

#define DEPTH 256

static void
submit_many(Fixture *f, uint8 *buf)
{
    for (unsigned i = 0; i < DEPTH; i++)
        assert_vix(vix(WriteAsync)(f->disk, i * 16, 16, buf + i * 16 * SECTOR,
                                   host_counted, &f->done),
                   VIX_ASYNC);
}

static uint8 *
many_new(void)
{
    uint8 *buf = g_malloc(DEPTH * 16 * SECTOR);

    host_fill(buf, 0, DEPTH * 16, 5);
    return buf;
}

static void
test_closed_in_flight(Fixture *f, gconstpointer unused)
{
    g_autofree uint8 *buf = many_new();

    submit_many(f, buf);
    assert_ok(vix(Close)(f->disk));
    g_assert_cmpuint(host_count_get(&f->done), ==, DEPTH);
    f->disk = host_open(f->connection, host_path("disk.vmdk"), 0);
    host_assert_reads(f->disk, 0, DEPTH * 16, 5);
}

static void
test_disconnected_in_flight(Fixture *f, gconstpointer unused)
{
    g_autofree uint8 *buf = many_new();

    submit_many(f, buf);
    assert_ok(vix(Disconnect)(f->connection));
    g_assert_cmpuint(host_count_get(&f->done), ==, DEPTH);
    f->connection = NULL;
}

static void
test_ended_in_flight(Fixture *f, gconstpointer unused)
{
    g_autofree uint8 *buf = many_new();

    submit_many(f, buf);
    host_exit();
    g_assert_cmpuint(host_count_get(&f->done), ==, DEPTH);
    f->disk = NULL;
    f->connection = NULL;
    host_init();
}

static void *
read_until_closed(void *opaque)
{
    Fixture *f = opaque;
    VixDiskLibHandle disk = f->disk;
    uint8 buf[SECTOR];
    VixError err;

    host_count_add(&f->done);
    do
        err = vix(Read)(disk, 0, 1, buf);
    while (err == VIX_OK);
    assert_vix(err, VIX_E_INVALID_HANDLE);
    return NULL;
}

static void
test_closed_by_another(Fixture *f, gconstpointer unused)
{
    pthread_t threads[3];

    for (unsigned i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = host_thread(read_until_closed, f);
    host_count_await(&f->done, G_N_ELEMENTS(threads));
    assert_ok(vix(Close)(f->disk));
    for (unsigned i = 0; i < G_N_ELEMENTS(threads); i++)
        host_join(threads[i]);
    f->disk = NULL;
}

static void *
close_at_once(void *opaque)
{
    Fixture *f = opaque;
    VixError err = vix(Close)(f->disk);

    g_assert_true(err == VIX_OK || err == VIX_E_INVALID_HANDLE);
    if (err == VIX_OK)
        host_count_add(&f->done);
    return NULL;
}

static void
test_closed_by_all(Fixture *f, gconstpointer unused)
{
    pthread_t threads[6];

    for (unsigned i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = host_thread(close_at_once, f);
    for (unsigned i = 0; i < G_N_ELEMENTS(threads); i++)
        host_join(threads[i]);
    g_assert_cmpuint(host_count_get(&f->done), ==, 1);
    f->disk = NULL;
}

/* -- when an operation gets on -------------------------------------------- */

/* The parent is busy with getting a child. */
static Bool
call_in_progress(void *opaque, int percent)
{
    Fixture *f = opaque;

    g_assert_cmpint(percent, >=, 0);
    g_assert_cmpint(percent, <=, 100);
    assert_vix(vix(Read)(f->disk, 0, 1, f->buf), VIX_E_OBJECT_IS_BUSY);
    assert_vix(vix(ReadAsync)(f->disk, 0, 1, f->buf, host_counted, NULL),
               VIX_E_OBJECT_IS_BUSY);
    assert_vix(vix(Wait)(f->disk), VIX_E_OBJECT_IS_BUSY);
    assert_vix(vix(Close)(f->disk), VIX_E_OBJECT_IS_BUSY);
    host_assert_text(VIX_E_OBJECT_IS_BUSY, "in use");
    host_count_add(&f->done);
    return TRUE;
}

static void
test_progress(Fixture *f, gconstpointer unused)
{
    const char *path = host_path("progress.vmdk");
    VixDiskLibHandle child;

    assert_ok(vix(CreateChild)(f->disk, path, 1, call_in_progress, f));
    g_assert_cmpuint(host_count_get(&f->done), >=, 2);
    host_assert_reads(f->disk, 0, 4, 1);
    assert_ok(vix(Close)(f->disk));
    f->disk = NULL;
    child = host_open(f->connection, path, VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    host_assert_reads(child, 0, 4, 1);
    assert_ok(vix(Close)(child));
}

/* A program that gives up in the middle of something. */
static Bool
disconnect_in_progress(void *opaque, int percent)
{
    Fixture *f = opaque;

    if (f->connection)
        assert_ok(vix(Disconnect)(f->connection));
    f->connection = NULL;
    return TRUE;
}

static void
test_progress_disconnects(Fixture *f, gconstpointer unused)
{
    assert_ok(vix(CreateChild)(f->disk, host_path("given-up.vmdk"), 1,
                               disconnect_in_progress, f));
    g_assert_null(f->connection);
}

/* -- when something is logged --------------------------------------------- */

static VixDiskLibHandle logged_disk;
static __thread bool in_log;

static void
call_in_log(const char *format, va_list args)
{
    uint8 buf[SECTOR];
    VixDiskLibInfo *info;
    char *text;

    if (in_log || !logged_disk)
        return;
    in_log = true;
    text = vix(GetErrorText)(VIX_E_DISK_OUTOFRANGE, NULL);
    vix(FreeErrorText)(text);
    assert_ok(vix(Read)(logged_disk, 0, 1, buf));
    assert_vix(vix(Read)(logged_disk, SECTORS, 1, buf), 16007);
    assert_ok(vix(GetInfo)(logged_disk, &info));
    vix(FreeInfo)(info);
    in_log = false;
}

static void
test_log(void)
{
    const char *path = host_make_disk("log.vmdk", SECTORS);
    VixDiskLibConnection connection;
    VixDiskLibHandle other = NULL;
    uint8 buf[SECTOR];

    assert_ok(
        vix(InitEx)(8, 0, call_in_log, call_in_log, call_in_log, NULL, ""));
    connection = host_connect();
    logged_disk = host_open(connection, path, 0);
    assert_vix(vix(Read)(logged_disk, SECTORS, 1, buf), 16007);
    assert_vix(vix(Open)(connection, "/nowhere.vmdk", 0, &other), 4);
    /* The text is of the last failure, the one inside included. */
    host_assert_text(16007, "log.vmdk");
    assert_ok(vix(Close)(g_steal_pointer(&logged_disk)));
    assert_ok(vix(Disconnect)(connection));
    vix(Exit)();
}

static void
add(const char *path, void (*run)(Fixture *, gconstpointer))
{
    g_test_add(path, Fixture, NULL, set_up, run, tear_down);
}

int
main(int argc, char **argv)
{
    host_begin(&argc, &argv);
    add("/vix/callbacks/calls", test_calls);
    add("/vix/callbacks/submits", test_submits);
    add("/vix/callbacks/waits", test_waits);
    add("/vix/callbacks/closes", test_closes);
    add("/vix/callbacks/closes-and-ends", test_closes_and_ends);
    add("/vix/callbacks/disconnects", test_disconnects);
    add("/vix/callbacks/closed-in-flight", test_closed_in_flight);
    add("/vix/callbacks/disconnected-in-flight", test_disconnected_in_flight);
    add("/vix/callbacks/ended-in-flight", test_ended_in_flight);
    add("/vix/callbacks/closed-by-another", test_closed_by_another);
    add("/vix/callbacks/closed-by-all", test_closed_by_all);
    add("/vix/callbacks/progress", test_progress);
    add("/vix/callbacks/progress-disconnects", test_progress_disconnects);
    g_test_add_func("/vix/callbacks/log", test_log);
    return host_run();
}
