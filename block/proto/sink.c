/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/sink.c - files that are written from the first byte to the last.
 *
 * Concurrency: one loop.
 */
#include "block/proto/sink.h"

#include <inttypes.h>
#include <string.h>

#include "block/open.h"

#define SINK_HEAD (128u << 10) /* bytes that can be read back */
#define SINK_FILL (64u << 10)

void
vd_sink_init(VdSink *sink, const VdNode *node, const char *name)
{
    VioCancel *cancel = vd_node_env(node)->cancel;

    sink->name = g_strdup(name);
    sink->loop = vd_node_loop(node);
    sink->cancel = cancel ? vio_cancel_ref(cancel) : NULL;
    sink->head = g_malloc0(SINK_HEAD);
}

void
vd_sink_clear(VdSink *sink)
{
    g_clear_pointer(&sink->cancel, vio_cancel_unref);
    g_clear_error(&sink->failure);
    g_free(sink->head);
    g_free(sink->name);
}

static bool
sink_throw(const VdSink *sink, GError **error)
{
    if (error)
        *error = g_error_copy(sink->failure);
    return false;
}

/* It is the turn of these bytes. */
static void
sink_co_send(VdSink *sink, const void *data, size_t len)
{
    if (!sink->co_send(sink, data, len, &sink->failure))
        return;
    if (sink->pos < SINK_HEAD)
        memcpy(sink->head + sink->pos, data, MIN(len, SINK_HEAD - sink->pos));
    sink->pos += len;
}

static bool
sink_co_await(VdSink *sink, uint64_t off, GError **error)
{
    while (!sink->failure && sink->pos < off)
        vio_co_queue_wait(&sink->turn);
    if (sink->failure)
        return sink_throw(sink, error);
    return sink->pos == off ||
           vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                    "%s: byte %" PRIu64 " has been written already, and a "
                    "stream cannot go back",
                    sink->name, off);
}

bool
vd_sink_co_pwritev(VdSink *sink, uint64_t off, const VioVec *src,
                   GError **error)
{
    g_autofree struct iovec *iov = g_new(struct iovec, vio_vec_count(src));
    int n = vio_vec_fill(src, iov, vio_vec_count(src), NULL);

    if (!sink_co_await(sink, off, error))
        return false;
    for (int i = 0; i < n && !sink->failure; i++)
        sink_co_send(sink, iov[i].iov_base, iov[i].iov_len);
    sink->size = MAX(sink->size, sink->pos);
    vio_co_queue_wake_all(&sink->turn);
    return !sink->failure || sink_throw(sink, error);
}

bool
vd_sink_read(const VdSink *sink, uint64_t off, const VioVec *dst,
             GError **error)
{
    if (off > SINK_HEAD || dst->len > SINK_HEAD - off)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: cannot be read back", sink->name);
    vio_vec_copy_in(dst, sink->head + off);
    return true;
}

bool
vd_sink_truncate(VdSink *sink, VdNode *node, uint64_t size, GError **error)
{
    if (size < sink->pos)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: what has been written cannot be cut off",
                        sink->name);
    sink->size = size;
    vd_node_set_size(node, size);
    return true;
}

bool
vd_sink_co_fill(VdSink *sink, GError **error)
{
    g_autofree uint8_t *zero = NULL;

    if (sink->failure || sink->pos >= sink->size)
        return true;
    zero = g_malloc0(SINK_FILL);
    while (!sink->failure && sink->pos < sink->size)
        sink_co_send(sink, zero,
                     (size_t) MIN(SINK_FILL, sink->size - sink->pos));
    return !sink->failure || sink_throw(sink, error);
}
