/* SPDX-License-Identifier: BSD-3-Clause */
/* block/filter/log.c - filter "log": writes down every request.
 *
 * Options: log=FILE, a line of text for each request once it is answered:
 * operation, offset, length, nanoseconds, "ok" or "failed"; write-log=FILE,
 * the binary log of changes (block/filter/write-log.h); tag=N for the latter.
 * Files are made if missing and appended to, so several nodes can share one.
 *
 * A change is in the binary log before the child sees it: a log that cannot be
 * written fails the request.
 *
 * Concurrency: requests overlap; each record is one append.
 */
#include "block/drivers.h"
#include "block/filter/filter.h"
#include "block/filter/write-log.h"
#include "io/op.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

typedef struct {
    VioFile *text, *binary; /* NULL = not wanted */
    uint16_t tag;
    uint64_t next_id;
} LogState;

/* One request on its way. */
typedef struct {
    VdNode *node;
    const char *op;
    uint64_t off, len, start_ns;
    uint64_t id; /* in the binary log */
    bool change; /* that one knows it */
} LogRequest;

static bool
log_co_open_file(VdNode *node, VdOptions *opts, const char *key, VioFile **file,
                 GError **error)
{
    g_autofree char *path = NULL;
    int fd;

    vd_options_take_string(opts, key, &path); /* absent: stays NULL */
    if (!path)
        return true;
    fd = vio_co_openat(vd_node_loop(node), AT_FDCWD, path,
                       O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY,
                       0644);
    if (fd < 0)
        return vd_throw_errno(error, -fd, "Could not open '%s'", path);
    *file = vio_co_file_new(vd_node_loop(node), fd, 0);
    return true;
}

static void
log_co_close(VdNode *node)
{
    LogState *s = vd_node_state(node);

    g_clear_pointer(&s->text, vio_file_free);
    g_clear_pointer(&s->binary, vio_file_free);
}

static bool
log_co_setup(VdNode *node, VdOptions *opts, GError **error)
{
    LogState *s = vd_node_state(node);
    uint64_t tag = 0;

    if (!vd_options_take_uint(opts, "tag", &tag, error) ||
        !log_co_open_file(node, opts, "log", &s->text, error) ||
        !log_co_open_file(node, opts, "write-log", &s->binary, error))
        return false;
    if (tag > UINT16_MAX)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "Parameter 'tag' expects a number up to 65535");
    s->tag = (uint16_t) tag;
    if (!s->text && !s->binary)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "the log filter needs log=FILE or write-log=FILE");
    return filter_co_open_child(node, opts, vd_node_flags(node), error);
}

static bool
log_co_open(VdNode *node, VdOptions *opts, GError **error)
{
    if (log_co_setup(node, opts, error))
        return true;
    log_co_close(node);
    return false;
}

/* -- writing ----------------------------------------------------------------
 */

static bool
log_co_append(VioFile *file, void *bytes, size_t len, GError **error)
{
    struct iovec iov;
    VioVec src = vio_vec_from_buf(&iov, bytes, len);
    ssize_t n = vio_co_pwritev(file, 0, &src, 0); /* O_APPEND: at the end */

    return n >= 0 || vd_throw_errno(error, (int) -n, "writing the log");
}

static bool
log_co_record(LogRequest *req, VdWriteLogRecord *record, GError **error)
{
    LogState *s = vd_node_state(req->node);
    uint8_t header[VD_WRITE_LOG_HEADER];

    if (!s->binary)
        return true;
    record->tag = s->tag;
    record->id = req->id;
    vd_write_log_encode(record, header);
    return log_co_append(s->binary, header, sizeof(header), error);
}

static LogRequest
log_request(VdNode *node, const char *op, uint64_t off, uint64_t len)
{
    return (LogRequest){
        .node = node,
        .op = op,
        .off = off,
        .len = len,
        .start_ns = vio_now_ns(),
    };
}

/* Before a change other than a write goes down. */
static bool
log_co_change(LogRequest *req, VdWriteLogType type, VdReqFlags flags,
              GError **error)
{
    LogState *s = vd_node_state(req->node);
    VdWriteLogRecord record = {
        .type = type,
        .off = req->off,
        .len = req->len,
        .flags = flags,
    };

    req->change = true;
    req->id = s->next_id++;
    return log_co_record(req, &record, error);
}

static bool
log_co_text(const LogRequest *req, bool ok, GError **error)
{
    const LogState *s = vd_node_state(req->node);
    char line[160];
    int n;

    if (!s->text)
        return true;
    n = g_snprintf(line, sizeof(line),
                   "%s %" PRIu64 " %" PRIu64 " %" PRIu64 " %s\n", req->op,
                   req->off, req->len, vio_now_ns() - req->start_ns,
                   ok ? "ok" : "failed");
    return log_co_append(s->text, line, (size_t) n, error);
}

