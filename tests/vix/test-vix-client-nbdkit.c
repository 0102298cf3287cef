/* SPDX-License-Identifier: BSD-3-Clause */
/* test-vix-client-nbdkit - the order of calls, and the threads, of nbdkit's
 * vddk plugin.
 *
 * It forks, then calls InitEx.  Each connection has a thread that opens and
 * closes under a lock of all connections; one worker that makes all other calls
 * on the handle; and several threads that wait for the worker's answers, on
 * whose stacks the commands lie.
 */
#include <string.h>

#include "tests/vix/host.h"

#define MAX_CONNECTIONS 4
#define REQUEST_THREADS 4
#define ROUNDS 16
#define AREA 2048 /* sectors, for each request thread */

/* -- commands ------------------------------------------------------------- */

typedef enum {
    INFO,
    READ,
    WRITE,
    FLUSH,
    CAN_EXTENTS,
    EXTENTS,
    STOP,
} What;

typedef struct Connection Connection;

/* On the stack of the thread that waits for it. */
typedef struct {
    What what;
    uint64 start, count;
    uint8 *buf;
    void *result; /* of INFO, EXTENTS */
    VixError error;
    HostCount done;
} Command;

struct Connection {
    const char *path;
    bool writes;
    uint32 seed; /* of what is on the disk */
    VixDiskLibConnectParams *params;
    VixDiskLibConnection connection;
    VixDiskLibHandle disk;
    /* commands, under lock */
    pthread_mutex_t lock;
    pthread_cond_t more;
    GQueue commands;
};

static pthread_mutex_t open_close = PTHREAD_MUTEX_INITIALIZER;

static void
retire(Command *command, VixError error)
{
    command->error = error;
    host_count_add(&command->done);
}

static void
completed(void *opaque, VixError result)
{
    retire(opaque, result);
}

/* -- the worker ----------------------------------------------------------- */

static void
run_data(const Connection *c, Command *command)
{
    VixError err;

    if (command->what == READ)
        err = vix(ReadAsync)(c->disk, command->start, command->count,
                             command->buf, completed, command);
    else
        err = vix(WriteAsync)(c->disk, command->start, command->count,
                              command->buf, completed, command);
    /* The command may be gone if it was accepted. */
    if (err != VIX_ASYNC)
        retire(command, err ? err : VIX_E_FAIL);
}

static VixError
run_flush(const Connection *c)
{
    assert_ok(vix(Wait)(c->disk));
    return vix(Flush)(c->disk);
}

static VixError
run_extents(const Connection *c, Command *command)
{
    return vix(QueryAllocatedBlocks)(c->disk, command->start, command->count,
                                     VIXDISKLIB_MIN_CHUNK_SIZE,
                                     (VixDiskLibBlockList **) &command->result);
}

static VixError
run_can_extents(const Connection *c)
{
    VixDiskLibBlockList *list;
    VixError err =
        vix(QueryAllocatedBlocks)(c->disk, 0, VIXDISKLIB_MIN_CHUNK_SIZE,
                                  VIXDISKLIB_MIN_CHUNK_SIZE, &list);

    if (err == VIX_OK)
        vix(FreeBlockList)(list);
    return err;
}

static VixError
run_command(const Connection *c, Command *command)
{
    switch (command->what) {
    case INFO:
        return vix(GetInfo)(c->disk, (VixDiskLibInfo **) &command->result);
    case FLUSH:
        return run_flush(c);
    case CAN_EXTENTS:
        return run_can_extents(c);
    case EXTENTS:
        return run_extents(c, command);
    default:
        return vix(Wait)(c->disk);
    }
}

static Command *
next_command(Connection *c)
{
    Command *command;

    pthread_mutex_lock(&c->lock);
    while (g_queue_is_empty(&c->commands))
        pthread_cond_wait(&c->more, &c->lock);
    command = g_queue_pop_head(&c->commands);
    pthread_mutex_unlock(&c->lock);
    return command;
}

static void *
worker(void *opaque)
{
    Connection *c = opaque;
    bool stop = false;

    while (!stop) {
        Command *command = next_command(c);

        stop = command->what == STOP;
        if (command->what == READ || command->what == WRITE)
            run_data(c, command);
        else
            retire(command, run_command(c, command));
    }
    return NULL;
}

