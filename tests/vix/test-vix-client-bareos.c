/* SPDX-License-Identifier: BSD-3-Clause */
/* test-vix-client-bareos - the order of calls of Bareos' vadp_dumper.
 *
 * It allocates parameters and cleans up before InitEx, creates a second disk
 * over a connection that was made read-only, copies with a thread that reads
 * and one that writes, frees what GetInfo gave after the disk was closed, ends
 * the access after it has disconnected, and may call exit() in a log function:
 * its handler at exit calls back in.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/vix/host.h"

#define SECTORS 8192
#define PER_CALL 1024
#define CHUNK 128
#define IDENTITY "bareos-vadp-dumper"

typedef struct {
    VixDiskLibConnectParams *params;
    VixDiskLibConnection connection;
    VixDiskLibHandle disk, copy;
    VixDiskLibInfo *info;
} Dumper;

static Dumper dumper;

/* -- begin and end -------------------------------------------------------- */

static void
begin(bool restores)
{
    uint32 cleaned = 9, remaining = 9;

    dumper = (Dumper){.params = vix(AllocateConnectParams)()};
    if (restores) {
        assert_ok(vix(Cleanup)(NULL, &cleaned, &remaining));
        g_assert_cmpuint(cleaned + remaining, ==, 0);
    }
    assert_ok(vix(InitEx)(6, 5, host_log, host_warn, host_panic,
                          "/usr/lib/vmware-vix-disklib", NULL));
    assert_ok(vix(PrepareForAccess)(dumper.params, IDENTITY));
    assert_ok(vix(ConnectEx)(dumper.params, !restores, NULL, NULL,
                             &dumper.connection));
    assert_ok(vix(Cleanup)(dumper.params, &cleaned, &remaining));
}

/* Each step once, whoever calls: also the handler at exit, after them all. */
static void
end(void)
{
    if (dumper.info)
        vix(FreeInfo)(g_steal_pointer(&dumper.info));
    if (dumper.disk)
        vix(Close)(g_steal_pointer(&dumper.disk));
    if (dumper.copy)
        vix(Close)(g_steal_pointer(&dumper.copy));
    if (dumper.connection)
        vix(Disconnect)(g_steal_pointer(&dumper.connection));
    if (dumper.params) {
        vix(Cleanup)(dumper.params, NULL, NULL);
        vix(EndAccess)(dumper.params, IDENTITY);
        vix(FreeConnectParams)(g_steal_pointer(&dumper.params));
    }
    vix(Exit)();
}

/* -- metadata ------------------------------------------------------------- */

static char *
keys_of(VixDiskLibHandle disk)
{
    size_t len = 0;
    char *keys;

    assert_vix(vix(GetMetadataKeys)(disk, NULL, 0, &len),
               VIX_E_BUFFER_TOOSMALL);
    g_assert_cmpuint(len, >, 1);
    keys = g_malloc(len);
    assert_ok(vix(GetMetadataKeys)(disk, keys, len, NULL));
    return keys;
}

static char *
value_of(VixDiskLibHandle disk, const char *key)
{
    size_t len = 0;
    char *value;

    assert_vix(vix(ReadMetadata)(disk, key, NULL, 0, &len),
               VIX_E_BUFFER_TOOSMALL);
    value = g_malloc(len);
    assert_ok(vix(ReadMetadata)(disk, key, value, len, NULL));
    g_assert_cmpuint(strlen(value) + 1, ==, len);
    return value;
}

/* Key and value by turns. */
static GPtrArray *
save_metadata(VixDiskLibHandle disk)
{
    GPtrArray *saved = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *keys = keys_of(disk);

    for (const char *key = keys; *key; key += strlen(key) + 1) {
        g_ptr_array_add(saved, g_strdup(key));
        g_ptr_array_add(saved, value_of(disk, key));
    }
    return saved;
}

