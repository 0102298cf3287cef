/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/fd.c - protocol driver "fd": bytes from or to a descriptor that
 * may not be able to seek.
 *
 * "fd:0" is standard input: see fd-read.c.  "fd:1" is standard output.  A
 * transaction makes such a file once and keeps what was written (VdSink); nodes
 * that are opened on it meanwhile go on where the last one stopped.  Writes may
 * come in any order but must cover every byte once: each waits until those in
 * front of it are done.  Only the first bytes can be read back, for the format
 * to see what it has made.
 *
 * It makes no difference whether the descriptor is a pipe or a file that could
 * seek, so the bytes are the same either way.
 *
 * Concurrency: one loop; the system calls run on a worker, one at a time.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "block/drivers.h"
#include "block/proto/fd.h"
#include "block/open.h"
#include "block/rw.h"
#include "block/transaction.h"
#include "io/offload.h"
#include "io/sync.h"

#define SINK_HEAD (128u << 10) /* bytes that can be read back */
#define SINK_POLL_MS 200       /* between two looks at the cancel token */
#define SINK_FILL (64u << 10)

typedef struct VdSink {
    int fd;
    bool is_pipe;
    uint64_t pos;  /* bytes written */
    uint64_t size; /* what was announced, or pos */
    int failed;    /* errno of the write that failed; for ever */
    VioCoQueue turn;
    uint8_t *head;
} VdSink;

typedef struct {
    VdSink *sink; /* the transaction's; NULL when reading */
    bool wrote;
    int file;       /* reading: from here, ... */
    uint64_t base;  /* ... this byte on */
    int input;      /* open_ended: more comes from here ... */
    uint8_t *head;  /* ... behind these, as many as the node has */
    uint64_t taken; /* bytes that were read on */
} FdState;

static const char *
fd_name(int fd)
{
    if (fd == STDIN_FILENO)
        return "standard input";
    return fd == STDOUT_FILENO ? "standard output" : "file descriptor";
}

static bool
fd_parse_name(const char *name, VdOptions *opts, GError **error)
{
    const char *text = g_str_has_prefix(name, "fd:") ? name + 3 : name;

    vd_options_set(opts, "fd", text);
    return true;
}

/* -- the sink ----------------------------------------------------------------
 */

static void
sink_free(void *opaque)
{
    VdSink *sink = opaque;

    g_free(sink->head);
    g_free(sink);
}

static VdSink *
sink_new(int fd, GError **error)
{
    struct stat st;
    VdSink *sink;

    if (fstat(fd, &st) < 0)
        return vd_throw_errno(error, errno, "%s", fd_name(fd)), NULL;
    if (S_ISDIR(st.st_mode) || S_ISBLK(st.st_mode))
        return vd_throw_null(error, VD_ERROR_INVALID_ARGUMENT,
                             "%s: neither a pipe nor a file", fd_name(fd));
    sink = g_new0(VdSink, 1);
    sink->fd = fd;
    sink->is_pipe = S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode);
    sink->head = g_malloc0(SINK_HEAD);
    return sink;
}

/* -- writing: on a worker ----------------------------------------------------
 */

typedef struct {
    const VdSink *sink;
    const VioCancel *cancel;
    const uint8_t *data;
    size_t len;
    int failed; /* errno */
} SinkWrite;

/* A reader that has gone must not kill the program that we are part of. */
static ssize_t
write_quietly(int fd, const void *data, size_t len)
{
    static const struct timespec now = {0};
    sigset_t pipe_only, old, pending;
    ssize_t n;
    int err;

    (void) sigemptyset(&pipe_only);
    (void) sigaddset(&pipe_only, SIGPIPE);
    (void) sigpending(&pending);
    (void) pthread_sigmask(SIG_BLOCK, &pipe_only, &old);
    n = write(fd, data, len);
    err = errno;
    if (n < 0 && err == EPIPE && !sigismember(&pending, SIGPIPE))
        (void) sigtimedwait(&pipe_only, NULL, &now);
    (void) pthread_sigmask(SIG_SETMASK, &old, NULL);
    errno = err;
    return n;
}

/* Wait until there is room; a pipe with room takes PIPE_BUF bytes without
 * blocking. */
static int
write_wait(const SinkWrite *job)
{
    for (;;) {
        struct pollfd p = {.fd = job->sink->fd, .events = POLLOUT};
        int n = poll(&p, 1, SINK_POLL_MS);

        if (vio_cancel_check(job->cancel) != 0)
            return ECANCELED;
        if (n > 0)
            return 0; /* room, or an error that the write will tell */
        if (n < 0 && errno != EINTR)
            return errno;
    }
}

static void
write_run(void *opaque)
{
    SinkWrite *job = opaque;

    while (job->len > 0 && job->failed == 0) {
        size_t most = job->sink->is_pipe ? PIPE_BUF : job->len;
        ssize_t n;

        job->failed = write_wait(job);
        if (job->failed != 0)
            return;
        n = write_quietly(job->sink->fd, job->data, MIN(most, job->len));
        if (n >= 0) {
            job->data += n;
            job->len -= (size_t) n;
        } else if (errno != EINTR && errno != EAGAIN) {
            job->failed = errno;
        }
    }
}

