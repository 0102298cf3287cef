/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/fd.c - protocol driver "fd": bytes from or to a descriptor that
 * may not be able to seek.
 *
 * "fd:0" is standard input: see fd-read.c.  "fd:1" is standard output, which is
 * written as block/proto/sink.h says.
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
#include "block/open.h"
#include "block/proto/fd.h"
#include "block/proto/sink.h"
#include "block/rw.h"
#include "block/transaction.h"
#include "io/offload.h"

#define SINK_POLL_MS 200 /* between two looks at the cancel token */

typedef struct {
    VdSink sink; /* first */
    int fd;
    bool is_pipe;
} FdSink;

typedef struct {
    FdSink *sink; /* the transaction's; NULL when reading */
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

static bool sink_co_send(VdSink *sink, const void *data, size_t len,
                         GError **error);

static void
sink_free(void *opaque)
{
    FdSink *sink = opaque;

    vd_sink_clear(&sink->sink);
    g_free(sink);
}

static FdSink *
sink_new(const VdNode *node, int fd, GError **error)
{
    struct stat st;
    FdSink *sink;

    if (fstat(fd, &st) < 0)
        return vd_throw_errno(error, errno, "%s", fd_name(fd)), NULL;
    if (S_ISDIR(st.st_mode) || S_ISBLK(st.st_mode))
        return vd_throw_null(error, VD_ERROR_INVALID_ARGUMENT,
                             "%s: neither a pipe nor a file", fd_name(fd));
    sink = g_new0(FdSink, 1);
    vd_sink_init(&sink->sink, node, fd_name(fd));
    sink->sink.co_send = sink_co_send;
    sink->fd = fd;
    sink->is_pipe = S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode);
    return sink;
}

/* -- writing: on a worker ----------------------------------------------------
 */

typedef struct {
    const FdSink *sink;
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
throw_failed(const VdSink *sink, int err, GError **error)
{
    if (err == EPIPE)
        return vd_throw(error, VD_ERROR_IO,
                        "%s: the reader has gone (Broken pipe)", sink->name);
    if (err == ECANCELED)
        return vd_throw(error, VD_ERROR_CANCELLED, "%s: cancelled", sink->name);
    return vd_throw_errno(error, err, "%s: write", sink->name);
}

static bool
sink_co_send(VdSink *sink, const void *data, size_t len, GError **error)
{
    SinkWrite job = {.sink = (FdSink *) sink,
                     .cancel = sink->cancel,
                     .data = data,
                     .len = len};

    vio_co_offload(sink->loop, write_run, &job);
    return job.failed == 0 || throw_failed(sink, job.failed, error);
}

static bool
fd_co_pwritev(VdNode *node, uint64_t off, const VioVec *src, VdReqFlags flags,
              GError **error)
{
    FdState *s = vd_node_state(node);

    s->wrote = true;
    return vd_sink_co_pwritev(&s->sink->sink, off, src, error);
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

    if (s->head)
        vio_vec_copy_in(dst, s->head + off);
    if (s->head)
        return true;
    return s->sink ? vd_sink_read(&s->sink->sink, off, dst, error)
                   : fd_co_read_file(node, off, dst, error);
}

static bool
fd_co_truncate(VdNode *node, uint64_t size, VdPrealloc prealloc, GError **error)
{
    FdState *s = vd_node_state(node);

    return vd_sink_truncate(&s->sink->sink, node, size, error);
}

static bool
fd_co_finish(VdNode *node, GError **error)
{
    FdState *s = vd_node_state(node);

    return !s->sink || !s->wrote || vd_sink_co_fill(&s->sink->sink, error);
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
        s->sink = sink_new(node, (int) fd, error);
        if (!s->sink)
            return false;
        vd_tx_keep(tx, key, s->sink, NULL, sink_free);
    }
    vd_node_limits(node)->sequential = true;
    vd_node_set_size(node, s->sink->sink.size);
    return true;
}

static const char *const fd_schemes[] = {"fd", NULL};

const VdDriver vd_fd_driver = {
    VD_DRIVER_HEADER,
    .name = "fd",
    .kind = VD_DRIVER_PROTOCOL,
    .caps = VD_CAP_STREAM,
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
