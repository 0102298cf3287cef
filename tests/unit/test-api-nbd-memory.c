/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/unit/test-api-nbd-memory.c - clients of an NBD server that has little
 * memory for their payload. */
#include "api/nbd/server.h"

#include "io/bytes.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MIB (UINT64_C(1) << 20)
#define DISK_OPTIONS "driver=memory,size=64M"
#define HELLO "\0\0\0\3"
/* GO for the default export, with no further wishes. */
#define GO "IHAVEOPT\0\0\0\7\0\0\0\6\0\0\0\0\0\0"
#define REPLY 16u
#define EINVAL_REPLY "\x67\x44\x66\x98\0\0\0\x16"
#define GOOD_REPLY "\x67\x44\x66\x98\0\0\0\0"

typedef struct {
    VdContext *ctx;
    VdDisk *disk;
    VdNbdServer *server;
    uint32_t preferred, max; /* that the last client was told */
} Fixture;

typedef struct {
    const char *engine;
    uint64_t limit; /* bytes of buffers */
} Setting;

static void
set_up(Fixture *f, gconstpointer opaque)
{
    const Setting *setting = opaque;
    VdContextParams params = {.engine = setting->engine,
                              .buffer_limit = setting->limit};
    VdNbdExport export = {.name = ""};

    f->ctx = vd_context_new(&params, NULL);
    if (f->ctx == NULL)
        return; /* an engine that this machine does not have */
    f->disk = vd_disk_open(f->ctx, DISK_OPTIONS, NULL, NULL,
                           VD_OPEN_RDWR | VD_OPEN_IMAGE_OPTS, NULL);
    g_assert_nonnull(f->disk);
    f->server = vd_nbd_server_new(f->ctx, NULL, NULL);
    export.disk = f->disk;
    g_assert_true(vd_nbd_server_add_export(f->server, &export, NULL));
}

static void
tear_down(Fixture *f, gconstpointer setting)
{
    if (f->ctx == NULL)
        return;
    vd_nbd_server_free(f->server);
    g_assert_true(vd_disk_close(f->disk, NULL));
    vd_context_free(f->ctx);
}

/* Run the context until all has come. */
static void
hear(Fixture *f, int fd, uint8_t *buf, size_t len)
{
    while (len > 0) {
        ssize_t n = recv(fd, buf, len, MSG_DONTWAIT);

        g_assert_cmpint(n, !=, 0);
        if (n < 0) {
            (void) vd_context_iterate(f->ctx, 1);
            continue;
        }
        buf += n;
        len -= (size_t) n;
    }
}

/* Run the context until all is gone. */
static void
say(Fixture *f, int fd, const void *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0) {
            g_assert_cmpint(errno, ==, EAGAIN);
            (void) vd_context_iterate(f->ctx, 1);
            continue;
        }
        bytes = (const char *) bytes + n;
        len -= (size_t) n;
    }
}

/* Up to the transmission; the answers are those of EXPORT, BLOCK_SIZE, ACK. */
static int
client_open(Fixture *f)
{
    uint8_t greeting[18], answers[20 + 12 + 20 + 14 + 20];
    const uint8_t *sizes = answers + 20 + 12 + 20 + 2;
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
    g_assert_true(vd_nbd_server_add_client(f->server, fds[1], fds[1], NULL));
    say(f, fds[0], HELLO GO, 4 + 16 + 6);
    hear(f, fds[0], greeting, sizeof(greeting));
    hear(f, fds[0], answers, sizeof(answers));
    f->preferred = vio_get_be32(sizes + 4);
    f->max = vio_get_be32(sizes + 8);
    return fds[0];
}

static void
ask(Fixture *f, int fd, unsigned command, uint64_t len)
{
    uint8_t head[28] = {0};

    vio_put_be32(head, 0x25609513);
    vio_put_be32(head + 4, command);
    vio_put_be32(head + 24, (uint32_t) len);
    say(f, fd, head, sizeof(head));
}

static void
expect(Fixture *f, int fd, const char *reply, uint64_t payload)
{
    g_autofree uint8_t *answer = g_malloc(REPLY + payload);

    hear(f, fd, answer, REPLY + payload);
    g_assert_cmpmem(answer, 8, reply, 8);
}

/* -- the largest payload --------------------------------------------------- */

/* What is announced as the largest is granted, and what is larger refused: it
 * would wait for ever, and others with it. */
