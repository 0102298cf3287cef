/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/https/keep.c - files of web servers that are kept here while they
 * are open.
 *
 * For whom the server's answer is all there will ever be: it goes to a nameless
 * file ($TMPDIR or /var/tmp), up to its end or the limit that was said, and is
 * read from there.
 *
 * Concurrency: one coroutine at a time fills it; reads of what has come overlap
 * freely.
 */
#include "block/proto/https/client.h"

#include <errno.h>
#include <inttypes.h>

#include "block/temp-file.h"
#include "io/offload.h"

#define KEEP_STEP (256u << 10) /* bytes written at a time */

typedef struct {
    int fd;
    int failed; /* errno */
} MakeFile;

static void
make_work(void *opaque)
{
    MakeFile *work = opaque;

    work->fd = vd_temp_file_make_nameless();
    work->failed = errno;
}

static bool
keep_throw(const VdNode *node, int failed, GError **error)
{
    const HttpsState *s = vd_node_state(node);

    return vd_throw_errno(error, failed, "%s: copying it to a temporary file",
                          s->target->name);
}

static bool
keep_co_begin(VdNode *node, GError **error)
{
    HttpsState *s = vd_node_state(node);
    MakeFile work = {.fd = -1};

    vio_co_offload(vd_node_loop(node), make_work, &work);
    if (work.fd < 0)
        return keep_throw(node, work.failed, error);
    s->kept = vio_co_file_new(vd_node_loop(node), work.fd, 0);
    return true;
}

/* @len bytes at @buf come next; the node has as many as were kept. */
static bool
keep_co_add(VdNode *node, void *buf, size_t len, GError **error)
{
    HttpsState *s = vd_node_state(node);
    uint64_t size = vd_node_size(node);
    struct iovec iov;
    VioVec src = vio_vec_from_buf(&iov, buf, len);
    ssize_t n;

    if (len > s->target->download - size)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "%s: the server sends more than %" PRIu64 " bytes",
                        s->target->name, s->target->download);
    n = len > 0 ? vio_co_pwritev(s->kept, size, &src, 0) : 0;
    if (n < 0)
        return keep_throw(node, (int) -n, error);
    vd_node_set_size(node, size + len);
    return true;
}

static bool
keep_co_more(VdNode *node, VioHttpExchange *exchange, uint64_t size,
             bool *ended, GError **error)
{
    const HttpsState *s = vd_node_state(node);
    g_autofree uint8_t *buf = g_malloc(KEEP_STEP);
    char *why = NULL;

    *ended = false;
    while (!*ended && vd_node_size(node) < size) {
        ssize_t n = vio_http_co_read(exchange, buf, KEEP_STEP,
                                     https_cancel(node), &why);

        if (n < 0)
            return https_co_throw(&s->admission, (int) n, why, error);
        if (!keep_co_add(node, buf, (size_t) n, error))
            return false;
        *ended = (size_t) n < KEEP_STEP;
    }
    return true;
}

bool
https_co_keep(VdNode *node, VioHttpExchange *exchange, uint64_t size,
              bool *ended, GError **error)
{
    HttpsState *s = vd_node_state(node);

    if (!s->kept) {
        vd_node_set_size(node, 0);
        if (!keep_co_begin(node, error) ||
            !keep_co_add(node, s->head, s->head_len, error))
            return false;
    }
    return keep_co_more(node, exchange, size, ended, error);
}

bool
https_co_read_kept(VdNode *node, uint64_t off, const VioVec *dst,
                   GError **error)
{
    HttpsState *s = vd_node_state(node);
    ssize_t n = vio_co_preadv(s->kept, off, dst);

    if (n < 0)
        return keep_throw(node, (int) -n, error);
    return (size_t) n == dst->len || keep_throw(node, EIO, error);
}
