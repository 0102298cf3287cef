/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-api-nbd.c - the NBD server as programs that embed it see
 * it. */
#include "include/vdisk-nbd.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SIZE (1u << 20)
#define HELLO "\0\0\0\3"
#define OPTION "IHAVEOPT"
/* GO for the default export, with no further wishes. */
#define GO OPTION "\0\0\0\7\0\0\0\6\0\0\0\0\0\0"

typedef struct {
    VdContext *ctx;
    VdDisk *disk;
    VdNbdServer *server;
} Fixture;

static void
set_up_params(Fixture *f, const VdNbdServerParams *params)
{
    g_autoptr(GError) error = NULL;

    f->ctx = vd_context_new(NULL, &error);
    g_assert_no_error(error);
    f->disk = vd_disk_open(f->ctx, "driver=memory,size=1M", NULL, NULL,
                           VD_OPEN_RDWR | VD_OPEN_IMAGE_OPTS, &error);
    g_assert_no_error(error);
    f->server = vd_nbd_server_new(f->ctx, params, &error);
    g_assert_no_error(error);
}

static void
set_up(Fixture *f, gconstpointer params)
{
    VdNbdExport export = {.description = "text"};

    set_up_params(f, params);
    export.disk = f->disk;
    g_assert_true(vd_nbd_server_add_export(f->server, &export, NULL));
}

static void
tear_down(Fixture *f, gconstpointer params)
{
    vd_nbd_server_free(f->server);
    g_assert_true(vd_disk_close(f->disk, NULL));
    vd_context_free(f->ctx);
}

static VdNbdStats
stats_of(Fixture *f)
{
    VdNbdStats stats;

    vd_nbd_server_get_stats(f->server, &stats);
    return stats;
}

static int
client_new(Fixture *f)
{
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
    g_assert_true(vd_nbd_server_add_client(f->server, fds[1], fds[1], NULL));
    return fds[0];
}

static void
say(int fd, const char *words, size_t len)
{
    g_assert_cmpint(send(fd, words, len, MSG_NOSIGNAL), ==, (ssize_t) len);
}

/* Run the context until @len bytes have come. */
static void
hear(Fixture *f, int fd, uint8_t *buf, size_t len)
{
    while (len > 0) {
        ssize_t n = recv(fd, buf, len, MSG_DONTWAIT);

        g_assert_cmpint(n, !=, 0);
        if (n < 0) {
            (void) vd_context_iterate(f->ctx, 100);
            continue;
        }
        buf += n;
        len -= (size_t) n;
    }
}

/* Up to the transmission; the answers are those of EXPORT, BLOCK_SIZE, ACK. */
static int
client_open(Fixture *f)
{
    uint8_t greeting[18], answers[20 + 12 + 20 + 14 + 20];
    int fd = client_new(f);

    say(fd, HELLO GO, 4 + 16 + 6);
    hear(f, fd, greeting, sizeof(greeting));
    hear(f, fd, answers, sizeof(answers));
    return fd;
}

static void
test_writes_reach_the_disk(Fixture *f, gconstpointer params)
{
    static const char request[] =
        "\x25\x60\x95\x13\0\0\0\1\1\2\3\4\5\6\7\x8\0\0\0\0\0\0\x10\0\0\0\0\4"
        "abcd";
    uint8_t reply[16], data[4];
    VdNbdStats stats;
    int fd = client_open(f);

    say(fd, request, sizeof(request) - 1);
    hear(f, fd, reply, sizeof(reply));
    g_assert_cmpmem(reply, 16, "\x67\x44\x66\x98\0\0\0\0\1\2\3\4\5\6\7\x8", 16);
    g_assert_true(vd_disk_pread(f->disk, data, 4, 4096, NULL));
    g_assert_cmpmem(data, 4, "abcd", 4);
    vd_nbd_server_get_stats(f->server, &stats);
    g_assert_cmpuint(stats.requests, ==, 1);
    g_assert_cmpuint(stats.written_bytes, ==, 4);
    g_assert_cmpuint(stats.payload_bytes, ==, 0);
    g_assert_cmpuint(stats.payload_bytes_peak, >=, 4);
    close(fd);
}

