/* SPDX-License-Identifier: BSD-3-Clause */
/* examples/glib-main-loop.c - libvdisk inside a GLib program.
 *
 * Reads a disk image asynchronously, DEPTH blocks at a time, while the main
 * loop goes on serving everything else (here: a timer that reports progress),
 * and prints a checksum of the content.
 *
 *   cc glib-main-loop.c $(pkg-config --cflags --libs vdisk) -o glib-main-loop
 *   ./glib-main-loop disk.vmdk
 */
#include <stdio.h>
#include <stdlib.h>
#include <vdisk.h>

#define DEPTH 16
#define BLOCK (64u << 10)

typedef struct App App;

typedef struct {
    App *app;
    uint64_t off;
    struct iovec iov;
    unsigned char *buf;
} Slot;

struct App {
    GMainLoop *loop;
    const char *name;
    VdDisk *disk;
    uint64_t next, size, done;
    uint64_t checksum;
    unsigned in_flight;
    bool failed;
    Slot slots[DEPTH];
};

static void
app_closed(void *opaque, const GError *error)
{
    App *app = opaque;

    if (error != NULL) {
        (void) fprintf(stderr, "%s\n", error->message);
        app->failed = true;
    }
    g_main_loop_quit(app->loop);
}

static void read_done(void *opaque, const GError *error);

/* Start to read the next block into @slot; close the disk after the last. */
static void
read_next(Slot *slot)
{
    App *app = slot->app;
    uint64_t len = app->size - app->next;

    if (app->failed || len == 0) {
        if (app->in_flight == 0 && app->disk != NULL)
            vd_disk_close_async(g_steal_pointer(&app->disk), app_closed, app);
        return;
    }
    slot->off = app->next;
    slot->iov.iov_base = slot->buf;
    slot->iov.iov_len = len < BLOCK ? len : BLOCK;
    app->next += slot->iov.iov_len;
    app->in_flight++;
    vd_disk_preadv_async(app->disk, &slot->iov, 1, slot->off, read_done, slot);
}

/* Runs from the main loop, never inside read_next().  Blocks arrive in any
 * order, so every byte counts with its offset. */
static void
read_done(void *opaque, const GError *error)
{
    Slot *slot = opaque;
    App *app = slot->app;

    app->in_flight--;
    if (error != NULL) {
        (void) fprintf(stderr, "%s\n", error->message);
        app->failed = true;
    } else {
        for (size_t i = 0; i < slot->iov.iov_len; i++)
            app->checksum += slot->buf[i] * (2 * (slot->off + i) + 1);
        app->done += slot->iov.iov_len;
    }
    read_next(slot);
}

static gboolean
report_progress(gpointer data)
{
    const App *app = data;

    (void) fprintf(stderr,
                   "%" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " bytes\n",
                   app->done, app->size);
    return G_SOURCE_CONTINUE;
}

static bool
app_open(App *app, VdContext *ctx, GError **error)
{
    app->disk = vd_disk_open(ctx, app->name, NULL, NULL, 0, error);
    if (app->disk == NULL)
        return false;
    app->size = vd_disk_size(app->disk);
    for (unsigned i = 0; i < DEPTH; i++) {
        app->slots[i].app = app;
        app->slots[i].buf = g_malloc(BLOCK);
    }
    return true;
}

static void
app_run(App *app, VdContext *ctx)
{
    GSource *source = vd_context_source_new(ctx);
    guint timer = g_timeout_add_seconds(1, report_progress, app);

    (void) g_source_attach(source, NULL);
    for (unsigned i = 0; i < DEPTH; i++)
        read_next(&app->slots[i]);
    g_main_loop_run(app->loop);
    (void) g_source_remove(timer);
    g_source_destroy(source);
    g_source_unref(source);
    for (unsigned i = 0; i < DEPTH; i++)
        g_free(app->slots[i].buf);
    if (!app->failed)
        (void) printf("%016" G_GINT64_MODIFIER "x %s\n", app->checksum,
                      app->name);
}

int
main(int argc, char **argv)
{
    App app = {.name = argv[1], .failed = true};
    GError *error = NULL;
    VdContext *ctx;

    if (argc != 2) {
        (void) fprintf(stderr, "usage: %s IMAGE\n", argv[0]);
        return EXIT_FAILURE;
    }
    app.loop = g_main_loop_new(NULL, FALSE);
    ctx = vd_context_new(NULL, &error);
    if (ctx != NULL && app_open(&app, ctx, &error)) {
        app.failed = false;
        app_run(&app, ctx);
    }
    if (ctx != NULL)
        vd_context_free(ctx);
    g_main_loop_unref(app.loop);
    if (error != NULL)
        (void) fprintf(stderr, "%s\n", error->message);
    g_clear_error(&error);
    return app.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