/* -- writing: on the loop ----------------------------------------------------
 */

static bool
throw_failed(const VdNode *node, int err, GError **error)
{
    if (err == EPIPE)
        return vd_throw(error, VD_ERROR_IO,
                        "%s: the reader has gone (Broken pipe)",
                        vd_node_name(node));
    if (err == ECANCELED)
        return vd_throw(error, VD_ERROR_CANCELLED, "%s: cancelled",
                        vd_node_name(node));
    return vd_throw_errno(error, err, "%s: write", vd_node_name(node));
}

static void
sink_keep_head(VdSink *sink, const uint8_t *data, size_t len)
{
    if (sink->pos < SINK_HEAD)
        memcpy(sink->head + sink->pos, data, MIN(len, SINK_HEAD - sink->pos));
}

/* It is the turn of these bytes. */
static void
sink_co_write(VdNode *node, VdSink *sink, const void *data, size_t len)
{
    SinkWrite job = {.sink = sink,
                     .cancel = vd_node_env(node)->cancel,
                     .data = data,
                     .len = len};

    vio_co_offload(vd_node_loop(node), write_run, &job);
    sink->failed = job.failed;
    if (job.failed == 0)
        sink_keep_head(sink, data, len);
}

static bool
sink_co_await(VdNode *node, uint64_t off, GError **error)
{
    VdSink *sink = ((FdState *) vd_node_state(node))->sink;

    while (sink->failed == 0 && sink->pos < off)
        vio_co_queue_wait(&sink->turn);
    if (sink->failed != 0)
        return throw_failed(node, sink->failed, error);
    return sink->pos == off ||
           vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                    "%s: byte %" PRIu64 " has been written already, and a "
                    "stream cannot go back",
                    vd_node_name(node), off);
}

static bool
fd_co_pwritev(VdNode *node, uint64_t off, const VioVec *src, VdReqFlags flags,
              GError **error)
{
    FdState *s = vd_node_state(node);
    g_autofree struct iovec *iov = g_new(struct iovec, vio_vec_count(src));
    int n = vio_vec_fill(src, iov, vio_vec_count(src), NULL);

    if (!sink_co_await(node, off, error))
        return false;
    s->wrote = true;
    for (int i = 0; i < n && s->sink->failed == 0; i++) {
        sink_co_write(node, s->sink, iov[i].iov_base, iov[i].iov_len);
        s->sink->pos += iov[i].iov_len;
    }
    s->sink->size = MAX(s->sink->size, s->sink->pos);
    vio_co_queue_wake_all(&s->sink->turn);
    return s->sink->failed == 0 || throw_failed(node, s->sink->failed, error);
}

static bool
fd_co_read_file(VdNode *node, uint64_t off, const VioVec *dst, GError **error)
{
    const FdState *s = vd_node_state(node);
    int n = vio_vec_count(dst);
    g_autofree struct iovec *iov = g_new(struct iovec, n);

    n = vio_vec_fill(dst, iov, n, NULL);
    for (int i = 0; i < n; i++) {
        FdPread job = {.file = s->file,
                       .buf = iov[i].iov_base,
                       .len = iov[i].iov_len,
                       .off = s->base + off};

        vio_co_offload(vd_node_loop(node), fd_read_run, &job);
        if (job.failed != 0)
            return vd_throw_errno(error, job.failed,
                                  "%s: read at byte %" PRIu64,
                                  vd_node_name(node), off);
        off += iov[i].iov_len;
    }
    return true;
}

static bool
fd_co_preadv(VdNode *node, uint64_t off, const VioVec *dst, GError **error)
{
    const FdState *s = vd_node_state(node);
    const VdSink *sink = s->sink;

    if (s->head)
        vio_vec_copy_in(dst, s->head + off);
    if (s->head)
        return true;
    if (!sink)
        return fd_co_read_file(node, off, dst, error);
    if (off > SINK_HEAD || dst->len > SINK_HEAD - off)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: cannot be read back", vd_node_name(node));
    vio_vec_copy_in(dst, sink->head + off);
    return true;
}

static bool
fd_co_truncate(VdNode *node, uint64_t size, VdPrealloc prealloc, GError **error)
{
    VdSink *sink = ((FdState *) vd_node_state(node))->sink;

    if (size < sink->pos)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: what has been written cannot be cut off",
                        vd_node_name(node));
    sink->size = size;
    vd_node_set_size(node, size);
    return true;
}

