/* SPDX-License-Identifier: BSD-3-Clause */
/* io/op-window.c - a window of a copy from file to file, as one job.
 *
 * Through the page cache reading, looking for zeroes and writing are work for a
 * processor, and all of it is best done by the same one while the bytes are in
 * its cache.  Two threads do it: while one writes, which the kernel lets only
 * one do to a file, the other reads.
 *
 * Concurrency: the job touches nothing but its descriptors, its buffer and its
 * own description.
 */
#include "io/window.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "io/loop-internal.h"
#include "io/op.h"
#include "io/uncached.h"
#include "io/zero.h"

typedef struct {
    int in, out;
    unsigned in_flags, out_flags; /* 0 once they were refused */
    unsigned calls;               /* of the system */
    VioWindow *w;
    int result;
} WindowJob;

/* All of it or -EIO: the ordinary way finds out what is the matter. */
static int
window_transfer(WindowJob *job, VioOpCode code, size_t pos, size_t len,
                uint64_t off)
{
    bool read = code == VIO_OP_READV;
    unsigned *flags = read ? &job->in_flags : &job->out_flags;

    while (len > 0) {
        struct iovec iov = {job->w->buf + pos, len};
        VioOp op = {.code = code,
                    .fd = read ? job->in : job->out,
                    .flags = *flags,
                    .data = &iov,
                    .arg = 1,
                    .off = off,
                    .len = len};
        int64_t n = vio_op_execute(&op);

        job->calls++;
        if (n == -EOPNOTSUPP && *flags) {
            *flags = 0;
            continue;
        }
        if (n <= 0)
            return n < 0 ? (int) n : -EIO;
        pos += (size_t) n;
        off += (uint64_t) n;
        len -= (size_t) n;
    }
    return 0;
}

static int
window_write(WindowJob *job)
{
    VioWindow *w = job->w;
    size_t least = MIN(w->least_zero, w->len);
    int ret = 0;

    for (size_t pos = 0, n; ret == 0 && pos < w->len; pos += n) {
        bool zero = false;

        n = w->zero_block == 0 ? w->len
                               : vio_zero_stretch(w->buf + pos, w->len - pos,
                                                  w->zero_block, least, &zero);
        if (zero)
            continue;
        ret = window_transfer(job, VIO_OP_WRITEV, pos, n, w->out_off + pos);
        w->written += n;
        w->writes++;
        w->end = pos + n;
    }
    return ret;
}

static void
window_work(void *opaque)
{
    WindowJob *job = opaque;
    VioWindow *w = job->w;

    w->written = w->writes = w->end = 0;
    job->result = window_transfer(job, VIO_OP_READV, 0, w->len, w->in_off);
    if (job->result == 0)
        job->result = window_write(job);
    if (job->result != 0 || w->written == 0 || !w->push_out || job->out_flags)
        return;
    job->calls++;
    (void) sync_file_range(job->out, (off_t) w->out_off, (off_t) w->end,
                           SYNC_FILE_RANGE_WRITE); /* only a hint */
}

int
vio_co_copy_window(VioFile *in, VioFile *out, VioWindow *window)
{
    VioLoop *loop = vio_file_loop(in);
    unsigned in_flags = vio_file_cache_flag(in, window->len);
    unsigned out_flags = vio_file_cache_flag(out, window->len);
    WindowJob job = {.in = vio_file_fd(in),
                     .out = vio_file_fd(out),
                     .in_flags = in_flags,
                     .out_flags = out_flags,
                     .w = window};

    vio_pool_co_run(&loop->pools[VIO_POOL_WINDOW], window_work, &job);
    loop->stats.syscalls += job.calls;
    if (in_flags && !job.in_flags)
        vio_file_cache_refused(in);
    if (out_flags && !job.out_flags)
        vio_file_cache_refused(out);
    return job.result;
}
