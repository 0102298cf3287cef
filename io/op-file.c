/* SPDX-License-Identifier: BSD-3-Clause */
/* io/op-file.c - reading and writing open files.
 *
 * What is worth knowing about a file is learned from its first requests: if
 * cached data can be had without sleeping (RWF_NOWAIT), and if a buffered write
 * through the ring would run at once or be punted to a kernel thread, which
 * costs more than a thread of ours.  Of the file system's name only one thing
 * is asked, by whoever opens: is it a remote one?
 *
 * A write into the page cache that is not large takes less time than handing it
 * to a thread would.  Most file systems cannot promise that it will not sleep
 * (for blocks to be allocated, for dirty pages to be written back), so it is
 * done and timed: see io/pace.h.  Not on a loop that a foreign one dispatches,
 * which was promised that this never blocks, and not where a server that is
 * away would stop every disk of the loop.  Such a write, and one that waits for
 * the device, has a worker for itself, out of many.
 *
 * Concurrency: a VioFile belongs to a loop; requests may overlap.
 */
#include "io/op.h"

#include <errno.h>
#include <limits.h>
#include <sys/uio.h>
#include <unistd.h>

#include "io/loop-internal.h"
#include "io/pace.h"
#include "io/uncached.h"
#include "io/window.h"

#define TRANSFER_MAX (1u << 30) /* below the kernel's limit per call */
#define IOVS_LOCAL 16
#define DIRECT_ALIGN_MIN 512
/* Below that looking up the pages takes less time than it is worth. */
#define PIN_MIN (256u << 10)

#ifndef RWF_DONTCACHE
#    define RWF_DONTCACHE 0x80
#endif
#define UNCACHED_LEAST (256u << 10)

/* Inline reads go on while at least 12 of the last 16 found their data. */
#define INLINE_HISTORY 16
#define INLINE_HITS_MIN 12
#define INLINE_PROBE_EVERY 64

/* Measured, an NBD server on ext4, processor time of a request of 256 KiB: 52
 * us inline, 93 us with a worker.  Writes to one file are serial inside the
 * kernel in any case. */
#define INLINE_WRITE_MAX (256u << 10)
/* So many in a row, then the others have their turn. */
#define INLINE_WRITES_ROW 64

typedef enum FileWrites {
    FILE_WRITES_UNKNOWN,
    FILE_WRITES_RING,
    FILE_WRITES_WORKER,
} FileWrites;

struct VioFile {
    VioLoop *loop;
    int fd;
    bool direct, remote;
    bool uncached, no_uncached; /* RWF_DONTCACHE: wanted, refused */
    FileWrites writes;
    bool no_inline;          /* the file system has no RWF_NOWAIT */
    bool no_dsync;           /* ... no RWF_DSYNC */
    bool no_nowait;          /* ... no direct I/O with RWF_NOWAIT */
    uint16_t inline_history; /* one bit a try, 1 = hit */
    unsigned inline_skipped;
    VioPace write_pace;
    unsigned inline_writes; /* in a row */
};

VioFile *
vio_file_new(VioLoop *loop, int fd, VioFileFlags flags)
{
    VioFile *file = g_new0(VioFile, 1);

    file->loop = loop;
    file->fd = fd;
    file->direct = flags & VIO_FILE_DIRECT;
    file->remote = flags & VIO_FILE_REMOTE;
    if (file->remote)
        file->writes = FILE_WRITES_WORKER;
    file->inline_history = UINT16_MAX;
    if (file->direct)
        vio_engine_expect_direct(loop);
    return file;
}

void
vio_file_free(VioFile *file)
{
    (void) close(file->fd); /* whoever cares for errors has synced */
    g_free(file);
}

int
vio_file_fd(const VioFile *file)
{
    return file->fd;
}

VioLoop *
vio_file_loop(const VioFile *file)
{
    return file->loop;
}

bool
vio_file_has_windows(const VioFile *file)
{
    return !file->direct && !file->remote;
}

/* -- uncached ------------------------------------------------------------- */

void
vio_file_set_uncached(VioFile *file, bool on)
{
    file->uncached = on;
}

unsigned
vio_file_cache_flag(const VioFile *file, size_t len)
{
    bool wanted = file->uncached && !file->no_uncached && !file->direct;

    return wanted && len >= UNCACHED_LEAST ? RWF_DONTCACHE : 0;
}

void
vio_file_cache_refused(VioFile *file)
{
    file->no_uncached = true;
}

