/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/file.c - protocol driver "file": files and block devices.
 *
 * This file: data, flush, close and the table.  Opening is in file-open.c,
 * holes in file-map.c, zeroes and discard in file-zero.c, sizes in
 * file-size.c, copy offload in file-copy.c, waiting for devices that others
 * have reserved in file-reserved.c.
 *
 * Regular files grow when they are written beyond their end; the node's size
 * follows.  A flush that failed stays failed: the door remembers that.
 *
 * Concurrency: any number of requests may overlap; the state they share is
 * what FileState remembers, and no request leaves it half changed over a
 * yield.
 */
#include "block/proto/file.h"

#include "block/drivers.h"
#include "io/offload.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/ioctl.h>

typedef struct {
    int fd;
    unsigned long request;
    void *arg;
    int result;
} FileIoctl;

static void
file_ioctl_work(void *opaque)
{
    FileIoctl *work = opaque;

    do
        work->result =
            ioctl(work->fd, work->request, work->arg) < 0 ? -errno : 0;
    while (work->result == -EINTR);
}

int
file_co_ioctl(VdNode *node, unsigned long request, void *arg)
{
    const FileState *s = vd_node_state(node);
    FileIoctl work = {
        .fd = vio_file_fd(s->file),
        .request = request,
        .arg = arg,
    };

    vio_co_offload(vd_node_loop(node), file_ioctl_work, &work);
    return work.result;
}

/* A read that came back short: fine behind the end of the file, where direct
 * requests reach because they are whole blocks.  Inside it somebody has cut
 * the file below us.  The end may have moved while the read was on its way:
 * it owes what was inside all the time.  @before: the size when it started. */
static bool
file_short_read(VdNode *node, uint64_t off, const VioVec *dst, size_t got,
                uint64_t before, GError **error)
{
    VioVec rest = vio_vec_slice(dst, got, dst->len - got);
    uint64_t size = MIN(before, vd_node_size(node));

    if (off + got < size)
        return vd_throw(error, VD_ERROR_IO,
                        "%s: file ends at byte %" PRIu64 ", expected %" PRIu64,
                        vd_node_name(node), off + got, size);
    vio_vec_zero(&rest);
    return true;
}

static bool
file_co_preadv(VdNode *node, uint64_t off, const VioVec *dst, GError **error)
{
    const FileState *s = vd_node_state(node);
    uint64_t before = vd_node_size(node);
    unsigned tries = 0;
    ssize_t n;

    do
        n = vio_co_preadv(s->file, off, dst);
    while (G_UNLIKELY(n < 0) && file_co_ask_again(node, &n, &tries));
    if (n < 0)
        return file_throw_request(node, n, "reading", dst->len, off, error);
    return (size_t) n == dst->len ||
           file_short_read(node, off, dst, (size_t) n, before, error);
}

static bool
file_co_pwritev(VdNode *node, uint64_t off, const VioVec *src, VdReqFlags flags,
                GError **error)
{
    FileState *s = vd_node_state(node);
    VioWriteFlags how = flags & VD_REQ_FUA ? VIO_WRITE_DSYNC : 0;
    unsigned tries = 0;
    ssize_t n;

    file_layout_changed(s);
    do
        n = vio_co_pwritev(s->file, off, src, how);
    while (G_UNLIKELY(n < 0) && file_co_ask_again(node, &n, &tries));
    file_layout_changed(s);
    if (n < 0)
        return file_throw_request(node, n, "writing", src->len, off, error);
    file_grown_to(node, off + src->len);
    file_behind_written(node, off, src->len);
    return true;
}

static bool
file_co_flush_to_disk(VdNode *node, GError **error)
{
    const FileState *s = vd_node_state(node);
    unsigned tries = 0;
    ssize_t r;

    /* Through the cache a second answer says nothing of what was in there. */
    do
        r = vio_co_fsync(s->file, true);
    while (G_UNLIKELY(r < 0) && s->direct &&
           file_co_ask_again(node, &r, &tries));
    return r == 0 || vd_throw_errno(error, (int) -r, "%s: flushing to disk",
                                    vd_node_name(node));
}

static int64_t
file_co_allocated_size(VdNode *node)
{
    const FileState *s = vd_node_state(node);
    struct statx stx;

    if (vio_co_statx(vd_node_loop(node), vio_file_fd(s->file), "",
                     AT_EMPTY_PATH, STATX_BLOCKS, &stx) < 0)
        return -1;
    return (int64_t) (stx.stx_blocks * 512);
}

static void
file_co_close(VdNode *node)
{
    FileState *s = vd_node_state(node);

    file_behind_co_end(node);
    g_clear_pointer(&s->file, vio_file_free);
    vd_vmware_co_unlock(vd_node_loop(node), g_steal_pointer(&s->vmware_lock));
}

static const char *const file_schemes[] = {"file", NULL};

const VdDriver vd_file_driver = {
    VD_DRIVER_HEADER,
    .name = "file",
    .kind = VD_DRIVER_PROTOCOL,
    .state_size = sizeof(FileState),
    .schemes = file_schemes,
    .parse_name = file_parse_name,
    .co_open = file_co_open,
    .co_close = file_co_close,
    .co_map = file_co_map,
    .co_preadv = file_co_preadv,
    .co_pwritev = file_co_pwritev,
    .co_write_zeroes = file_co_write_zeroes,
    .co_discard = file_co_discard,
    .co_flush_to_disk = file_co_flush_to_disk,
    .co_truncate = file_co_truncate,
    .co_copy_range = file_co_copy_range,
    .co_copy_window = file_co_copy_window,
    .co_allocated_size = file_co_allocated_size,
};
