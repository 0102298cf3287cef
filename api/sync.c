/* SPDX-License-Identifier: BSD-3-Clause */
/* api/sync.c - synchronous requests: the caller's thread runs the loop.
 *
 * The request lives on the caller's stack.  Any number of threads may call at
 * once; one of them is the runner, the others wait for theirs to be answered.
 *
 * Concurrency: vd_context_run() does it all.
 */
#include "api/disk.h"

bool
vd_req_co_run(const VdReq *req, GError **error)
{
    VdNode *node = req->disk->node;

    switch (req->op) {
    case VD_OP_READ:
        return vd_node_co_preadv(node, req->off, &req->vec, error);
    case VD_OP_WRITE:
        return vd_node_co_pwritev(node, req->off, &req->vec, req->flags, error);
    case VD_OP_ZEROES:
        return vd_node_co_write_zeroes(node, req->off, req->len, req->flags,
                                       error);
    case VD_OP_DISCARD:
        return vd_node_co_discard(node, req->off, req->len, error);
    case VD_OP_FLUSH:
        return vd_node_co_flush(node, error);
    }
    g_assert_not_reached();
}

static bool
sync_co_run(void *arg, GError **error)
{
    const VdReq *req = arg;
    bool ok;

    vd_disk_enter(req->disk);
    ok = vd_req_co_run(req, error);
    vd_disk_leave(req->disk);
    return ok;
}

static bool
sync_run(VdReq *req, GError **error)
{
    return vd_context_run(req->disk->ctx, sync_co_run, req, error);
}

static bool
sync_check_len(uint64_t len, GError **error)
{
    if (len <= VD_MAX_SIZE)
        return true;
    return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                    "request of %" G_GUINT64_FORMAT
                    " bytes, at most %" G_GINT64_FORMAT " are possible",
                    len, VD_MAX_SIZE);
}

bool
vd_disk_pread(VdDisk *disk, void *buf, uint64_t len, uint64_t off,
              GError **error)
{
    VdReq req = {.disk = disk, .op = VD_OP_READ, .off = off};
    struct iovec iov;

    if (!sync_check_len(len, error))
        return false;
    req.vec = vio_vec_from_buf(&iov, buf, len);
    return sync_run(&req, error);
}

bool
vd_disk_pwrite(VdDisk *disk, const void *buf, uint64_t len, uint64_t off,
               VdReqFlags flags, GError **error)
{
    VdReq req = {.disk = disk, .op = VD_OP_WRITE, .flags = flags, .off = off};
    struct iovec iov;

    if (!sync_check_len(len, error))
        return false;
    req.vec = vio_vec_from_buf(&iov, (void *) buf, len);
    return sync_run(&req, error);
}

bool
vd_disk_preadv(VdDisk *disk, const struct iovec *iov, int niov, uint64_t off,
               GError **error)
{
    VdReq req = {.disk = disk,
                 .op = VD_OP_READ,
                 .off = off,
                 .vec = vio_vec_from_iov(iov, niov)};

    return sync_run(&req, error);
}

bool
vd_disk_pwritev(VdDisk *disk, const struct iovec *iov, int niov, uint64_t off,
                VdReqFlags flags, GError **error)
{
    VdReq req = {.disk = disk,
                 .op = VD_OP_WRITE,
                 .flags = flags,
                 .off = off,
                 .vec = vio_vec_from_iov(iov, niov)};

    return sync_run(&req, error);
}

bool
vd_disk_write_zeroes(VdDisk *disk, uint64_t off, uint64_t len, VdReqFlags flags,
                     GError **error)
{
    VdReq req = {.disk = disk,
                 .op = VD_OP_ZEROES,
                 .flags = flags,
                 .off = off,
                 .len = len};

    return sync_run(&req, error);
}

bool
vd_disk_discard(VdDisk *disk, uint64_t off, uint64_t len, GError **error)
{
    VdReq req = {.disk = disk, .op = VD_OP_DISCARD, .off = off, .len = len};

    return sync_run(&req, error);
}

bool
vd_disk_flush(VdDisk *disk, GError **error)
{
    VdReq req = {.disk = disk, .op = VD_OP_FLUSH};

    return sync_run(&req, error);
}