static void *
order(Connection *c, What what, uint64 start, uint64 count, uint8 *buf)
{
    Command command = {
        .what = what, .start = start, .count = count, .buf = buf};

    host_count_init(&command.done);
    pthread_mutex_lock(&c->lock);
    g_queue_push_tail(&c->commands, &command);
    pthread_cond_signal(&c->more);
    pthread_mutex_unlock(&c->lock);
    host_count_await(&command.done, 1);
    /* Whoever has added may still hold the lock. */
    g_assert_cmpuint(host_count_get(&command.done), ==, 1);
    host_count_clear(&command.done);
    assert_ok(command.error);
    return command.result;
}

/* -- a connection --------------------------------------------------------- */

static void
open_disk(Connection *c)
{
    pthread_mutex_lock(&open_close);
    c->params = vix(AllocateConnectParams)();
    c->params->privateUse = 0;
    assert_ok(
        vix(ConnectEx)(c->params, !c->writes, NULL, NULL, &c->connection));
    assert_ok(vix(Open)(c->connection, c->path,
                        c->writes ? 0 : VIXDISKLIB_FLAG_OPEN_READ_ONLY,
                        &c->disk));
    g_assert_cmpstr(vix(GetTransportMode)(c->disk), ==, "file");
    pthread_mutex_unlock(&open_close);
}

static void
close_disk(Connection *c)
{
    pthread_mutex_lock(&open_close);
    assert_ok(vix(Close)(c->disk));
    assert_ok(vix(Disconnect)(c->connection));
    vix(FreeConnectParams)(c->params);
    pthread_mutex_unlock(&open_close);
}

/* The size, and the size of blocks, each of which asks anew. */
static void
ask_info(Connection *c)
{
    for (unsigned i = 0; i < 2; i++) {
        VixDiskLibInfo *info = order(c, INFO, 0, 0, NULL);

        g_assert_cmpuint(info->capacity, ==, REQUEST_THREADS * AREA);
        g_assert_cmpuint(info->logicalSectorSize, ==, 512);
        vix(FreeInfo)(info);
    }
}

typedef struct {
    Connection *c;
    uint64 start; /* of the area of this thread */
} Requests;

static void *
request_thread(void *opaque)
{
    const Requests *r = opaque;
    Connection *c = r->c;
    g_autofree uint8 *buf = g_malloc(AREA / 4 * SECTOR);

    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64 count = 1 + round * 31 % (AREA / 4);
        uint64 start = r->start + round * 97 % (AREA - count);

        if (c->writes) {
            host_fill(buf, start, count, c->seed);
            order(c, WRITE, start, count, buf);
            if (round % 4 == 3)
                order(c, FLUSH, 0, 0, NULL);
        }
        memset(buf, 0xaa, count * SECTOR);
        order(c, READ, start, count, buf);
        g_assert_true(host_holds(buf, start, count, c->seed));
    }
    return NULL;
}

static void
serve(Connection *c)
{
    pthread_t threads[REQUEST_THREADS];
    Requests requests[REQUEST_THREADS];

    for (unsigned i = 0; i < REQUEST_THREADS; i++) {
        requests[i] = (Requests){.c = c, .start = i * AREA};
        threads[i] = host_thread(request_thread, &requests[i]);
    }
    for (unsigned i = 0; i < REQUEST_THREADS; i++)
        host_join(threads[i]);
}

static void *
connection_thread(void *opaque)
{
    Connection *c = opaque;
    pthread_t thread;

    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->more, NULL);
    open_disk(c);
    thread = host_thread(worker, c);
    ask_info(c);
    order(c, CAN_EXTENTS, 0, 0, NULL);
    serve(c);
    order(c, FLUSH, 0, 0, NULL);
    order(c, STOP, 0, 0, NULL);
    host_join(thread);
    close_disk(c);
    pthread_cond_destroy(&c->more);
    pthread_mutex_destroy(&c->lock);
    return NULL;
}

/* -- the server ----------------------------------------------------------- */

typedef struct {
    Connection connections[MAX_CONNECTIONS];
    unsigned n;
} Server;

static void
server_begin(void)
{
    unsigned before = host_count_threads();

    assert_ok(
        vix(InitEx)(6, 5, host_log, host_warn, host_panic, "/nowhere", NULL));
    g_assert_cmpuint(host_count_threads(), ==, before);
    g_assert_true(host_has_logged("VMware VixDiskLib ("));
    g_assert_true(host_has_logged(") Release build-"));
}

