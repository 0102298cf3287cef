/* SPDX-License-Identifier: BSD-3-Clause */
/* test-vix-failures - asynchronous requests that fail: who is told, what, and
 * what becomes of the others, of Wait and of Close.
 *
 * Writing fails behind a limit for the size of files, which one process has for
 * itself, and which counts within a file that is longer, too.  Reading fails
 * where somebody has cut a file off, or damaged a compressed grain.
 */
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/vix/host.h"

#define SECTORS 8192
#define HALF (SECTORS / 2)
#define DEPTH 64
#define COUNT                                                                  \
    (SECTORS / DEPTH) /* sectors of each of DEPTH requests; a grain            \
                       */

typedef struct {
    VixDiskLibConnection connection;
    VixDiskLibHandle disk;
    const char *path, *data; /* the file with the sectors */
    uint8 *buf;              /* of the whole disk */
    HostCount done;
} Fixture;

/* -- making requests fail ------------------------------------------------- */

static void
limit_files(rlim_t bytes)
{
    struct rlimit limit;

    g_assert_cmpint(getrlimit(RLIMIT_FSIZE, &limit), ==, 0);
    limit.rlim_cur = MIN(bytes, limit.rlim_max);
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &limit), ==, 0);
}

static void
unlimit_files(void)
{
    limit_files(RLIM_INFINITY);
}

/* -- set up --------------------------------------------------------------- */

static void
set_up(Fixture *f, int type, const char *name, const char *data)
{
    VixDiskLibCreateParams params = {.diskType = type,
                                     .adapterType = VIXDISKLIB_ADAPTER_IDE,
                                     .hwVersion = VIXDISKLIB_HWVERSION_CURRENT,
                                     .capacity = SECTORS};

    host_init();
    f->connection = host_connect();
    f->path = host_path(name);
    f->data = host_path(data);
    assert_ok(vix(Create)(f->connection, f->path, &params, NULL, NULL));
    f->disk = host_open(f->connection, f->path, 0);
    host_write(f->disk, 0, SECTORS, 1);
    assert_ok(vix(Flush)(f->disk));
    f->buf = g_malloc0(SECTORS * SECTOR);
    host_count_init(&f->done);
}

static void
set_up_flat(Fixture *f, gconstpointer unused)
{
    set_up(f, VIXDISKLIB_DISK_MONOLITHIC_FLAT, "flat.vmdk", "flat-flat.vmdk");
}

/* Its first half is not there. */
static void
set_up_sparse(Fixture *f, gconstpointer unused)
{
    set_up(f, VIXDISKLIB_DISK_MONOLITHIC_SPARSE, "sparse.vmdk", "sparse.vmdk");
    assert_ok(vix_ext(Discard)(f->disk, 0, HALF));
    assert_ok(vix(Close)(f->disk));
    f->disk = host_open(f->connection, f->path, 0);
}

/* What failed has warned. */
static void
tear_down(Fixture *f, gconstpointer unused)
{
    if (f->disk)
        assert_ok(vix(Close)(f->disk));
    assert_ok(vix(Unlink)(f->connection, f->path));
    assert_ok(vix(Disconnect)(f->connection));
    host_messages_clear();
    host_exit();
    g_free(f->buf);
    host_count_clear(&f->done);
}

static void
reopen(Fixture *f)
{
    if (f->disk)
        assert_ok(vix(Close)(f->disk));
    f->disk = host_open(f->connection, f->path, 0);
}

/* -- requests ------------------------------------------------------------- */

typedef struct {
    Fixture *f;
    uint64 start, count;
    VixError result;
    char *text; /* that the callback got for it */
    unsigned calls;
} Asked;

static void
answer(void *opaque, VixError result)
{
    Asked *asked = opaque;
    char *text = vix(GetErrorText)(result, NULL);

    asked->result = result;
    asked->text = g_strdup(text);
    asked->calls++;
    vix(FreeErrorText)(text);
    host_count_add(&asked->f->done);
}

static uint8 *
buffer_of(Asked *asked)
{
    return asked->f->buf + asked->start * SECTOR;
}

