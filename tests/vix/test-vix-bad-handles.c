/* SPDX-License-Identifier: BSD-3-Clause */
/* test-vix-bad-handles - handles that are none, or none any more; handles in
 * great number; the library begun and ended again and again. */
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/vix/host.h"

#define SECTORS 2048
#define MANY 1000

/* -- what is none --------------------------------------------------------- */

static void
assert_no_disk(VixDiskLibHandle disk)
{
    VixDiskLibBlockList *list = NULL;
    VixDiskLibInfo *info = NULL;
    uint8 buf[SECTOR];
    size_t len;

    assert_vix(vix(GetInfo)(disk, &info), VIX_E_INVALID_HANDLE);
    g_assert_null(info);
    g_assert_null(vix(GetTransportMode)(disk));
    assert_vix(vix(Read)(disk, 0, 1, buf), VIX_E_INVALID_HANDLE);
    assert_vix(vix(Write)(disk, 0, 1, buf), VIX_E_INVALID_HANDLE);
    assert_vix(vix(ReadAsync)(disk, 0, 1, buf, host_counted, NULL),
               VIX_E_INVALID_HANDLE);
    assert_vix(vix(WriteAsync)(disk, 0, 1, buf, host_counted, NULL),
               VIX_E_INVALID_HANDLE);
    assert_vix(vix(Flush)(disk), VIX_E_INVALID_HANDLE);
    assert_vix(vix(Wait)(disk), VIX_E_INVALID_HANDLE);
    assert_vix(vix(QueryAllocatedBlocks)(disk, 0, 128, 128, &list),
               VIX_E_INVALID_HANDLE);
    g_assert_null(list);
    assert_vix(vix(ReadMetadata)(disk, "uuid", NULL, 0, &len),
               VIX_E_INVALID_HANDLE);
    assert_vix(vix(WriteMetadata)(disk, "uuid", "x"), VIX_E_INVALID_HANDLE);
    assert_vix(vix(GetMetadataKeys)(disk, NULL, 0, &len), VIX_E_INVALID_HANDLE);
    assert_vix(vix(CreateChild)(disk, host_path("c.vmdk"), 1, NULL, NULL),
               VIX_E_INVALID_HANDLE);
    assert_vix(vix_ext(WriteZeroes)(disk, 0, 1, 0), VIX_E_INVALID_HANDLE);
    assert_vix(vix_ext(Discard)(disk, 0, 1), VIX_E_INVALID_HANDLE);
    assert_vix(vix_ext(FlushAsync)(disk, host_counted, NULL),
               VIX_E_INVALID_HANDLE);
}

static void
assert_no_connection(VixDiskLibConnection connection)
{
    VixDiskLibConnectParams *params = NULL;
    VixDiskLibHandle disk = NULL;

    assert_vix(vix(Open)(connection, host_path("disk.vmdk"), 0, &disk),
               VIX_E_DISK_INVALID_CONNECTION);
    g_assert_null(disk);
    assert_vix(vix(GetConnectParams)(connection, &params),
               VIX_E_DISK_INVALID_CONNECTION);
    g_assert_null(params);
    assert_vix(vix(Unlink)(connection, host_path("disk.vmdk")),
               VIX_E_DISK_INVALID_CONNECTION);
    assert_vix(vix(Disconnect)(connection), VIX_E_DISK_INVALID_CONNECTION);
}

static void
test_foreign(void)
{
    VixDiskLibConnection connection;
    VixDiskLibHandle disk;
    char block[256] = {0};

    host_init();
    connection = host_connect();
    disk = host_open(connection, host_make_disk("disk.vmdk", SECTORS), 0);
    assert_no_disk(NULL);
    assert_no_disk((VixDiskLibHandle) block);
    assert_no_disk((VixDiskLibHandle) 1);
    assert_no_disk((VixDiskLibHandle) connection);
    assert_no_disk((VixDiskLibHandle) ((char *) disk + 8));
    assert_vix(vix(Close)(NULL), VIX_E_INVALID_HANDLE);
    assert_vix(vix(Close)((VixDiskLibHandle) connection), VIX_E_INVALID_HANDLE);
    assert_no_connection((VixDiskLibConnection) block);
    assert_no_connection((VixDiskLibConnection) disk);
    assert_ok(vix(Close)(disk));
    assert_no_disk(disk);
    assert_vix(vix(Close)(disk), VIX_E_INVALID_HANDLE);
    assert_ok(vix(Disconnect)(connection));
    assert_no_connection(connection);
    host_exit();
}