static void
restore_metadata(VixDiskLibHandle disk, const GPtrArray *saved)
{
    for (unsigned i = 0; i < saved->len; i += 2)
        assert_ok(
            vix(WriteMetadata)(disk, saved->pdata[i], saved->pdata[i + 1]));
}

/* Writing gives the content another name. */
static void
assert_metadata(VixDiskLibHandle disk, const GPtrArray *saved)
{
    for (unsigned i = 0; i < saved->len; i += 2) {
        g_autofree char *value = value_of(disk, saved->pdata[i]);

        if (!strcmp(saved->pdata[i], "longContentID"))
            continue;
        g_assert_cmpstr(value, ==, saved->pdata[i + 1]);
    }
}

/* -- copying -------------------------------------------------------------- */

typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool full, end;
    uint64 start, count;
    uint8 buf[PER_CALL * SECTOR];
} Pipe;

static void
pipe_put(Pipe *pipe, uint64 start, uint64 count)
{
    pthread_mutex_lock(&pipe->lock);
    while (pipe->full)
        pthread_cond_wait(&pipe->changed, &pipe->lock);
    if (count > 0)
        assert_ok(vix(Read)(dumper.disk, start, count, pipe->buf));
    pipe->start = start;
    pipe->count = count;
    pipe->end = count == 0;
    pipe->full = true;
    pthread_cond_signal(&pipe->changed);
    pthread_mutex_unlock(&pipe->lock);
}

static void *
writer(void *opaque)
{
    Pipe *pipe = opaque;
    bool stop = false;

    while (!stop) {
        pthread_mutex_lock(&pipe->lock);
        while (!pipe->full)
            pthread_cond_wait(&pipe->changed, &pipe->lock);
        stop = pipe->end;
        if (!stop)
            assert_ok(
                vix(Write)(dumper.copy, pipe->start, pipe->count, pipe->buf));
        pipe->full = false;
        pthread_cond_signal(&pipe->changed);
        pthread_mutex_unlock(&pipe->lock);
    }
    return NULL;
}

static void
copy_block(Pipe *pipe, const VixDiskLibBlock *block)
{
    uint64 end = block->offset + block->length;

    for (uint64 at = block->offset; at < end; at += PER_CALL)
        pipe_put(pipe, at, MIN(PER_CALL, end - at));
}

static void
copy_disk(void)
{
    g_autofree Pipe *pipe = g_new0(Pipe, 1);
    VixDiskLibBlockList *list = NULL;
    uint64 behind = 0;
    pthread_t thread;

    pthread_mutex_init(&pipe->lock, NULL);
    pthread_cond_init(&pipe->changed, NULL);
    assert_ok(vix(QueryAllocatedBlocks)(dumper.disk, 0, SECTORS, CHUNK, &list));
    thread = host_thread(writer, pipe);
    for (uint32 i = 0; i < list->numBlocks; i++) {
        g_assert_cmpuint(list->blocks[i].offset, >=, behind);
        behind = list->blocks[i].offset + list->blocks[i].length;
        copy_block(pipe, &list->blocks[i]);
    }
    g_assert_cmpuint(behind, <=, SECTORS);
    assert_ok(vix(FreeBlockList)(list));
    pipe_put(pipe, 0, 0);
    host_join(thread);
    pthread_cond_destroy(&pipe->changed);
    pthread_mutex_destroy(&pipe->lock);
}

/* Over the read-only connection. */
static void
create_copy(const char *path)
{
    VixDiskLibCreateParams params = {
        .diskType = VIXDISKLIB_DISK_MONOLITHIC_SPARSE,
        .adapterType = VIXDISKLIB_ADAPTER_SCSI_BUSLOGIC,
        .hwVersion = 7,
        .capacity = dumper.info->capacity,
        .logicalSectorSize = 512,
        .physicalSectorSize = 512,
    };

    assert_ok(vix(Create)(dumper.connection, path, &params, NULL, NULL));
    dumper.copy =
        host_open(dumper.connection, path, VIXDISKLIB_FLAG_OPEN_UNBUFFERED);
}