static void
ask_to_read(Asked *asked)
{
    memset(buffer_of(asked), 0xaa, asked->count * SECTOR);
    assert_vix(vix(ReadAsync)(asked->f->disk, asked->start, asked->count,
                              buffer_of(asked), answer, asked),
               VIX_ASYNC);
}

static void
ask_to_write(Asked *asked)
{
    host_fill(buffer_of(asked), asked->start, asked->count, 2);
    assert_vix(vix(WriteAsync)(asked->f->disk, asked->start, asked->count,
                               buffer_of(asked), answer, asked),
               VIX_ASYNC);
}

static void
ask_to_flush(Asked *asked)
{
    assert_vix(vix_ext(FlushAsync)(asked->f->disk, answer, asked), VIX_ASYNC);
}

/* Answered once, with @result and a text with @part. */
static void
assert_answered(Asked *asked, VixError result, const char *part)
{
    g_assert_cmpuint(asked->calls, ==, 1);
    assert_vix(asked->result, result);
    if (!strstr(asked->text, part))
        g_error("the callback got \"%s\" without \"%s\"", asked->text, part);
    g_clear_pointer(&asked->text, g_free);
}

/* One request alone, whose answer Wait waits for; Wait itself is fine. */
static void
assert_fails(Fixture *f, void (*ask)(Asked *), uint64 start, uint64 count,
             VixError result, const char *part)
{
    Asked asked = {.f = f, .start = start, .count = count};

    ask(&asked);
    assert_ok(vix(Wait)(f->disk));
    assert_answered(&asked, result, part);
    host_assert_text(result, part); /* here, too */
}

/* DEPTH requests for the whole disk. */
static Asked *
ask_all(Fixture *f, void (*ask)(Asked *))
{
    Asked *all = g_new0(Asked, DEPTH);

    for (unsigned i = 0; i < DEPTH; i++) {
        all[i] = (Asked){.f = f, .start = i * COUNT, .count = COUNT};
        ask(&all[i]);
    }
    return all;
}

/* From number @n on they failed. */
static void
assert_failed_from(Asked *all, unsigned n, VixError result, const char *part)
{
    for (unsigned i = 0; i < DEPTH; i++)
        assert_answered(&all[i], i < n ? VIX_OK : result,
                        i < n ? "Success" : part);
}

/* -- refused at once ------------------------------------------------------ */

static void
not_called(void *opaque, VixError result)
{
    g_assert_not_reached();
}

static void
test_out_of_range(Fixture *f, gconstpointer unused)
{
    static const struct {
        uint64 start, count;
    } bad[] = {{SECTORS, 1},    {SECTORS - 1, 2}, {0, SECTORS + 1},
               {UINT64_MAX, 2}, {1, UINT64_MAX},  {UINT64_MAX / SECTOR + 1, 1}};

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        assert_vix(vix(ReadAsync)(f->disk, bad[i].start, bad[i].count, f->buf,
                                  not_called, NULL),
                   VIX_E_DISK_OUTOFRANGE);
        host_assert_text(VIX_E_DISK_OUTOFRANGE, "VixDiskLib_ReadAsync");
        assert_vix(vix(WriteAsync)(f->disk, bad[i].start, bad[i].count, f->buf,
                                   not_called, NULL),
                   VIX_E_DISK_OUTOFRANGE);
        host_assert_text(VIX_E_DISK_OUTOFRANGE, f->path);
    }
    assert_ok(vix(Wait)(f->disk));
    host_assert_reads(f->disk, 0, SECTORS, 1);
    g_assert_cmpuint(host_count_warnings(), ==, 0);
}

