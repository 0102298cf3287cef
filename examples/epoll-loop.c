/* SPDX-License-Identifier: BSD-3-Clause */
/* examples/epoll-loop.c - libvdisk inside a loop of your own.
 *
 * Reads a disk image asynchronously, DEPTH blocks at a time, and prints a
 * checksum of its content.  The loop is an ordinary epoll loop; libvdisk adds
 * one descriptor and a timeout to it, and does its work when told to dispatch.
 *
 *   cc epoll-loop.c $(pkg-config --cflags --libs vdisk) -o epoll-loop
 *   ./epoll-loop disk.vmdk
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <vdisk.h>

#define DEPTH 16
#define BLOCK (64u << 10)

typedef struct Reader Reader;

typedef struct {
    Reader *reader;
    uint64_t off;
    struct iovec iov;
    unsigned char *buf;
} Slot;

struct Reader {
    VdDisk *disk;
    uint64_t next, size;
    uint64_t checksum;
    unsigned in_flight;
    bool failed;
    Slot slots[DEPTH];
};

static void read_done(void *opaque, const GError *error);

/* Start to read the next block of the disk into @slot, if there is one. */
static void
read_next(Slot *slot)
{
    Reader *r = slot->reader;
    uint64_t len = r->size - r->next;

    if (r->failed || len == 0)
        return;
    slot->off = r->next;
    slot->iov.iov_base = slot->buf;
    slot->iov.iov_len = len < BLOCK ? len : BLOCK;
    r->next += slot->iov.iov_len;
    r->in_flight++;
    vd_disk_preadv_async(r->disk, &slot->iov, 1, slot->off, read_done, slot);
}

/* Blocks arrive in any order, so every byte counts with its offset. */
static uint64_t
block_checksum(const Slot *slot)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < slot->iov.iov_len; i++)
        sum += slot->buf[i] * (2 * (slot->off + i) + 1);
    return sum;
}

/* Runs inside vd_context_dispatch(), never inside read_next(). */
static void
read_done(void *opaque, const GError *error)
{
    Slot *slot = opaque;
    Reader *r = slot->reader;

    r->in_flight--;
    if (error != NULL) {
        (void) fprintf(stderr, "%s\n", error->message);
        r->failed = true;
        return;
    }
    r->checksum += block_checksum(slot);
    read_next(slot);
}

static bool
read_all(Reader *r, VdContext *ctx)
{
    struct epoll_event event = {.events = EPOLLIN};
    int ep = epoll_create1(EPOLL_CLOEXEC);

    if (ep < 0 ||
        epoll_ctl(ep, EPOLL_CTL_ADD, vd_context_fd(ctx), &event) < 0) {
        perror("epoll");
        return false;
    }
    for (unsigned i = 0; i < DEPTH; i++)
        read_next(&r->slots[i]);

    while (r->in_flight > 0) {
        /* The timeout changes with every submission: ask before each wait. */
        if (epoll_wait(ep, &event, 1, vd_context_timeout_ms(ctx)) < 0 &&
            errno != EINTR)
            break;
        (void) vd_context_dispatch(ctx);
    }
    (void) close(ep);
    return !r->failed;
}

static bool
checksum_image(VdContext *ctx, const char *name, GError **error)
{
    Reader r = {.disk = vd_disk_open(ctx, name, NULL, NULL, 0, error)};
    bool ok;

    if (r.disk == NULL)
        return false;
    r.size = vd_disk_size(r.disk);
    for (unsigned i = 0; i < DEPTH; i++) {
        r.slots[i].reader = &r;
        r.slots[i].buf = g_malloc(BLOCK);
    }
    ok = read_all(&r, ctx);
    if (ok)
        (void) printf("%016" G_GINT64_MODIFIER "x %s\n", r.checksum, name);
    for (unsigned i = 0; i < DEPTH; i++)
        g_free(r.slots[i].buf);
    return vd_disk_close(r.disk, error) && ok;
}

int
main(int argc, char **argv)
{
    VdContextParams params = {.fixed_thread = true};
    GError *error = NULL;
    VdContext *ctx;
    bool ok = false;

    if (argc != 2) {
        (void) fprintf(stderr, "usage: %s IMAGE\n", argv[0]);
        return EXIT_FAILURE;
    }
    ctx = vd_context_new(&params, &error);
    if (ctx != NULL) {
        ok = checksum_image(ctx, argv[1], &error);
        vd_context_free(ctx);
    }
    if (error != NULL)
        (void) fprintf(stderr, "%s\n", error->message);
    g_clear_error(&error);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
