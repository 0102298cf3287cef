/* SPDX-License-Identifier: BSD-3-Clause */
/* io/op.h - awaitable system calls.
 *
 * Every vio_co_* here may yield and returns what the kernel returns: a count,
 * 0 or a descriptor, or -errno.  EINTR and EAGAIN are retried inside.  The
 * engine decides what goes through the ring, what runs on a worker thread and
 * what is done inline (cached buffered reads, writes that are not large).
 */
#pragma once

#include "io/cancel.h"
#include "io/loop.h"
#include "io/vec.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <linux/stat.h>

struct statx;

/* An open file and what the engine has learned about it. */
typedef struct VioFile VioFile;

typedef enum VioFileFlags {
    VIO_FILE_DIRECT = 1 << 0, /* opened with O_DIRECT */
    VIO_FILE_REMOTE = 1 << 1, /* a server, or a program, is behind it: buffered
                                 writes may hang, so each has a worker */
} VioFileFlags;

/* Takes over @fd.  Freeing closes it; nothing may be in flight. */
VioFile *vio_file_new(VioLoop *loop, int fd, VioFileFlags flags);
/* The same; finds out by itself, on a worker, if the file is remote. */
VioFile *vio_co_file_new(VioLoop *loop, int fd, VioFileFlags flags);
void vio_file_free(VioFile *file);
int vio_file_fd(const VioFile *file);
VioLoop *vio_file_loop(const VioFile *file);

/* Reads until @dst is full or the file ends; a short count means end of file.
 * One logical request: short transfers are continued inside. */
ssize_t vio_co_preadv(VioFile *file, uint64_t off, const VioVec *dst);

typedef enum VioWriteFlags {
    VIO_WRITE_DSYNC = 1 << 0, /* durable on return (RWF_DSYNC) */
} VioWriteFlags;

/* Writes all of @src (returns src->len) or fails.  A write that makes no
 * progress is -ENOSPC. */
ssize_t vio_co_pwritev(VioFile *file, uint64_t off, const VioVec *src,
                       VioWriteFlags flags);

int vio_co_fsync(VioFile *file, bool datasync);
/* @mode as fallocate(2): 0, KEEP_SIZE, PUNCH_HOLE|KEEP_SIZE, ZERO_RANGE... */
int vio_co_fallocate(VioFile *file, int mode, uint64_t off, uint64_t len);
int vio_co_ftruncate(VioFile *file, uint64_t size);
/* Start write-out of a range without waiting for it (sync_file_range). */
int vio_co_write_behind(VioFile *file, uint64_t off, uint64_t len);
/* lseek(SEEK_DATA / SEEK_HOLE); returns the offset or -errno (-ENXIO: none). */
int64_t vio_co_seek(VioFile *file, uint64_t off, int whence);
/* Both ends on this loop.  Returns bytes copied, which may be fewer. */
ssize_t vio_co_copy_file_range(VioFile *in, uint64_t in_off, VioFile *out,
                               uint64_t out_off, size_t len);

int vio_co_openat(VioLoop *loop, int dirfd, const char *path, int flags,
                  mode_t mode);
int vio_co_statx(VioLoop *loop, int dirfd, const char *path, int flags,
                 unsigned mask, struct statx *stx);

/* Sockets.  @cancel may be NULL; when it fires the call is -ECANCELED (or
 * -ETIMEDOUT if its deadline passed) and the descriptor is still open. */
int vio_co_connect(VioLoop *loop, int fd, const struct sockaddr *addr,
                   socklen_t addrlen, VioCancel *cancel);
int vio_co_accept(VioLoop *loop, int fd, VioCancel *cancel);
ssize_t vio_co_recv(VioLoop *loop, int fd, void *buf, size_t len, int flags,
                    VioCancel *cancel);
/* One send; the count may be short. */
ssize_t vio_co_send(VioLoop *loop, int fd, const void *buf, size_t len,
                    int flags, VioCancel *cancel);
/* Wait until @fd is ready for @events (poll(2) bits); returns revents. */
int vio_co_poll(VioLoop *loop, int fd, short events, VioCancel *cancel);

/* 0 after @ns, or -ECANCELED. */
int vio_co_sleep(VioLoop *loop, uint64_t ns, VioCancel *cancel);
