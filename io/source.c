/* SPDX-License-Identifier: BSD-3-Clause */
/* io/source.c - a loop inside a GLib main loop.
 *
 * Concurrency: GLib calls these in the thread that runs the main context.
 */
#include "io/loop.h"

typedef struct LoopSource {
    GSource source; /* first */
    VioLoop *loop;
    gpointer tag;
} LoopSource;

static gboolean
loop_source_prepare(GSource *source, gint *timeout_ms)
{
    LoopSource *s = (LoopSource *) source;

    /* The engine starts in the thread that is going to run the loop. */
    if (!s->tag)
        s->tag = g_source_add_unix_fd(source, vio_loop_fd(s->loop), G_IO_IN);
    *timeout_ms = vio_loop_timeout_ms(s->loop);
    return *timeout_ms == 0;
}

static gboolean
loop_source_check(GSource *source)
{
    LoopSource *s = (LoopSource *) source;

    return (s->tag && g_source_query_unix_fd(source, s->tag) != 0) ||
           vio_loop_timeout_ms(s->loop) == 0;
}

static gboolean
loop_source_dispatch(GSource *source, GSourceFunc callback, gpointer data)
{
    LoopSource *s = (LoopSource *) source;

    (void) vio_loop_dispatch(s->loop);
    return callback ? callback(data) : G_SOURCE_CONTINUE;
}

static GSourceFuncs loop_source_funcs = {
    .prepare = loop_source_prepare,
    .check = loop_source_check,
    .dispatch = loop_source_dispatch,
};

GSource *
vio_loop_source_new(VioLoop *loop)
{
    GSource *source = g_source_new(&loop_source_funcs, sizeof(LoopSource));

    g_source_set_name(source, "vdisk");
    ((LoopSource *) source)->loop = loop;
    return source;
}