/* -- iovec arrays --------------------------------------------------------- */

/* The kernel's view of one transfer. */
typedef struct FileIov {
    struct iovec local[IOVS_LOCAL];
    struct iovec *heap; /* or NULL */
} FileIov;

static void
file_iov_clear(FileIov *iov)
{
    g_free(iov->heap);
}

/* Describe as much of @vec from @done on as one call can take. */
static void
file_iov_fill(FileIov *iov, const VioVec *vec, size_t done, VioOp *op)
{
    size_t want = MIN(vec->len - done, (size_t) TRANSFER_MAX);
    VioVec rest = vio_vec_slice(vec, done, want);
    size_t got;
    int n = vio_vec_fill(&rest, iov->local, IOVS_LOCAL, &got);

    op->data = iov->local;
    if (got < want) {
        int count = MIN(vio_vec_count(&rest), IOV_MAX);

        if (!iov->heap)
            iov->heap = g_new(struct iovec, count);
        n = vio_vec_fill(&rest, iov->heap, count, &got);
        op->data = iov->heap;
    }
    op->arg = (unsigned) n;
    op->len = got;
}

/* Copies read and write the same buffers over and over. */
static uint16_t
file_pin(const VioFile *file, const VioOp *op)
{
    const struct iovec *iov = op->data;

    if (!file->direct || op->arg != 1 || op->len < PIN_MIN ||
        vio_op_may_block(file->loop))
        return 0;
    return vio_buffer_pin(file->loop, iov->iov_base, iov->iov_len);
}

/* Where submitting a direct request may block a worker shall have it: the one
 * request if the file system can tell, else all. */
static int64_t
file_co_run(VioFile *file, VioOp *op)
{
    int64_t n;

    op->direct = op->nowait = file->direct && !file->no_nowait;
    op->pin = file_pin(file, op);
    n = vio_op_co_run(file->loop, op);
    if (n != -EOPNOTSUPP || !op->nowait)
        return n;
    file->no_nowait = true;
    op->direct = op->nowait = false;
    return vio_op_co_run(file->loop, op);
}

/* -- reading -------------------------------------------------------------- */

static bool
inline_wanted(VioFile *file)
{
    if (file->direct || file->no_inline)
        return false;
    if (__builtin_popcount(file->inline_history) >= INLINE_HITS_MIN)
        return true;
    if (++file->inline_skipped < INLINE_PROBE_EVERY)
        return false;
    file->inline_skipped = 0;
    return true;
}

/* -EAGAIN: the data is not there without waiting. */
static ssize_t
inline_read(VioFile *file, const VioOp *op)
{
    ssize_t n =
        preadv2(file->fd, op->data, (int) op->arg, (off_t) op->off, RWF_NOWAIT);
    bool hit = n >= 0;

    file->loop->stats.syscalls++;
    if (n < 0 && (errno == EOPNOTSUPP || errno == EINVAL || errno == ENOSYS)) {
        file->no_inline = true;
        return -EAGAIN;
    }
    file->inline_history = (uint16_t) (file->inline_history << 1 | hit);
    if (hit)
        file->loop->stats.inline_reads++;
    else
        file->loop->stats.inline_misses++;
    /* Real errors are the slow path's to find. */
    return hit ? n : -EAGAIN;
}

static int64_t
file_co_read_some(VioFile *file, VioOp *op)
{
    ssize_t n;

    if (op->flags == 0 && inline_wanted(file) &&
        !vio_op_may_block(file->loop)) {
        n = inline_read(file, op);
        if (n != -EAGAIN)
            return n;
    }
    return file_co_run(file, op);
}

ssize_t
vio_co_preadv(VioFile *file, uint64_t off, const VioVec *dst)
{
    VioOp op = {.code = VIO_OP_READV, .fd = file->fd};
    FileIov iov = {.heap = NULL};
    size_t done = 0;
    int64_t n = 0;

    while (done < dst->len) {
        op.off = off + done;
        file_iov_fill(&iov, dst, done, &op);
        op.flags = vio_file_cache_flag(file, op.len);
        n = file_co_read_some(file, &op);
        if (n == -EOPNOTSUPP && op.flags) {
            vio_file_cache_refused(file);
            continue;
        }
        if (n <= 0)
            break;
        done += (size_t) n;
        /* The odd end of a file; going on from there would be misaligned. */
        if (file->direct && (off + done) % DIRECT_ALIGN_MIN != 0)
            break;
    }
    file_iov_clear(&iov);
    return n < 0 ? (ssize_t) n : (ssize_t) done;
}