/* Disconnecting closes; the handles may still be closed, once. */
static void
test_disconnected(void)
{
    VixDiskLibConnection connection;
    VixDiskLibHandle disk;

    host_init();
    connection = host_connect();
    disk = host_open(connection, host_make_disk("disk.vmdk", SECTORS), 0);
    host_write(disk, 0, 1, 1);
    assert_ok(vix(Disconnect)(connection));
    assert_no_disk(disk);
    assert_ok(vix(Close)(disk));
    assert_vix(vix(Close)(disk), VIX_E_INVALID_HANDLE);
    host_exit();
}

/* The end of the library closes everything that is open. */
static void
test_left_open(void)
{
    const char *path = host_make_disk("disk.vmdk", SECTORS);
    unsigned files = host_count_files();
    VixDiskLibHandle disk, other;

    host_init();
    disk = host_open(host_connect(), path, 0);
    host_write(disk, 5, 1, 1);
    host_exit();
    g_assert_cmpuint(host_count_files(), ==, files);
    host_init();
    assert_no_disk(disk);
    other = host_open(host_connect(), path, 0);
    host_assert_reads(other, 5, 1, 1);
    host_exit();
}

/* -- many ----------------------------------------------------------------- */

static void
allow_files(rlim_t n)
{
    struct rlimit limit;

    g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &limit), ==, 0);
    limit.rlim_cur = MIN(n, limit.rlim_max);
    g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &limit), ==, 0);
}

static unsigned
how_many(void)
{
    return g_getenv("VDISK_TEST_SHORT") ? MANY / 10 : MANY;
}