static const char *
make_source(const char *name)
{
    const char *path = host_make_disk(name, SECTORS);
    VixDiskLibConnection connection;

    host_init();
    connection = host_connect();
    dumper.disk = host_open(connection, path, 0);
    host_write(dumper.disk, 1000, 50, 1);
    host_write(dumper.disk, 5000, 2000, 2);
    host_write(dumper.disk, SECTORS - 1, 1, 3);
    assert_ok(
        vix(WriteMetadata)(dumper.disk, "uuid",
                           "60 00 C2 93 7b a0 3a 03-9f 22 56 c5 29 93 b7 27"));
    assert_ok(vix(WriteMetadata)(dumper.disk, "adapterType", "lsilogic"));
    assert_ok(vix(WriteMetadata)(dumper.disk, "geometry.cylinders", "77"));
    assert_ok(vix(Close)(dumper.disk));
    assert_ok(vix(Disconnect)(connection));
    host_exit();
    return path;
}

static void
assert_source(VixDiskLibHandle disk)
{
    host_assert_reads(disk, 0, 1000, 0);
    host_assert_reads(disk, 1000, 50, 1);
    host_assert_reads(disk, 5000, 2000, 2);
    host_assert_reads(disk, SECTORS - 1, 1, 3);
}

/* -- tests ---------------------------------------------------------------- */