/* -- writing -------------------------------------------------------------- */

/* Try the first buffered write without sleeping: only a file system that can
 * do that will also do it inside the ring. */
static int64_t
file_probe_write(VioFile *file, const VioOp *op)
{
    ssize_t n = pwritev2(file->fd, op->data, (int) op->arg, (off_t) op->off,
                         (int) op->flags | RWF_NOWAIT);

    file->loop->stats.syscalls++;
    file->writes = n > 0 ? FILE_WRITES_RING : FILE_WRITES_WORKER;
    return n > 0 ? n : -EAGAIN;
}

/* What is durable on return waits for the device. */
static bool
inline_write_wanted(const VioFile *file, const VioOp *op)
{
    return op->len <= INLINE_WRITE_MAX && op->flags == 0 && !file->remote &&
           !file->loop->runner.embedded;
}

/* -EAGAIN: better not now. */
static int64_t
file_co_write_inline(VioFile *file, const VioOp *op)
{
    uint64_t begin = vio_now_ns();
    int64_t n;

    if (!vio_pace_allows(&file->write_pace, begin))
        return -EAGAIN;
    n = vio_op_execute(op);
    vio_pace_took(&file->write_pace, begin, vio_now_ns());
    file->loop->stats.syscalls++;
    file->loop->stats.inline_writes++;
    if (++file->inline_writes >= INLINE_WRITES_ROW) {
        file->inline_writes = 0;
        vio_co_reschedule();
    }
    return n;
}

/* Not through the ring. */
static int64_t
file_co_write_buffered(VioFile *file, VioOp *op)
{
    int64_t n = -EAGAIN;

    if (inline_write_wanted(file, op))
        n = file_co_write_inline(file, op);
    if (n != -EAGAIN)
        return n;
    return file->remote || op->flags & RWF_DSYNC
               ? vio_op_co_work(file->loop, op)
               : vio_op_co_work_buffered(file->loop, op);
}

static int64_t
file_co_write_some(VioFile *file, VioOp *op)
{
    VioLoop *loop = file->loop;

    if (file->direct || vio_op_may_block(loop))
        return file_co_run(file, op);
    if (file->writes == FILE_WRITES_UNKNOWN) {
        if (!vio_op_in(loop->engine_ops, VIO_OP_WRITEV)) {
            file->writes = FILE_WRITES_WORKER;
        } else {
            int64_t n = file_probe_write(file, op);

            if (n != -EAGAIN)
                return n;
        }
    }
    return file->writes == FILE_WRITES_RING ? vio_op_co_run(loop, op)
                                            : file_co_write_buffered(file, op);
}

/* -EOPNOTSUPP: remember, and do without; the caller syncs afterwards. */
static int64_t
file_co_write_flags(VioFile *file, VioOp *op, bool dsync)
{
    unsigned uncached = vio_file_cache_flag(file, op->len);
    int64_t n;

    op->flags = (dsync && !file->no_dsync ? RWF_DSYNC : 0) | uncached;
    n = file_co_write_some(file, op);
    if (n == -EOPNOTSUPP && uncached) {
        vio_file_cache_refused(file);
        op->flags &= ~uncached;
        n = file_co_write_some(file, op);
    }
    if (n != -EOPNOTSUPP || !op->flags)
        return n;
    file->no_dsync = true;
    op->flags = 0;
    return file_co_write_some(file, op);
}

ssize_t
vio_co_pwritev(VioFile *file, uint64_t off, const VioVec *src,
               VioWriteFlags flags)
{
    bool dsync = flags & VIO_WRITE_DSYNC;
    VioOp op = {.code = VIO_OP_WRITEV, .fd = file->fd};
    FileIov iov = {.heap = NULL};
    size_t done = 0;
    int64_t n = 0;

    while (done < src->len) {
        op.off = off + done;
        file_iov_fill(&iov, src, done, &op);
        n = file_co_write_flags(file, &op, dsync);
        if (n <= 0)
            break;
        done += (size_t) n;
    }
    file_iov_clear(&iov);
    if (done < src->len)
        return n < 0 ? (ssize_t) n : -ENOSPC;
    if (dsync && file->no_dsync)
        n = vio_co_fsync(file, true);
    return n < 0 ? (ssize_t) n : (ssize_t) done;
}