static void
test_many_handles(void)
{
    const char *path = host_make_disk("disk.vmdk", SECTORS);
    unsigned n = how_many(), files = host_count_files();
    g_autofree VixDiskLibHandle *disks = g_new0(VixDiskLibHandle, n);
    VixDiskLibConnection connection;

    allow_files(16 * MANY);
    host_init();
    connection = host_connect();
    for (unsigned i = 0; i < n; i++)
        disks[i] = host_open(connection, path, VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    for (unsigned i = 0; i < n; i++)
        host_assert_reads(disks[i], i % SECTORS, 1, 0);
    for (unsigned i = 0; i < n; i += 2)
        assert_ok(vix(Close)(disks[i]));
    assert_ok(vix(Disconnect)(connection));
    for (unsigned i = 1; i < n; i += 2)
        assert_ok(vix(Close)(disks[i]));
    host_exit();
    g_assert_cmpuint(host_count_files(), ==, files);
}

/* As many files as there may be. */
static void
fail_for_files(void *path)
{
    VixDiskLibConnection connection;
    VixDiskLibHandle disk = NULL;
    unsigned n = 0;

    host_init();
    connection = host_connect();
    allow_files(host_count_files() + 40);
    while (vix(Open)(connection, path, VIXDISKLIB_FLAG_OPEN_READ_ONLY, &disk) ==
           VIX_OK)
        g_assert_cmpuint(n++, <, 40);
    g_assert_null(disk);
    allow_files(1024);
    disk = host_open(connection, path, VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    host_assert_reads(disk, 0, 1, 0);
    assert_ok(vix(Disconnect)(connection));
    host_messages_clear();
    host_exit();
}

static void
test_no_files(void)
{
    const char *path = host_make_disk("disk.vmdk", SECTORS);

    host_in_child(fail_for_files, (void *) path);
}

static void
test_repeated(void)
{
    unsigned threads = host_count_threads(), files = host_count_files();

    for (unsigned i = 0; i < MANY; i++)
        assert_ok(vix(InitEx)(8, 0, NULL, NULL, NULL, NULL, ""));
    for (unsigned i = 1; i < MANY; i++)
        vix(Exit)();
    assert_ok(vix(Disconnect)(host_connect()));
    vix(Exit)();
    for (unsigned i = 0; i < MANY; i++) {
        host_init();
        if (i % 100 == 0)
            host_connect();
        host_exit();
    }
    g_assert_cmpuint(host_count_threads(), ==, threads);
    g_assert_cmpuint(host_count_files(), ==, files);
}

static void *
begin_and_end(void *path)
{
    for (unsigned i = 0; i < 20; i++) {
        VixDiskLibConnection connection;
        VixDiskLibHandle disk;

        assert_ok(vix(InitEx)(8, 0, NULL, NULL, NULL, NULL, ""));
        connection = host_connect();
        disk = host_open(connection, path, VIXDISKLIB_FLAG_OPEN_READ_ONLY);
        host_assert_reads(disk, i, 1, 0);
        assert_ok(vix(Close)(disk));
        assert_ok(vix(Disconnect)(connection));
        vix(Exit)();
    }
    return NULL;
}

/* The last Exit of one may meet the first InitEx of another. */
static void
test_repeated_by_threads(void)
{
    const char *path = host_make_disk("disk.vmdk", SECTORS);
    pthread_t threads[4];

    for (unsigned i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = host_thread(begin_and_end, (void *) path);
    for (unsigned i = 0; i < G_N_ELEMENTS(threads); i++)
        host_join(threads[i]);
}

/* -- processes ------------------------------------------------------------ */

static void
fail_to_open(void *path)
{
    VixDiskLibConnection connection;
    VixDiskLibHandle disk;

    host_init();
    connection = host_connect();
    assert_vix(vix(Open)(connection, path, 0, &disk),
               VIX_E_FILE_ALREADY_LOCKED);
    g_assert_null(disk);
    host_assert_text(VIX_E_FILE_ALREADY_LOCKED, path);
    assert_ok(vix(Disconnect)(connection));
    host_messages_clear();
    host_exit();
}

static void
open_and_write(void *path)
{
    VixDiskLibConnection connection;
    VixDiskLibHandle disk;

    host_init();
    connection = host_connect();
    disk = host_open(connection, path, 0);
    host_write(disk, 1, 1, 2);
    assert_ok(vix(Close)(disk));
    assert_ok(vix(Disconnect)(connection));
    host_exit();
}

typedef struct {
    void (*run)(void *);
    void *path;
    pid_t pid;
    int go; /* pipe */
} Other;

/* Its own process, made before anything is open. */
static void
other_start(Other *other)
{
    int go[2];
    char byte;

    g_assert_cmpint(pipe2(go, O_CLOEXEC), ==, 0);
    other->pid = fork();
    g_assert_cmpint(other->pid, >=, 0);
    if (other->pid == 0) {
        g_assert_cmpint(read(go[0], &byte, 1), ==, 1);
        other->run(other->path);
        _exit(0);
    }
    close(go[0]);
    other->go = go[1];
}

static void
other_run(const Other *other)
{
    int status;

    g_assert_cmpint(write(other->go, "x", 1), ==, 1);
    g_assert_cmpint(waitpid(other->pid, &status, 0), ==, other->pid);
    g_assert_cmpint(status, ==, 0);
    close(other->go);
}

static void
test_two_processes(void)
{
    const char *path = host_make_disk("disk.vmdk", SECTORS);
    Other refused = {.run = fail_to_open, .path = (void *) path};
    Other later = {.run = open_and_write, .path = (void *) path};
    VixDiskLibConnection connection;
    VixDiskLibHandle disk;

    other_start(&refused);
    other_start(&later);
    host_init();
    connection = host_connect();
    disk = host_open(connection, path, 0);
    host_write(disk, 0, 1, 1);
    other_run(&refused);
    host_write(disk, 2, 1, 3);
    assert_ok(vix(Close)(disk));
    other_run(&later);
    disk = host_open(connection, path, VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    for (unsigned i = 0; i < 3; i++)
        host_assert_reads(disk, i, 1, i == 0 ? 1 : i == 1 ? 2 : 3);
    assert_ok(vix(Disconnect)(connection));
    assert_ok(vix(Close)(disk));
    host_exit();
}

static void
use_inherited(void *path)
{
    VixDiskLibConnection connection = host_connect();
    VixDiskLibHandle disk = host_open(connection, path, 0);

    host_write(disk, 0, 4, 8);
    assert_ok(vix(Close)(disk));
    assert_ok(vix(Disconnect)(connection));
    vix(Exit)();
}

/* nbdkit forks before InitEx, others after it. */
static void
test_fork_after_init(void)
{
    const char *path = host_make_disk("disk.vmdk", SECTORS);
    VixDiskLibConnection connection;
    VixDiskLibHandle disk;

    host_init();
    connection = host_connect();
    host_in_child(use_inherited, (void *) path);
    disk = host_open(connection, path, 0);
    host_assert_reads(disk, 0, 4, 8);
    assert_ok(vix(Close)(disk));
    assert_ok(vix(Disconnect)(connection));
    host_exit();
}

int
main(int argc, char **argv)
{
    host_begin(&argc, &argv);
    g_test_add_func("/vix/handles/fork-after-init", test_fork_after_init);
    g_test_add_func("/vix/handles/two-processes", test_two_processes);
    g_test_add_func("/vix/handles/repeated", test_repeated);
    g_test_add_func("/vix/handles/foreign", test_foreign);
    g_test_add_func("/vix/handles/disconnected", test_disconnected);
    g_test_add_func("/vix/handles/left-open", test_left_open);
    g_test_add_func("/vix/handles/no-files", test_no_files);
    g_test_add_func("/vix/handles/many", test_many_handles);
    g_test_add_func("/vix/handles/repeated-by-threads",
                    test_repeated_by_threads);
    return host_run();
}