static void
server_main(void *opaque)
{
    Server *server = opaque;
    pthread_t threads[MAX_CONNECTIONS];

    server_begin();
    for (unsigned i = 0; i < server->n; i++)
        threads[i] = host_thread(connection_thread, &server->connections[i]);
    for (unsigned i = 0; i < server->n; i++)
        host_join(threads[i]);
    g_assert_true(host_has_logged("DISKLIB-LINK  : Opened 'file://"));
    host_exit();
}

static void
fill(const char *path, uint32 seed)
{
    VixDiskLibConnection connection;
    VixDiskLibHandle disk;

    host_init();
    connection = host_connect();
    disk = host_open(connection, path, 0);
    host_write(disk, 0, REQUEST_THREADS * AREA, seed);
    assert_ok(vix(Close)(disk));
    assert_ok(vix(Disconnect)(connection));
    host_exit();
}

static void
fill_in_child(void *opaque)
{
    fill(opaque, 3);
}

static void
test_readers_of_one_disk(void)
{
    const char *path = host_make_disk("ro.vmdk", REQUEST_THREADS * AREA);
    Server server = {.n = MAX_CONNECTIONS};

    host_in_child(fill_in_child, (void *) path);
    for (unsigned i = 0; i < server.n; i++)
        server.connections[i] = (Connection){.path = path, .seed = 3};
    host_in_child(server_main, &server);
}

static void
check_areas(void *opaque)
{
    const char *path = opaque;
    VixDiskLibConnection connection;
    VixDiskLibHandle disk;

    host_init();
    connection = host_connect();
    disk = host_open(connection, path, VIXDISKLIB_FLAG_OPEN_READ_ONLY);
    /* The first request of each of the threads. */
    for (unsigned i = 0; i < REQUEST_THREADS; i++)
        host_assert_reads(disk, i * AREA, 1, 7);
    assert_ok(vix(Close)(disk));
    assert_ok(vix(Disconnect)(connection));
    host_exit();
}

static void
test_writers(void)
{
    static const char *const names[] = {"w0.vmdk", "w1.vmdk", "w2.vmdk"};
    Server server = {.n = G_N_ELEMENTS(names)};

    for (unsigned i = 0; i < server.n; i++) {
        const char *path = host_make_disk(names[i], REQUEST_THREADS * AREA);

        server.connections[i] =
            (Connection){.path = path, .writes = true, .seed = 7};
    }
    host_in_child(server_main, &server);
    for (unsigned i = 0; i < server.n; i++)
        host_in_child(check_areas, (void *) server.connections[i].path);
}

/* -- extents -------------------------------------------------------------- */

/* Disks need not end where a chunk does; the hole in the middle must show. */
static void
extents_main(void *opaque)
{
    Connection c = {.path = opaque, .writes = true};
    VixDiskLibBlockList *list;
    Command command = {.count = 512};

    server_begin();
    open_disk(&c);
    assert_ok(run_can_extents(&c));
    host_write(c.disk, 0, 384, 1);
    host_write(c.disk, 512, 3, 1);
    assert_ok(run_extents(&c, &command));
    list = command.result;
    g_assert_cmpuint(list->numBlocks, ==, 1);
    g_assert_cmpuint(list->blocks[0].offset, ==, 0);
    g_assert_cmpuint(list->blocks[0].length, ==, 384);
    assert_ok(vix(FreeBlockList)(list));
    close_disk(&c);
    host_exit();
}

static void
test_extents(void)
{
    host_in_child(extents_main, (void *) host_make_disk("odd.vmdk", 515));
}

/* "nbdkit --dump-plugin" */
static void
dump_main(void *opaque)
{
    assert_ok(vix(InitEx)(6, 5, NULL, NULL, NULL, NULL, NULL));
    g_assert_cmpstr(vix(ListTransportModes)(), ==,
                    g_getenv("VDISK_TRANSPORTS"));
    vix(Exit)();
}

static void
test_dump_plugin(void)
{
    host_in_child(dump_main, NULL);
}

int
main(int argc, char **argv)
{
    host_begin(&argc, &argv);
    g_test_add_func("/vix/nbdkit/readers-of-one-disk",
                    test_readers_of_one_disk);
    g_test_add_func("/vix/nbdkit/writers", test_writers);
    g_test_add_func("/vix/nbdkit/extents", test_extents);
    g_test_add_func("/vix/nbdkit/dump-plugin", test_dump_plugin);
    return host_run();
}
