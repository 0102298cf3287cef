/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/vix/host.c - a program that loads libvixDiskLib with dlopen(). */
#include "tests/vix/host.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "include/vdisk-manage.h"
#include "include/vdisk.h"
#include "tests/support/temp-dir.h"

#define TOO_LONG 120 /* seconds */

static char *dir;

void
host_begin(int *argc, char ***argv)
{
    g_test_init(argc, argv, NULL);
    g_assert_nonnull(g_getenv("VIX_LIBRARY"));
    vix_library_load(g_getenv("VIX_LIBRARY"));
    dir = test_dir_new();
}

int
host_run(void)
{
    int result = g_test_run();

    host_messages_clear();
    test_dir_remove(dir);
    return result;
}

const char *
host_path(const char *name)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);

    return g_intern_string(path);
}

/* -- messages ------------------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static GString *logged; /* under lock */
static unsigned n_warnings;

static void keep(const char *format, va_list args, unsigned warnings)
    G_GNUC_PRINTF(1, 0);

static void
keep(const char *format, va_list args, unsigned warnings)
{
    g_autofree char *text = g_strdup_vprintf(format, args);
    size_t len = strlen(text);

    g_assert_true(len > 1 && text[len - 1] == '\n' && text[len - 2] != '\n');
    pthread_mutex_lock(&lock);
    if (!logged)
        logged = g_string_new(NULL);
    g_string_append(logged, text);
    n_warnings += warnings;
    pthread_mutex_unlock(&lock);
}

void
host_log(const char *format, va_list args)
{
    keep(format, args, 0);
}

void
host_warn(const char *format, va_list args)
{
    keep(format, args, 1);
}

void
host_panic(const char *format, va_list args)
{
    keep(format, args, 1000);
}

void
host_messages_clear(void)
{
    pthread_mutex_lock(&lock);
    if (logged)
        g_string_free(logged, TRUE);
    logged = NULL;
    n_warnings = 0;
    pthread_mutex_unlock(&lock);
}

bool
host_has_logged(const char *part)
{
    bool found;

    pthread_mutex_lock(&lock);
    found = logged && strstr(logged->str, part);
    pthread_mutex_unlock(&lock);
    return found;
}

unsigned
host_count_warnings(void)
{
    unsigned n;

    pthread_mutex_lock(&lock);
    n = n_warnings;
    pthread_mutex_unlock(&lock);
    return n;
}

void
host_assert_text(VixError code, const char *part)
{
    char *text = vix(GetErrorText)(code, NULL);

    g_assert_nonnull(text);
    if (!strstr(text, part))
        g_error("the text of %u is \"%s\", without \"%s\"", (unsigned) code,
                text, part);
    vix(FreeErrorText)(text);
}

/* -- begin and end -------------------------------------------------------- */

void
host_init(void)
{
    host_messages_clear();
    assert_ok(
        vix(InitEx)(8, 0, host_log, host_warn, host_panic, "/nowhere", ""));
}

void
host_exit(void)
{
    vix(Exit)();
    if (host_count_warnings() > 0)
        g_error("warned: %s", logged->str);
    host_messages_clear();
}

VixDiskLibConnection
host_connect(void)
{
    VixDiskLibConnectParams params = {0};
    VixDiskLibConnection connection = NULL;

    assert_ok(vix(ConnectEx)(&params, FALSE, NULL, NULL, &connection));
    g_assert_nonnull(connection);
    return connection;
}

VixDiskLibHandle
host_open(VixDiskLibConnection connection, const char *path, uint32 flags)
{
    VixDiskLibHandle disk = NULL;

    assert_ok(vix(Open)(connection, path, flags, &disk));
    g_assert_nonnull(disk);
    return disk;
}

/* -- disks ---------------------------------------------------------------- */

static const char *
make(const char *name, uint64 bytes, const char *parent)
{
    const char *path = host_path(name);
    GError *error = NULL;
    VdContext *ctx = vd_context_new(NULL, &error);
    VdCreateParams params = {.filename = path,
                             .format = "vmdk",
                             .size = bytes,
                             .backing_file = parent,
                             .backing_format = parent ? "vmdk" : NULL};

    g_assert_no_error(error);
    vd_create(ctx, &params, &error);
    g_assert_no_error(error);
    vd_context_free(ctx);
    return path;
}

const char *
host_make_disk(const char *name, uint64 sectors)
{
    return make(name, sectors * SECTOR, NULL);
}