/* Two ends of a connection over TCP. */
static void
tcp_pair(int fds[2])
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(addr);
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    g_assert_cmpint(bind(listener, (struct sockaddr *) &addr, len), ==, 0);
    g_assert_cmpint(listen(listener, 1), ==, 0);
    g_assert_cmpint(getsockname(listener, (struct sockaddr *) &addr, &len), ==,
                    0);
    fds[0] = socket(AF_INET, SOCK_STREAM, 0);
    g_assert_cmpint(connect(fds[0], (struct sockaddr *) &addr, len), ==, 0);
    fds[1] = accept(listener, NULL, NULL);
    g_assert_cmpint(fds[1], >=, 0);
    close(listener);
}

static int
socket_option(int fd, int level, int option)
{
    int value = -1;
    socklen_t len = sizeof(value);

    g_assert_cmpint(getsockopt(fd, level, option, &value, &len), ==, 0);
    return value;
}

/* Small answers leave at once, and clients whose machine is gone are noticed.
 */
static void
test_connections_are_tuned(Fixture *f, gconstpointer params)
{
    int fds[2];

    tcp_pair(fds);
    g_assert_true(vd_nbd_server_add_client(f->server, fds[1], fds[1], NULL));
    g_assert_cmpint(socket_option(fds[1], IPPROTO_TCP, TCP_NODELAY), ==, 1);
    g_assert_cmpint(socket_option(fds[1], SOL_SOCKET, SO_KEEPALIVE), ==, 1);
    g_assert_cmpint(socket_option(fds[1], IPPROTO_TCP, TCP_USER_TIMEOUT), ==,
                    0);
    close(fds[0]);
}

static void
test_stop_twice(Fixture *f, gconstpointer params)
{
    int fd = client_open(f);
    char byte;

    close(client_new(f));
    shutdown(fd, SHUT_WR); /* as one that leaves */
    g_assert_true(vd_nbd_server_stop(f->server, NULL));
    g_assert_true(vd_nbd_server_stop(f->server, NULL));
    g_assert_cmpint(recv(fd, &byte, 1, 0), ==, 0);
    close(fd);
}