static void
test_largest(Fixture *f, gconstpointer setting)
{
    g_autofree uint8_t *zeroes = g_malloc0(64 * MIB);
    int fd;

    if (f->ctx == NULL)
        return;
    fd = client_open(f);
    g_assert_cmpuint(f->preferred & (f->preferred - 1), ==, 0);
    g_assert_cmpuint(f->preferred, <=, f->max);
    g_assert_cmpuint(f->max, <=, f->server->memory.shared);
    ask(f, fd, NBD_CMD_READ, f->max);
    expect(f, fd, GOOD_REPLY, f->max);
    ask(f, fd, NBD_CMD_WRITE, f->max);
    say(f, fd, zeroes, f->max);
    expect(f, fd, GOOD_REPLY, 0);
    if (f->max < NBD_MAX_PAYLOAD) {
        ask(f, fd, NBD_CMD_READ, f->max + 1);
        expect(f, fd, EINVAL_REPLY, 0);
    }
    close(fd);
}

/* -- who moves ------------------------------------------------------------- */

#define SLOW (16 * MIB)
#define STEP (512u << 10) /* what shows as movement, at least */
#define LOOKS 30u

/* Looks come quickly, and at most one each time that the context is run. */
static void
hurry(Fixture *f)
{
    f->server->memory.watch_ns = 2 * 1000 * 1000;
    f->server->memory.patience = LOOKS;
}

static void
run(Fixture *f, unsigned times)
{
    while (times-- > 0)
        (void) vd_context_iterate(f->ctx, 2);
}

/* A payload that takes long, but comes, may take its time although somebody
 * waits for the memory. */
static void
test_slow(Fixture *f, gconstpointer setting)
{
    g_autofree uint8_t *zeroes = g_malloc0(STEP);
    int slow, other;

    if (f->ctx == NULL)
        return;
    hurry(f);
    slow = client_open(f);
    other = client_open(f);
    ask(f, slow, NBD_CMD_WRITE, SLOW);
    while (f->server->memory.used == 0)
        run(f, 1);
    ask(f, other, NBD_CMD_READ, f->max);
    while (f->server->memory.waiters.length == 0)
        run(f, 1);
    for (uint64_t done = 0; done < SLOW; done += STEP) {
        say(f, slow, zeroes, STEP);
        run(f, LOOKS / 5);
        g_assert_cmpuint(f->server->stats.cut_off, ==, 0);
    }
    expect(f, slow, GOOD_REPLY, 0);
    expect(f, other, GOOD_REPLY, f->max);
    close(slow);
    close(other);
}

/* One that begins and never goes on has to go. */
static void
test_still(Fixture *f, gconstpointer setting)
{
    g_autofree uint8_t *zeroes = g_malloc0(STEP);
    int still, other;

    if (f->ctx == NULL)
        return;
    hurry(f);
    still = client_open(f);
    other = client_open(f);
    ask(f, still, NBD_CMD_WRITE, SLOW);
    say(f, still, zeroes, STEP);
    while (f->server->memory.used == 0)
        run(f, 1);
    ask(f, other, NBD_CMD_READ, f->max);
    expect(f, other, GOOD_REPLY, f->max);
    g_assert_cmpuint(f->server->stats.cut_off, ==, 1);
    close(still);
    close(other);
}

static void
add(const char *name, const Setting *setting,
    void (*func)(Fixture *f, gconstpointer setting))
{
    g_autofree char *path =
        g_strdup_printf("/api/nbd/memory/%s/%s/%u", name, setting->engine,
                        (unsigned) (setting->limit / MIB));

    g_test_add(path, Fixture, setting, set_up, func, tear_down);
}

int
main(int argc, char **argv)
{
    static const Setting settings[] = {
        {"uring", 8 * MIB},  {"threads", 8 * MIB},  {"threads", 9 * MIB},
        {"uring", 16 * MIB}, {"threads", 40 * MIB},
    };

    static const Setting wide[] = {{"uring", 64 * MIB}, {"threads", 64 * MIB}};

    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(settings); i++)
        add("largest", &settings[i], test_largest);
    for (size_t i = 0; i < G_N_ELEMENTS(wide); i++) {
        add("slow", &wide[i], test_slow);
        add("still", &wide[i], test_still);
    }
    return g_test_run();
}