const char *
host_make_child(const char *name, const char *parent)
{
    return make(name, UINT64_MAX, parent);
}

static uint8
byte_at(uint64 off, uint32 seed)
{
    uint64 x = (off + 1) * (2 * (uint64) seed + 1) * 0x9e3779b97f4a7c15;

    return seed ? (uint8) (x >> 56) | 1 : 0;
}

void
host_fill(uint8 *buf, uint64 start, uint64 count, uint32 seed)
{
    for (uint64 i = 0; i < count * SECTOR; i++)
        buf[i] = byte_at(start * SECTOR + i, seed);
}

bool
host_holds(const uint8 *buf, uint64 start, uint64 count, uint32 seed)
{
    for (uint64 i = 0; i < count * SECTOR; i++)
        if (buf[i] != byte_at(start * SECTOR + i, seed))
            return false;
    return true;
}

void
host_write(VixDiskLibHandle disk, uint64 start, uint64 count, uint32 seed)
{
    g_autofree uint8 *buf = g_malloc(count * SECTOR);

    host_fill(buf, start, count, seed);
    assert_ok(vix(Write)(disk, start, count, buf));
}

void
host_assert_reads(VixDiskLibHandle disk, uint64 start, uint64 count,
                  uint32 seed)
{
    g_autofree uint8 *buf = g_malloc(count * SECTOR);

    memset(buf, 0xaa, count * SECTOR);
    assert_ok(vix(Read)(disk, start, count, buf));
    g_assert_true(host_holds(buf, start, count, seed));
}

/* -- threads and processes ------------------------------------------------ */

pthread_t
host_thread(void *(*run)(void *), void *opaque)
{
    pthread_t thread;

    g_assert_cmpint(pthread_create(&thread, NULL, run, opaque), ==, 0);
    return thread;
}

void
host_join(pthread_t thread)
{
    g_assert_cmpint(pthread_join(thread, NULL), ==, 0);
}

/* Of the leak detector, if the program has one. */
extern int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

static void
run_and_end(void (*run)(void *), void *opaque)
{
    run(opaque);
    host_messages_clear();
    if (__lsan_do_recoverable_leak_check && __lsan_do_recoverable_leak_check())
        _exit(1);
    _exit(0);
}

void
host_in_child_ending(void (*run)(void *), void *opaque, int code)
{
    pid_t pid = fork();
    int status;

    g_assert_cmpint(pid, >=, 0);
    if (pid == 0)
        run_and_end(run, opaque);
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_true(WIFEXITED(status));
    g_assert_cmpint(WEXITSTATUS(status), ==, code);
}

void
host_in_child(void (*run)(void *), void *opaque)
{
    host_in_child_ending(run, opaque, 0);
}

static unsigned
count_entries(const char *path)
{
    GDir *entries = g_dir_open(path, 0, NULL);
    unsigned n = 0;

    while (g_dir_read_name(entries))
        n++;
    g_dir_close(entries);
    return n;
}

unsigned
host_count_threads(void)
{
    return count_entries("/proc/self/task");
}

unsigned
host_count_files(void)
{
    return count_entries("/proc/self/fd");
}

/* -- counting ------------------------------------------------------------- */

void
host_count_init(HostCount *count)
{
    *count = (HostCount){.value = 0};
    pthread_mutex_init(&count->lock, NULL);
    pthread_cond_init(&count->changed, NULL);
}

void
host_count_clear(HostCount *count)
{
    pthread_mutex_destroy(&count->lock);
    pthread_cond_destroy(&count->changed);
}

void
host_count_add(HostCount *count)
{
    pthread_mutex_lock(&count->lock);
    count->value++;
    pthread_cond_broadcast(&count->changed);
    pthread_mutex_unlock(&count->lock);
}

void
host_count_await(HostCount *count, unsigned wanted)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += TOO_LONG;
    pthread_mutex_lock(&count->lock);
    while (count->value < wanted)
        g_assert_cmpint(
            pthread_cond_timedwait(&count->changed, &count->lock, &until), ==,
            0);
    pthread_mutex_unlock(&count->lock);
}

unsigned
host_count_get(HostCount *count)
{
    unsigned value;

    pthread_mutex_lock(&count->lock);
    value = count->value;
    pthread_mutex_unlock(&count->lock);
    return value;
}

void
host_counted(void *opaque, VixError result)
{
    assert_ok(result);
    host_count_add(opaque);
}
