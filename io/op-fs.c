/* SPDX-License-Identifier: BSD-3-Clause */
/* io/op-fs.c - operations on files other than reading and writing.
 *
 * Concurrency: called by coroutines of the file's loop.
 */
#include "io/op.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "io/fs-remote.h"
#include "io/loop-internal.h"

int
vio_co_fsync(VioFile *file, bool datasync)
{
    VioOp op = {
        .code = VIO_OP_FSYNC,
        .fd = vio_file_fd(file),
        .flags = datasync,
    };

    return (int) vio_op_co_run(vio_file_loop(file), &op);
}

int
vio_co_fallocate(VioFile *file, int mode, uint64_t off, uint64_t len)
{
    VioOp op = {
        .code = VIO_OP_FALLOCATE,
        .fd = vio_file_fd(file),
        .arg = (unsigned) mode,
        .off = off,
        .len = len,
    };

    return (int) vio_op_co_run(vio_file_loop(file), &op);
}

int
vio_co_openat(VioLoop *loop, int dirfd, const char *path, int flags,
              mode_t mode)
{
    VioOp op = {
        .code = VIO_OP_OPENAT,
        .fd = dirfd,
        .data = path,
        .flags = (unsigned) flags | O_CLOEXEC,
        .arg = mode,
    };

    return (int) vio_op_co_run(loop, &op);
}

int
vio_co_statx(VioLoop *loop, int dirfd, const char *path, int flags,
             unsigned mask, struct statx *stx)
{
    VioOp op = {
        .code = VIO_OP_STATX,
        .fd = dirfd,
        .data = path,
        .flags = (unsigned) flags,
        .arg = mask,
        .out = stx,
    };

    return (int) vio_op_co_run(loop, &op);
}

/* -- calls without an operation code -------------------------------------- */

typedef struct FsKind {
    int fd;
    bool remote;
} FsKind;

static void
fs_kind(void *opaque)
{
    FsKind *kind = opaque;

    kind->remote = vio_fs_is_remote(kind->fd);
}

VioFile *
vio_co_file_new(VioLoop *loop, int fd, VioFileFlags flags)
{
    FsKind kind = {.fd = fd};

    vio_op_co_call(loop, fs_kind, &kind);
    return vio_file_new(loop, fd, flags | (kind.remote ? VIO_FILE_REMOTE : 0));
}

typedef struct FsCall {
    int fd, out_fd;
    uint64_t off, out_off, len;
    int whence;
    int64_t ret;
} FsCall;

static void
fs_ftruncate(void *opaque)
{
    FsCall *call = opaque;

    do
        call->ret = ftruncate(call->fd, (off_t) call->len);
    while (call->ret < 0 && errno == EINTR);
    if (call->ret < 0)
        call->ret = -errno;
}

int
vio_co_ftruncate(VioFile *file, uint64_t size)
{
    FsCall call = {.fd = vio_file_fd(file), .len = size};

    vio_op_co_call(vio_file_loop(file), fs_ftruncate, &call);
    return (int) call.ret;
}

static void
fs_write_behind(void *opaque)
{
    FsCall *call = opaque;

    call->ret = sync_file_range(call->fd, (off_t) call->off, (off_t) call->len,
                                SYNC_FILE_RANGE_WRITE);
    if (call->ret < 0)
        call->ret = -errno;
}

int
vio_co_write_behind(VioFile *file, uint64_t off, uint64_t len)
{
    FsCall call = {.fd = vio_file_fd(file), .off = off, .len = len};

    vio_op_co_call(vio_file_loop(file), fs_write_behind, &call);
    return (int) call.ret;
}

static void
fs_seek(void *opaque)
{
    FsCall *call = opaque;

    call->ret = lseek(call->fd, (off_t) call->off, call->whence);
    if (call->ret < 0)
        call->ret = -errno;
}

int64_t
vio_co_seek(VioFile *file, uint64_t off, int whence)
{
    FsCall call = {.fd = vio_file_fd(file), .off = off, .whence = whence};

    vio_op_co_call(vio_file_loop(file), fs_seek, &call);
    return call.ret;
}

static void
fs_copy(void *opaque)
{
    FsCall *call = opaque;
    off64_t in = (off64_t) call->off;
    off64_t out = (off64_t) call->out_off;

    do
        call->ret =
            copy_file_range(call->fd, &in, call->out_fd, &out, call->len, 0);
    while (call->ret < 0 && errno == EINTR);
    if (call->ret < 0)
        call->ret = -errno;
}

ssize_t
vio_co_copy_file_range(VioFile *in, uint64_t in_off, VioFile *out,
                       uint64_t out_off, size_t len)
{
    FsCall call = {
        .fd = vio_file_fd(in),
        .out_fd = vio_file_fd(out),
        .off = in_off,
        .out_off = out_off,
        .len = len,
    };

    g_assert(vio_file_loop(in) == vio_file_loop(out));
    vio_op_co_call(vio_file_loop(in), fs_copy, &call);
    return (ssize_t) call.ret;
}