/* The request came back; @ok and what it set in @error go up.  If the log
 * fails too the first error stays. */
static bool
log_co_done(LogRequest *req, bool ok, GError **error)
{
    VdWriteLogRecord record = {
        .type = ok ? VD_WRITE_LOG_DONE : VD_WRITE_LOG_FAILED,
    };
    GError **log_error = ok ? error : NULL;

    if (req->change && !log_co_record(req, &record, log_error))
        return false;
    return log_co_text(req, ok, log_error) && ok;
}

/* -- requests ---------------------------------------------------------------
 */

static bool
log_co_preadv(VdNode *node, uint64_t off, const VioVec *dst, GError **error)
{
    LogRequest req = log_request(node, "read", off, dst->len);

    return log_co_done(&req, filter_co_preadv(node, off, dst, error), error);
}

/* The owner of @src may change it while we run; log and child must see the
 * same bytes, so both get those of one copy. */
static bool
log_co_write_copy(LogRequest *req, const VioVec *src, VdReqFlags flags,
                  GError **error)
{
    LogState *s = vd_node_state(req->node);
    size_t size = VD_WRITE_LOG_HEADER + src->len;
    g_autofree uint8_t *copy = g_try_malloc(size);
    VdWriteLogRecord record = {
        .type = VD_WRITE_LOG_WRITE,
        .tag = s->tag,
        .id = req->id,
        .off = req->off,
        .len = req->len,
        .flags = flags,
    };
    struct iovec iov;
    VioVec data;

    if (!copy)
        return vd_throw(error, VD_ERROR_NO_MEMORY,
                        "no memory to log a write of %zu bytes", src->len);
    vd_write_log_encode(&record, copy);
    vio_vec_copy_out(src, copy + VD_WRITE_LOG_HEADER);
    if (!log_co_append(s->binary, copy, size, error))
        return false;
    data = vio_vec_from_buf(&iov, copy + VD_WRITE_LOG_HEADER, src->len);
    return filter_co_pwritev(req->node, req->off, &data, flags, error);
}

static bool
log_co_pwritev(VdNode *node, uint64_t off, const VioVec *src, VdReqFlags flags,
               GError **error)
{
    LogState *s = vd_node_state(node);
    LogRequest req = log_request(node, "write", off, src->len);
    bool ok;

    if (s->binary) {
        req.change = true;
        req.id = s->next_id++;
        ok = log_co_write_copy(&req, src, flags, error);
    } else {
        ok = filter_co_pwritev(node, off, src, flags, error);
    }
    return log_co_done(&req, ok, error);
}

static bool
log_co_write_zeroes(VdNode *node, uint64_t off, uint64_t len, VdReqFlags flags,
                    GError **error)
{
    LogRequest req = log_request(node, "zeroes", off, len);
    bool ok = log_co_change(&req, VD_WRITE_LOG_ZEROES, flags, error) &&
              filter_co_write_zeroes(node, off, len, flags, error);

    return log_co_done(&req, ok, error);
}

static bool
log_co_discard(VdNode *node, uint64_t off, uint64_t len, GError **error)
{
    LogRequest req = log_request(node, "discard", off, len);
    bool ok = log_co_change(&req, VD_WRITE_LOG_DISCARD, 0, error) &&
              filter_co_discard(node, off, len, error);

    return log_co_done(&req, ok, error);
}

static bool
log_co_truncate(VdNode *node, uint64_t size, VdPrealloc prealloc,
                GError **error)
{
    LogRequest req = log_request(node, "truncate", 0, size);
    bool ok = log_co_change(&req, VD_WRITE_LOG_TRUNCATE, 0, error) &&
              filter_co_truncate(node, size, prealloc, error);

    return log_co_done(&req, ok, error);
}

/* The child is flushed here rather than by the door afterwards, so that DONE
 * means that it has been. */
static bool
log_co_flush_to_disk(VdNode *node, GError **error)
{
    LogRequest req = log_request(node, "flush", 0, 0);
    bool ok = log_co_change(&req, VD_WRITE_LOG_FLUSH, 0, error) &&
              vd_node_co_flush(filter_child(node), error);

    return log_co_done(&req, ok, error);
}

const VdDriver vd_log_driver = {
    VD_DRIVER_HEADER,
    .name = "log",
    .kind = VD_DRIVER_FILTER,
    .state_size = sizeof(LogState),
    .co_open = log_co_open,
    .co_close = log_co_close,
    .co_preadv = log_co_preadv,
    .co_pwritev = log_co_pwritev,
    .co_write_zeroes = log_co_write_zeroes,
    .co_discard = log_co_discard,
    .co_flush_to_disk = log_co_flush_to_disk,
    .co_truncate = log_co_truncate,
};