static void
test_read_only(Fixture *f, gconstpointer unused)
{
    assert_ok(vix(Close)(f->disk));
    f->disk = host_open(f->connection, f->path, VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    assert_vix(vix(WriteAsync)(f->disk, 0, 1, f->buf, not_called, NULL),
               VIX_E_FILE_READ_ONLY);
    host_assert_text(VIX_E_FILE_READ_ONLY, "VixDiskLib_WriteAsync");
    assert_ok(vix(Wait)(f->disk));
    g_assert_cmpuint(host_count_warnings(), ==, 0);
}

/* -- one request ---------------------------------------------------------- */

static void
test_read(Fixture *f, gconstpointer unused)
{
    g_assert_cmpint(truncate(f->data, HALF * SECTOR), ==, 0);
    assert_fails(f, ask_to_read, HALF - 1, 2, VIX_E_FILE_ERROR,
                 "flat-flat.vmdk");
    assert_fails(f, ask_to_read, HALF, 1, VIX_E_FILE_ERROR, "flat-flat.vmdk");
    g_assert_cmpuint(host_count_warnings(), ==, 2);
    /* All else still works. */
    host_assert_reads(f->disk, 0, HALF, 1);
    host_write(f->disk, 7, 1, 3);
    host_assert_reads(f->disk, 7, 1, 3);
}

static void
test_write(Fixture *f, gconstpointer unused)
{
    limit_files(HALF * SECTOR);
    assert_fails(f, ask_to_write, HALF, 1, VIX_E_FILE_TOO_BIG,
                 "flat-flat.vmdk");
    assert_fails(f, ask_to_write, HALF - 1, 2, VIX_E_FILE_TOO_BIG,
                 "flat-flat.vmdk");
    g_assert_cmpuint(host_count_warnings(), ==, 2);
    host_write(f->disk, 7, 1, 3);
    unlimit_files();
    reopen(f);
    host_assert_reads(f->disk, 7, 1, 3);
    host_assert_reads(f->disk, 0, 7, 1);
    host_assert_reads(f->disk, HALF, HALF, 1);
}

/* A grain that found no place is none. */
static void
test_new_grain(Fixture *f, gconstpointer unused)
{
    host_write(f->disk, HALF, 1, 3); /* the disk is in use by now */
    assert_ok(vix(Flush)(f->disk));
    limit_files(4 * SECTOR);
    assert_fails(f, ask_to_write, 0, GRAIN, VIX_E_FILE_TOO_BIG, "sparse.vmdk");
    host_assert_reads(f->disk, 0, GRAIN, 0);
    unlimit_files();
    host_write(f->disk, GRAIN, GRAIN, 4);
    reopen(f);
    host_assert_reads(f->disk, 0, GRAIN, 0);
    host_assert_reads(f->disk, GRAIN, GRAIN, 4);
    assert_ok(vix(Close)(f->disk));
    f->disk = NULL;
    assert_ok(vix(CheckRepair)(f->connection, f->path, FALSE));
}

/* Tables that cannot be written are written by the next flush. */
static void
test_flush(Fixture *f, gconstpointer unused)
{
    host_write(f->disk, 0, GRAIN, 4);
    limit_files(4 * SECTOR);
    assert_fails(f, ask_to_flush, 0, 0, VIX_E_FILE_TOO_BIG, "sparse.vmdk");
    unlimit_files();
    assert_ok(vix(Flush)(f->disk));
    reopen(f);
    host_assert_reads(f->disk, 0, GRAIN, 4);
}

/* -- closing -------------------------------------------------------------- */

/* Its own failure it tells, the requests' own it does not. */
static void
test_close(Fixture *f, gconstpointer unused)
{
    limit_files(HALF * SECTOR);
    assert_fails(f, ask_to_write, HALF, 1, VIX_E_FILE_TOO_BIG,
                 "flat-flat.vmdk");
    assert_ok(vix(Close)(f->disk));
    unlimit_files();
    assert_vix(vix(Wait)(f->disk), VIX_E_INVALID_HANDLE);
    f->disk = host_open(f->connection, f->path, 0);
    host_assert_reads(f->disk, 0, SECTORS, 1);
}

static void
test_close_that_fails(Fixture *f, gconstpointer unused)
{
    VixDiskLibHandle disk = f->disk;

    host_write(f->disk, 0, GRAIN, 4);
    limit_files(4 * SECTOR);
    assert_fails(f, ask_to_flush, 0, 0, VIX_E_FILE_TOO_BIG, "sparse.vmdk");
    host_messages_clear();
    assert_vix(vix(Close)(f->disk), VIX_E_FILE_TOO_BIG);
    unlimit_files();
    host_assert_text(VIX_E_FILE_TOO_BIG, "sparse.vmdk");
    g_assert_cmpuint(host_count_warnings(), ==, 1);
    /* Closed it is all the same, and nobody else is kept out. */
    assert_vix(vix(Close)(disk), VIX_E_INVALID_HANDLE);
    f->disk = host_open(f->connection, f->path, 0);
    host_assert_reads(f->disk, HALF, HALF, 1);
}

static void
test_close_in_flight(Fixture *f, gconstpointer unused)
{
    g_autofree Asked *all = NULL;

    limit_files(HALF * SECTOR);
    all = ask_all(f, ask_to_write);
    assert_ok(vix(Close)(f->disk));
    unlimit_files();
    g_assert_cmpuint(host_count_get(&f->done), ==, DEPTH);
    assert_failed_from(all, DEPTH / 2, VIX_E_FILE_TOO_BIG, "flat-flat.vmdk");
    f->disk = host_open(f->connection, f->path, 0);
    host_assert_reads(f->disk, 0, HALF, 2);
    host_assert_reads(f->disk, HALF, HALF, 1);
}

/* -- many in flight ------------------------------------------------------- */

static void
test_many_reads(Fixture *f, gconstpointer unused)
{
    g_autofree Asked *all = NULL;

    g_assert_cmpint(truncate(f->data, HALF * SECTOR), ==, 0);
    all = ask_all(f, ask_to_read);
    assert_ok(vix(Wait)(f->disk));
    assert_failed_from(all, DEPTH / 2, VIX_E_FILE_ERROR, "flat-flat.vmdk");
    g_assert_true(host_holds(f->buf, 0, HALF, 1));
    g_assert_cmpuint(host_count_warnings(), ==, DEPTH / 2);
}

static void
test_many_writes(Fixture *f, gconstpointer unused)
{
    g_autofree Asked *all = NULL;

    limit_files(HALF * SECTOR);
    all = ask_all(f, ask_to_write);
    assert_ok(vix(Wait)(f->disk));
    unlimit_files();
    assert_failed_from(all, DEPTH / 2, VIX_E_FILE_TOO_BIG, "flat-flat.vmdk");
    host_assert_reads(f->disk, 0, HALF, 2);
    host_assert_reads(f->disk, HALF, HALF, 1);
}

/* Of a streamOptimized disk, whose grains begin with their sector; what it is
 * compressed to is overwritten. */
static void
damage_grain(const char *path, uint64 sector)
{
    g_autofree char *bytes = NULL;
    gsize len;
    uint64 found;

    g_assert_true(g_file_get_contents(path, &bytes, &len, NULL));
    for (gsize at = 128 * SECTOR; at + SECTOR <= len; at += SECTOR) {
        memcpy(&found, bytes + at, sizeof(found));
        if (GUINT64_FROM_LE(found) != sector)
            continue;
        memset(bytes + at + 12, 0xff, 100);
        g_assert_true(g_file_set_contents(path, bytes, (gssize) len, NULL));
        return;
    }
    g_assert_not_reached();
}

/* Grains are unpacked by other threads: the failure comes while others of the
 * same disk are on their way. */
static void
test_one_of_many(Fixture *f, gconstpointer unused)
{
    const char *path = host_path("stream.vmdk");
    VixDiskLibCreateParams params = {.diskType =
                                         VIXDISKLIB_DISK_STREAM_OPTIMIZED,
                                     .adapterType = VIXDISKLIB_ADAPTER_IDE,
                                     .capacity = SECTORS};
    g_autofree Asked *all = NULL;

    assert_ok(vix(Close)(f->disk));
    assert_ok(vix(Clone)(f->connection, path, f->connection, f->path, &params,
                         NULL, NULL, FALSE));
    damage_grain(path, 20 * COUNT);
    f->disk = host_open(f->connection, path, VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    all = ask_all(f, ask_to_read);
    assert_ok(vix(Wait)(f->disk));
    for (unsigned i = 0; i < DEPTH; i++) {
        bool bad = i == 20;

        assert_answered(&all[i], bad ? VIX_E_DISK_INVALIDDISK : VIX_OK,
                        bad ? "stream.vmdk" : "Success");
        g_assert_true(bad || host_holds(f->buf + (uint64) i * COUNT * SECTOR,
                                        all[i].start, COUNT, 1));
    }
    g_assert_cmpuint(host_count_warnings(), ==, 1);
    assert_ok(vix(Close)(f->disk));
    assert_ok(vix(Unlink)(f->connection, path));
    f->disk = NULL;
}

/* -- in the callback ------------------------------------------------------ */

static void
try_again(void *opaque, VixError result)
{
    Asked *asked = opaque;

    assert_vix(result, VIX_E_FILE_TOO_BIG);
    host_assert_text(result, "flat-flat.vmdk");
    unlimit_files();
    ask_to_write(asked);
}

/* Wait is for what was there before it; so it is asked twice. */
static void
test_again(Fixture *f, gconstpointer unused)
{
    Asked asked = {.f = f, .start = HALF, .count = 1};

    limit_files(HALF * SECTOR);
    assert_vix(vix(WriteAsync)(f->disk, HALF, 1, f->buf, try_again, &asked),
               VIX_ASYNC);
    assert_ok(vix(Wait)(f->disk));
    assert_ok(vix(Wait)(f->disk));
    assert_answered(&asked, VIX_OK, "Success");
    host_assert_reads(f->disk, HALF, 1, 2);
}

static void
close_after_failure(void *opaque, VixError result)
{
    Asked *asked = opaque;

    assert_ok(vix(Close)(asked->f->disk));
    answer(opaque, result);
}

static void
test_closes(Fixture *f, gconstpointer unused)
{
    Asked asked = {.f = f};

    limit_files(HALF * SECTOR);
    assert_vix(
        vix(WriteAsync)(f->disk, HALF, 1, f->buf, close_after_failure, &asked),
        VIX_ASYNC);
    host_count_await(&f->done, 1);
    unlimit_files();
    assert_answered(&asked, VIX_E_FILE_TOO_BIG, "flat-flat.vmdk");
    assert_vix(vix(Wait)(f->disk), VIX_E_INVALID_HANDLE);
    f->disk = NULL;
    /* The end of the library waits until it is closed. */
    host_messages_clear();
    host_exit();
    host_init();
    f->connection = host_connect();
}

/* -- who is told ---------------------------------------------------------- */

static void *
read_text(void *opaque)
{
    host_assert_text(VIX_E_FILE_TOO_BIG, "flat-flat.vmdk");
    return NULL;
}

static void
test_told_to_all(Fixture *f, gconstpointer unused)
{
    limit_files(HALF * SECTOR);
    assert_fails(f, ask_to_write, HALF, 1, VIX_E_FILE_TOO_BIG,
                 "flat-flat.vmdk");
    unlimit_files();
    host_join(host_thread(read_text, NULL));
}

static void
failures_test_add(const char *path, bool flat,
                  void (*run)(Fixture *, gconstpointer))
{
    g_test_add(path, Fixture, NULL, flat ? set_up_flat : set_up_sparse, run,
               tear_down);
}

int
main(int argc, char **argv)
{
    g_assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    host_begin(&argc, &argv);
    failures_test_add("/vix/failures/out-of-range", true, test_out_of_range);
    failures_test_add("/vix/failures/read-only", true, test_read_only);
    failures_test_add("/vix/failures/read", true, test_read);
    failures_test_add("/vix/failures/write", true, test_write);
    failures_test_add("/vix/failures/new-grain", false, test_new_grain);
    failures_test_add("/vix/failures/flush", false, test_flush);
    failures_test_add("/vix/failures/close", true, test_close);
    failures_test_add("/vix/failures/close-that-fails", false,
                      test_close_that_fails);
    failures_test_add("/vix/failures/close-in-flight", true,
                      test_close_in_flight);
    failures_test_add("/vix/failures/many-reads", true, test_many_reads);
    failures_test_add("/vix/failures/many-writes", true, test_many_writes);
    failures_test_add("/vix/failures/one-of-many", true, test_one_of_many);
    failures_test_add("/vix/failures/again", true, test_again);
    failures_test_add("/vix/failures/closes", true, test_closes);
    failures_test_add("/vix/failures/told-to-all", true, test_told_to_all);
    return host_run();
}