static void
test_dump(void)
{
    const char *source = make_source("source.vmdk");
    g_autoptr(GPtrArray) saved = NULL;

    begin(false);
    dumper.disk =
        host_open(dumper.connection, source, VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    assert_ok(vix(GetInfo)(dumper.disk, &dumper.info));
    g_assert_cmpstr(vix(GetTransportMode)(dumper.disk), ==, "file");
    create_copy(host_path("copy.vmdk"));
    saved = save_metadata(dumper.disk);
    restore_metadata(dumper.copy, saved);
    copy_disk();
    assert_source(dumper.copy);
    assert_metadata(dumper.copy, saved);
    assert_ok(vix(Close)(dumper.disk));
    dumper.disk = NULL;
    g_assert_cmpuint(dumper.info->capacity, ==, SECTORS);
    g_assert_cmpint(dumper.info->adapterType, ==,
                    VIXDISKLIB_ADAPTER_SCSI_LSILOGIC);
    end();
    g_assert_cmpuint(host_count_warnings(), ==, 0);
}

static void
test_restore(void)
{
    const char *path = host_make_disk("target.vmdk", SECTORS);

    begin(true);
    dumper.disk = host_open(dumper.connection, path, 0);
    assert_ok(vix(GetInfo)(dumper.disk, &dumper.info));
    assert_ok(vix(WriteMetadata)(dumper.disk, "adapterType", "lsilogic"));
    host_write(dumper.disk, 100, 2 * PER_CALL, 9);
    host_assert_reads(dumper.disk, 100, 2 * PER_CALL, 9);
    end();
    /* All of it may be called again. */
    end();
    g_assert_cmpuint(host_count_warnings(), ==, 0);
}

/* -- exit() in the middle of something ------------------------------------ */

#define EXIT_CODE 77

static void
exit_in_log(const char *format, va_list args)
{
    exit(EXIT_CODE);
}

static void exit_at_opened(const char *format, va_list args)
    G_GNUC_PRINTF(1, 0);

static void
exit_at_opened(const char *format, va_list args)
{
    g_autofree char *text = g_strdup_vprintf(format, args);

    if (strstr(text, "Opened"))
        exit(EXIT_CODE);
}

static void
ignore(const char *format, va_list args)
{
}

static Bool
exit_in_progress(void *data, int percent)
{
    exit(EXIT_CODE);
}

static void
exit_in_completion(void *data, VixError result)
{
    exit(EXIT_CODE);
}

static void
begin_to_exit(const char *path, VixDiskLibGenericLogFunc *log,
              VixDiskLibGenericLogFunc *warn)
{
    alarm(240); /* a handler that hangs ends the process badly */
    g_assert_cmpint(atexit(end), ==, 0);
    dumper = (Dumper){.params = vix(AllocateConnectParams)()};
    assert_ok(vix(InitEx)(6, 5, log, warn, warn, NULL, NULL));
    assert_ok(
        vix(ConnectEx)(dumper.params, TRUE, NULL, NULL, &dumper.connection));
    dumper.disk = host_open(dumper.connection, path, 0);
    host_write(dumper.disk, 0, 1, 5);
}

static void
exit_in_warning(void *path)
{
    VixDiskLibHandle none;

    begin_to_exit(path, ignore, exit_in_log);
    vix(Open)(dumper.connection, "/nowhere/at/all.vmdk", 0, &none);
    g_assert_not_reached();
}

static void
exit_in_log_of_opening(void *path)
{
    begin_to_exit(path, exit_at_opened, ignore);
    g_assert_not_reached();
}

static void
exit_in_log_of_init(void *path)
{
    alarm(240);
    g_assert_cmpint(atexit(end), ==, 0);
    dumper = (Dumper){.params = vix(AllocateConnectParams)()};
    vix(InitEx)(6, 5, exit_in_log, exit_in_log, exit_in_log, NULL, NULL);
    g_assert_not_reached();
}

static void
exit_in_progress_of_create(void *path)
{
    VixDiskLibCreateParams params = {
        .diskType = VIXDISKLIB_DISK_SPLIT_SPARSE,
        .adapterType = VIXDISKLIB_ADAPTER_IDE,
        .capacity = SECTORS,
    };

    begin_to_exit(path, ignore, ignore);
    vix(Create)(dumper.connection, host_path("half.vmdk"), &params,
                exit_in_progress, NULL);
    g_assert_not_reached();
}

static void
exit_in_callback(void *path)
{
    uint8 buf[SECTOR];

    begin_to_exit(path, ignore, ignore);
    assert_vix(vix(ReadAsync)(dumper.disk, 0, 1, buf, exit_in_completion, NULL),
               VIX_ASYNC);
    for (;;)
        pause();
}

static void
exits_well(void (*run)(void *), const char *name)
{
    const char *path = host_make_disk(name, SECTORS);

    host_in_child_ending(run, (void *) path, EXIT_CODE);
}

/* The disk that was open has been closed. */
static void
assert_closed(void *name)
{
    VixDiskLibConnection connection;
    VixDiskLibHandle disk;

    host_init();
    connection = host_connect();
    disk = host_open(connection, host_path(name), 0);
    host_assert_reads(disk, 0, 1, 5);
    assert_ok(vix(Close)(disk));
    assert_ok(vix(Disconnect)(connection));
    host_exit();
}

static void
test_exit_in_warning(void)
{
    exits_well(exit_in_warning, "exit1.vmdk");
    host_in_child(assert_closed, (void *) "exit1.vmdk");
}

static void
test_exit_in_log(void)
{
    exits_well(exit_in_log_of_opening, "exit2.vmdk");
    exits_well(exit_in_log_of_init, "exit3.vmdk");
}

static void
test_exit_in_progress(void)
{
    exits_well(exit_in_progress_of_create, "exit4.vmdk");
    host_in_child(assert_closed, (void *) "exit4.vmdk");
}

static void
test_exit_in_callback(void)
{
    exits_well(exit_in_callback, "exit5.vmdk");
}

int
main(int argc, char **argv)
{
    host_begin(&argc, &argv);
    g_test_add_func("/vix/bareos/dump", test_dump);
    g_test_add_func("/vix/bareos/restore", test_restore);
    g_test_add_func("/vix/bareos/exit-in-warning", test_exit_in_warning);
    g_test_add_func("/vix/bareos/exit-in-log", test_exit_in_log);
    g_test_add_func("/vix/bareos/exit-in-progress", test_exit_in_progress);
    g_test_add_func("/vix/bareos/exit-in-callback", test_exit_in_callback);
    return host_run();
}