/* Whatever was announced and not written is zero. */
static bool
fd_co_finish(VdNode *node, GError **error)
{
    FdState *s = vd_node_state(node);
    VdSink *sink = s->sink;
    g_autofree uint8_t *zero = NULL;

    if (!sink || !s->wrote || sink->failed != 0 || sink->pos >= sink->size)
        return true;
    zero = g_malloc0(SINK_FILL);
    while (sink->failed == 0 && sink->pos < sink->size) {
        size_t len = (size_t) MIN(SINK_FILL, sink->size - sink->pos);

        sink_co_write(node, sink, zero, len);
        sink->pos += len;
    }
    return sink->failed == 0 || throw_failed(node, sink->failed, error);
}

/* -- opening -----------------------------------------------------------------
 */

static bool
throw_unread(const VdNode *node, int err, bool spooling, GError **error)
{
    if (err == ECANCELED)
        return vd_throw(error, VD_ERROR_CANCELLED, "%s: cancelled",
                        vd_node_name(node));
    return vd_throw_errno(error, err, "%s%s", vd_node_name(node),
                          spooling ? ": copying it to a temporary file" : "");
}

static bool
fd_co_open_for_reading(VdNode *node, int fd, GError **error)
{
    FdState *s = vd_node_state(node);
    FdRead job = {.fd = fd,
                  .cancel = vd_node_env(node)->cancel,
                  .open_ended = vd_node_flags(node) & VD_OPEN_OPEN_ENDED,
                  .file = -1};

    vio_co_offload(vd_node_loop(node), fd_read_open, &job);
    if (job.failed != 0)
        return throw_unread(node, job.failed, job.spooling, error);
    s->file = job.file;
    s->base = job.base;
    s->input = fd;
    s->head = job.head;
    vd_node_limits(node)->open_ended = job.open_ended && job.head != NULL;
    vd_node_set_size(node, job.size);
    return true;
}

static bool
fd_co_read_on(VdNode *node, void *buf, size_t len, size_t *got, GError **error)
{
    FdState *s = vd_node_state(node);
    uint64_t size = vd_node_size(node);
    size_t known = s->taken < size ? MIN(len, size - s->taken) : 0;
    FdReadOn job = {.fd = s->input,
                    .cancel = vd_node_env(node)->cancel,
                    .buf = (uint8_t *) buf + known,
                    .len = len - known};

    memcpy(buf, s->head + s->taken, known);
    vio_co_offload(vd_node_loop(node), fd_read_on, &job);
    if (job.got < 0)
        return throw_unread(node, (int) -job.got, false, error);
    *got = known + (size_t) job.got;
    s->taken += *got;
    return true;
}

static bool
fd_co_find_end(VdNode *node, GError **error)
{
    FdState *s = vd_node_state(node);
    FdRead job = {.fd = s->input,
                  .cancel = vd_node_env(node)->cancel,
                  .head = s->head,
                  .size = vd_node_size(node),
                  .file = -1};

    vio_co_offload(vd_node_loop(node), fd_read_rest, &job);
    if (job.failed != 0)
        return throw_unread(node, job.failed, job.spooling, error);
    s->file = job.file;
    g_clear_pointer(&s->head, g_free);
    vd_node_set_size(node, job.size);
    return true;
}

static void
fd_co_close(VdNode *node)
{
    FdState *s = vd_node_state(node);

    if (s->file >= 0)
        (void) close(s->file); /* was only read */
    g_free(s->head);
}

static bool
fd_co_open(VdNode *node, VdOptions *opts, GError **error)
{
    FdState *s = vd_node_state(node);
    VdTransaction *tx = vd_node_env(node)->tx;
    uint64_t fd = UINT64_MAX;
    g_autofree char *key = NULL;

    if (!vd_options_take_uint(opts, "fd", &fd, error))
        return false;
    if (fd > INT_MAX)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "the 'fd' driver requires the number of a descriptor");
    s->file = -1;
    vd_node_set_name(node, fd_name((int) fd));
    if (!vd_node_is_writable(node))
        return fd_co_open_for_reading(node, (int) fd, error);
    if (!tx)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: can only be written as a new image",
                        fd_name((int) fd));
    key = g_strdup_printf("fd:%" PRIu64, fd);
    s->sink = vd_tx_kept(tx, key);
    if (!s->sink) {
        s->sink = sink_new((int) fd, error);
        if (!s->sink)
            return false;
        vd_tx_keep(tx, key, s->sink, sink_free);
    }
    vd_node_limits(node)->sequential = true;
    vd_node_set_size(node, s->sink->size);
    return true;
}

static const char *const fd_schemes[] = {"fd", NULL};

const VdDriver vd_fd_driver = {
    VD_DRIVER_HEADER,
    .name = "fd",
    .kind = VD_DRIVER_PROTOCOL,
    .state_size = sizeof(FdState),
    .schemes = fd_schemes,
    .parse_name = fd_parse_name,
    .co_open = fd_co_open,
    .co_finish = fd_co_finish,
    .co_close = fd_co_close,
    .co_preadv = fd_co_preadv,
    .co_pwritev = fd_co_pwritev,
    .co_truncate = fd_co_truncate,
    .co_read_on = fd_co_read_on,
    .co_find_end = fd_co_find_end,
};