static void
test_too_many(Fixture *f, gconstpointer params)
{
    g_autoptr(GError) error = NULL;
    VdNbdStats stats;
    int fd = client_open(f), fds[2];
    char byte;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
    g_assert_false(vd_nbd_server_add_client(f->server, fds[1], fds[1], &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_LIMIT);
    g_assert_cmpint(recv(fds[0], &byte, 1, 0), ==, 0);
    vd_nbd_server_get_stats(f->server, &stats);
    g_assert_cmpuint(stats.refused, ==, 1);
    close(fds[0]);
    close(fd);
}

static void
test_handshake_deadline(Fixture *f, gconstpointer params)
{
    uint8_t greeting[18]; /* which comes if there is time for it */
    int fd = client_new(f);

    say(fd, "\0\0", 2); /* half an answer, and no more */
    while (recv(fd, greeting, sizeof(greeting), MSG_DONTWAIT) != 0)
        (void) vd_context_iterate(f->ctx, 100);
    close(fd);
}

static void
test_run_ends_with_the_last(Fixture *f, gconstpointer params)
{
    int fd = client_open(f);

    close(fd);
    g_assert_true(vd_nbd_server_run(f->server, NULL));
}

static gpointer
quit_thread(gpointer server)
{
    vd_nbd_server_quit(server);
    return NULL;
}

/* From another thread; disks are not cancelled by it. */
static void
test_quit(Fixture *f, gconstpointer params)
{
    g_autoptr(GError) error = NULL;
    int fd = client_open(f);
    char byte;
    GThread *thread;

    /* Else it ended with its only client. */
    g_assert_true(vd_nbd_server_listen_tcp(f->server, "127.0.0.1", "0", NULL));
    shutdown(fd, SHUT_WR); /* as one that leaves */
    thread = g_thread_new("quit", quit_thread, f->server);
    g_assert_true(vd_nbd_server_run(f->server, &error));
    g_assert_no_error(error);
    (void) g_thread_join(thread);
    g_assert_true(vd_disk_pread(f->disk, &byte, 1, 0, NULL));
    close(fd);
}

/* One that only looks: @leaves before the end, when the other has gone. */
static void
run_with_looker(Fixture *f, bool leaves)
{
    int fd = client_open(f), looker = client_new(f);
    uint8_t greeting[18];

    hear(f, looker, greeting, sizeof(greeting));
    close(fd);
    while (leaves && stats_of(f).clients > 1)
        (void) vd_context_iterate(f->ctx, 100);
    if (leaves)
        close(looker);
    g_assert_true(vd_nbd_server_run(f->server, NULL));
    g_assert_cmpuint(stats_of(f).clients, ==, 0);
    if (!leaves)
        close(looker);
}

static void
test_looker_stays(Fixture *f, gconstpointer params)
{
    run_with_looker(f, false);
}

static void
test_looker_leaves(Fixture *f, gconstpointer params)
{
    run_with_looker(f, true);
}

/* -- exports and addresses ------------------------------------------------- */

static void
refuse_export(Fixture *f, VdNbdExport export, VdErrorCode code)
{
    g_autoptr(GError) error = NULL;

    export.disk = f->disk;
    g_assert_false(vd_nbd_server_add_export(f->server, &export, &error));
    g_assert_error(error, VD_ERROR, (int) code);
}

static void
test_exports(Fixture *f, gconstpointer params)
{
    static const char *const bitmaps[] = {"b", NULL};
    g_autofree char *longer = g_strnfill(4097, 'x');

    refuse_export(f, (VdNbdExport){.name = NULL}, VD_ERROR_EXISTS);
    refuse_export(f, (VdNbdExport){.name = longer}, VD_ERROR_INVALID_ARGUMENT);
    refuse_export(f, (VdNbdExport){.name = "\xff"}, VD_ERROR_INVALID_ARGUMENT);
    refuse_export(f, (VdNbdExport){.name = "a", .description = "\xff"},
                  VD_ERROR_INVALID_ARGUMENT);
    refuse_export(f, (VdNbdExport){.name = "a", .bitmaps = bitmaps},
                  VD_ERROR_INVALID_ARGUMENT);
}

static void
test_addresses(Fixture *f, gconstpointer params)
{
    g_autofree char *dir = g_dir_make_tmp("vdisk-test-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "a b", NULL);
    g_autofree char *uri = NULL, *wanted = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_null(vd_nbd_server_get_uri(f->server, "x"));
    g_assert_false(vd_nbd_server_listen_fd(f->server, 0, &error));
    g_assert_error(error, VD_ERROR, VD_ERROR_INVALID_ARGUMENT);
    g_assert_true(vd_nbd_server_listen_unix(f->server, path, NULL));
    g_assert_true(vd_nbd_server_listen_tcp(f->server, "127.0.0.1", "0", NULL));
    uri = vd_nbd_server_get_uri(f->server, "a/b?");
    wanted = g_strdup_printf("nbd+unix:///a/b%%3F?socket=%s/a%%20b", dir);
    g_assert_cmpstr(uri, ==, wanted);
    g_assert_true(vd_nbd_server_stop(f->server, NULL));
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    g_assert_cmpint(g_rmdir(dir), ==, 0);
}

/* -- system calls -----------------------------------------------------------
 */

#define BATCH 32u
#define BLOCK 4096u
/* For greeting, waiting, and for taking and answering all of a batch. */
#define FEW 64u

static void
keep_syscalls(const VdContextStats *stats, void *opaque)
{
    *(uint64_t *) opaque = stats->syscalls;
}

static void
put_be(uint8_t *to, uint64_t value, unsigned len)
{
    while (len-- > 0) {
        to[len] = (uint8_t) value;
        value >>= 8;
    }
}

/* Requests of one kind, one behind the other, each with its payload. */
static GByteArray *
batch_new(unsigned command)
{
    static const uint8_t payload[BLOCK] = "payload";
    GByteArray *batch = g_byte_array_new();

    for (unsigned i = 0; i < BATCH; i++) {
        uint8_t head[28];

        put_be(head, 0x25609513, 4);
        put_be(head + 4, command, 4);
        put_be(head + 8, i, 8);
        put_be(head + 16, i * BLOCK, 8);
        put_be(head + 24, BLOCK, 4);
        g_byte_array_append(batch, head, sizeof(head));
        if (command == 1)
            g_byte_array_append(batch, payload, BLOCK);
    }
    return batch;
}

/* All at once; the answers are read. */
static void
batch_run(Fixture *f, int fd, unsigned command)
{
    g_autoptr(GByteArray) batch = batch_new(command);
    size_t size = BATCH * (16 + (command == 0 ? BLOCK : 0));
    g_autofree uint8_t *answers = g_malloc(size);

    say(fd, (char *) batch->data, batch->len);
    hear(f, fd, answers, size);
    g_assert_cmpmem(answers, 8, "\x67\x44\x66\x98\0\0\0\0", 8);
}

static void
batches_run(const char *engine, const char *path)
{
    uint64_t syscalls = 0;
    VdObserver observer = {.end = keep_syscalls, .opaque = &syscalls};
    VdContextParams params = {
        .engine = engine,
        .observer = &observer,
    };
    Fixture f = {.ctx = vd_context_new(&params, NULL)};
    VdNbdExport export = {.name = ""};
    const int room = 256 << 10;
    int fd;

    if (f.ctx == NULL)
        return; /* an engine that this machine does not have */
    f.disk = vd_disk_open(f.ctx, path, "raw", NULL, VD_OPEN_RDWR, NULL);
    f.server = vd_nbd_server_new(f.ctx, NULL, NULL);
    export.disk = f.disk;
    g_assert_true(vd_nbd_server_add_export(f.server, &export, NULL));
    fd = client_open(&f);
    (void) setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
    batch_run(&f, fd, 1);
    batch_run(&f, fd, 0);
    close(fd);
    tear_down(&f, NULL);
    g_test_message("%s: %" G_GUINT64_FORMAT " system calls", engine, syscalls);
    g_assert_cmpuint(syscalls, >=, BATCH);
    g_assert_cmpuint(syscalls, <=, 2 * BATCH + FEW);
}

/* One system call for each block of the disk; hearing of requests and answering
 * them is for all together. */
static void
test_few_system_calls(void)
{
    static const char *const engines[] = {"uring", "threads"};
    g_autofree char *dir = g_dir_make_tmp("vdisk-test-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "disk.raw", NULL);
    g_autofree char *zeroes = g_malloc0(SIZE);

    g_assert_true(g_file_set_contents(path, zeroes, SIZE, NULL));
    for (unsigned i = 0; i < G_N_ELEMENTS(engines); i++)
        batches_run(engines[i], path);
    g_assert_cmpint(g_unlink(path), ==, 0);
    g_assert_cmpint(g_rmdir(dir), ==, 0);
}

#define ADD(name, params, func)                                                \
    g_test_add("/api/nbd/" name, Fixture, params, set_up, func, tear_down)

int
main(int argc, char **argv)
{
    static const VdNbdServerParams one = {.max_clients = 1};
    static const VdNbdServerParams hurry = {.handshake_ms = 50};
    static const VdNbdServerParams unused = {.until_unused = true};

    g_test_init(&argc, &argv, NULL);
    ADD("writes-reach-the-disk", NULL, test_writes_reach_the_disk);
    ADD("connections-are-tuned", NULL, test_connections_are_tuned);
    ADD("stop-twice", NULL, test_stop_twice);
    ADD("too-many", &one, test_too_many);
    ADD("handshake-deadline", &hurry, test_handshake_deadline);
    ADD("run-ends-with-the-last", &unused, test_run_ends_with_the_last);
    ADD("run-ends-with-the-last/looker-stays", &unused, test_looker_stays);
    ADD("run-ends-with-the-last/looker-leaves", &unused, test_looker_leaves);
    ADD("quit", NULL, test_quit);
    ADD("exports", NULL, test_exports);
    ADD("addresses", NULL, test_addresses);
    g_test_add_func("/api/nbd/few-system-calls", test_few_system_calls);
    return g_test_run();
}
