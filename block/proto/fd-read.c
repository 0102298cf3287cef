/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/fd-read.c - reading a descriptor that may not be able to seek.
 *
 * A file is read where it is, from its present place on.  Of anything else
 * somebody may want the head, and then one byte after the other.  If not, and
 * the head is not all there is, it is first copied, to its end, to a nameless
 * file in $TMPDIR or /var/tmp, zeroes as holes: memory stays small, and formats
 * find their tables wherever they are.
 *
 * Concurrency: runs on a worker; looks at the cancel token while it waits.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "block/proto/fd.h"

#include "block/temp-file.h"
#include "io/fd.h"
#include "io/zero.h"

#define SPOOL_BLOCK (64u << 10)
#define SPOOL_POLL_MS 200

/* Fill job->buf, up to the end of the input. */
void
fd_read_on(void *opaque)
{
    FdReadOn *job = opaque;
    size_t have = 0;

    while (have < job->len) {
        struct pollfd p = {.fd = job->fd, .events = POLLIN};
        int ready = poll(&p, 1, SPOOL_POLL_MS);
        ssize_t n;

        job->got = -ECANCELED;
        if (vio_cancel_check(job->cancel) != 0)
            return;
        n = ready > 0 ? read(job->fd, job->buf + have, job->len - have) : -1;
        if (n == 0)
            break;
        job->got = -errno;
        if (n < 0 && ready != 0 && errno != EINTR && errno != EAGAIN)
            return;
        have += n > 0 ? (size_t) n : 0;
    }
    job->got = (ssize_t) have;
}

static ssize_t
spool_fill(const FdRead *job, uint8_t *buf)
{
    FdReadOn block = {
        .fd = job->fd, .cancel = job->cancel, .buf = buf, .len = SPOOL_BLOCK};

    fd_read_on(&block);
    return block.got;
}

static int
spool_write(int fd, const uint8_t *buf, size_t len, uint64_t off)
{
    while (len > 0) {
        ssize_t n = pwrite(fd, buf, len, (off_t) off);

        if (n < 0 && errno != EINTR)
            return errno;
        if (n > 0) {
            buf += n;
            len -= (size_t) n;
            off += (uint64_t) n;
        }
    }
    return 0;
}

/* @buf: a block, which has @n bytes of the head already. */
static int
spool_all(FdRead *job, int spool, uint8_t *buf, ssize_t n)
{
    for (job->size = 0; n > 0; n = spool_fill(job, buf)) {
        int failed = vio_is_zero(buf, (size_t) n)
                         ? 0
                         : spool_write(spool, buf, (size_t) n, job->size);

        if (failed) {
            job->spooling = true;
            return failed;
        }
        job->size += (uint64_t) n;
    }
    if (n < 0)
        return (int) -n;
    return ftruncate(spool, (off_t) job->size) < 0 ? errno : 0;
}

static void
spool_begin(FdRead *job, uint8_t *buf, ssize_t n)
{
    VIO_AUTO_FD file = vd_temp_file_make_nameless();

    if (file < 0) {
        job->failed = errno;
        job->spooling = true;
        return;
    }
    job->failed = spool_all(job, file, buf, n);
    if (job->failed == 0)
        job->file = vio_fd_steal(&file);
}

void
fd_read_rest(void *opaque)
{
    FdRead *job = opaque;

    spool_begin(job, job->head, (ssize_t) job->size);
}

void
fd_read_open(void *opaque)
{
    FdRead *job = opaque;
    g_autofree uint8_t *buf = NULL;
    ssize_t n;
    struct stat st;
    off_t at;

    if (fstat(job->fd, &st) < 0) {
        job->failed = errno;
        return;
    }
    at = lseek(job->fd, 0, SEEK_CUR);
    if (S_ISREG(st.st_mode) && at >= 0) {
        job->base = (uint64_t) at;
        job->size = st.st_size > at ? (uint64_t) (st.st_size - at) : 0;
        job->file = fcntl(job->fd, F_DUPFD_CLOEXEC, 3);
        job->failed = job->file < 0 ? errno : 0;
        return;
    }
    buf = g_malloc(SPOOL_BLOCK);
    n = spool_fill(job, buf);
    if (n < 0) {
        job->failed = (int) -n;
    } else if (job->open_ended || n < SPOOL_BLOCK) {
        job->open_ended = n == SPOOL_BLOCK;
        job->size = (uint64_t) n;
        job->head = g_steal_pointer(&buf);
    } else {
        spool_begin(job, buf, n);
    }
}

void
fd_read_run(void *opaque)
{
    FdPread *job = opaque;
    uint8_t *buf = job->buf;

    while (job->len > 0) {
        ssize_t n = pread(job->file, buf, job->len, (off_t) job->off);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            job->failed = n < 0 ? errno : EIO; /* it became shorter */
            return;
        }
        buf += n;
        job->len -= (size_t) n;
        job->off += (uint64_t) n;
    }
}
