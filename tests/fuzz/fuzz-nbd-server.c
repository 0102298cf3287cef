/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/fuzz/fuzz-nbd-server.c - whatever a client says to the NBD server.
 *
 * The input is what the client sends, from its answer to the greeting on; while
 * a thread reads all that comes; then it takes its leave.  The export is a
 * small image in memory.  Nothing of the client may be left afterwards.
 */
#include "include/vdisk-nbd.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define DISK "size=1M"
#define TURN_MS 1000

static VdContext *
context(void)
{
    static VdContext *ctx;

    if (!ctx)
        ctx = vd_context_new(NULL, NULL);
    g_assert_nonnull(ctx);
    return ctx;
}

static VdDisk *
disk(void)
{
    static VdDisk *disk;

    if (!disk)
        disk = vd_disk_open(context(), "driver=memory," DISK, NULL, NULL,
                            VD_OPEN_RDWR | VD_OPEN_IMAGE_OPTS, NULL);
    g_assert_nonnull(disk);
    return disk;
}

static VdNbdServer *
server_new(int fd)
{
    VdNbdExport export = {.name = "a", .disk = disk(), .depth = true};
    VdNbdServer *server = vd_nbd_server_new(context(), NULL, NULL);

    g_assert_nonnull(server);
    g_assert_true(vd_nbd_server_add_export(server, &export, NULL));
    g_assert_true(vd_nbd_server_add_client(server, fd, fd, NULL));
    return server;
}

/* What fits now; false: the server hears no more. */
static bool
say(int fd, const uint8_t **data, size_t *size)
{
    ssize_t n;

    if (*size == 0)
        return false;
    n = send(fd, *data, *size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0)
        return errno == EAGAIN;
    *data += n;
    *size -= (size_t) n;
    return true;
}

/* Takes all that comes: a thread's function. */
static gpointer
listen_to(gpointer data)
{
    static uint8_t heard[1 << 16];
    int fd = GPOINTER_TO_INT(data);

    while (recv(fd, heard, sizeof(heard), 0) > 0)
        ;
    return NULL;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    VdNbdServer *server;
    VdNbdStats stats;
    bool speaking = true;
    GThread *listener;
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
    listener = g_thread_new("listener", listen_to, GINT_TO_POINTER(fds[0]));
    server = server_new(fds[1]);
    do {
        if (speaking && !say(fds[0], &data, &size)) {
            speaking = false;
            (void) shutdown(fds[0], SHUT_WR);
        }
        (void) vd_context_iterate(context(), TURN_MS);
        vd_nbd_server_get_stats(server, &stats);
    } while (stats.clients > 0);
    g_assert_cmpuint(stats.payload_bytes, ==, 0);
    (void) g_thread_join(listener);
    close(fds[0]);
    vd_nbd_server_free(server);
    return 0;
}
