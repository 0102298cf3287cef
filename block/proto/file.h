/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/file.h - inside the file driver: state and the pieces of its
 * vtable that have files of their own. */
#pragma once

#include "block/driver.h"
#include "block/vmware-lock.h"
#include "io/op.h"

typedef enum FileCopyOffload {
    FILE_COPY_REFLINK, /* share extents or leave it */
    FILE_COPY_FULL,    /* also let the kernel copy bytes (convert -C) */
    FILE_COPY_OFF,
} FileCopyOffload;

typedef struct FileState {
    VioFile *file;
    VdVmwareLock *vmware_lock; /* NULL = not held */
    uint64_t dev, ino;
    bool is_device;          /* a block device, else a regular file */
    bool direct;             /* opened with O_DIRECT */
    bool writable_elsewhere; /* shared with writers: answers must not be kept */
    FileCopyOffload copy_offload;

    /* What turned out not to work on this file; never tried again. */
    bool no_punch, no_zero_range, no_fallocate, no_zeroout, no_discard;
    bool no_seek, no_reflink, no_copy_range;

    /* The last answer of SEEK_DATA and SEEK_HOLE: [map_off, map_end) is a hole
     * or data.  Dropped by whatever changes the layout; @layout_changes tells
     * a lookup that yielded whether that happened meanwhile. */
    uint64_t map_off, map_end;
    bool map_hole;
    uint64_t layout_changes;

    /* Written but not pushed out yet: file-behind.c. */
    bool push_out, behind_busy;
    uint64_t behind_from, behind_to, behind_bytes;
    VioCoQueue behind_idle;
} FileState;

/* file-open.c */
bool file_parse_name(const char *name, VdOptions *opts, GError **error);
bool file_co_open(VdNode *node, VdOptions *opts, GError **error);

/* file-align.c: find what O_DIRECT asks of requests. */
void file_co_find_alignment(VdNode *node, const struct statx *stx);

/* file-map.c */
bool file_co_map(VdNode *node, uint64_t off, uint64_t len, unsigned want,
                 VdRun *run, GError **error);
/* The bytes in [off, off+len) may be stored differently from now on.  Called
 * before the system call, so that no answer from before is kept, and after
 * it, so that none that raced with it is. */
void file_layout_changed(FileState *s);

/* file-behind.c: does this file want it; bytes were written; close. */
void file_behind_set_up(VdNode *node);
void file_behind_written(VdNode *node, uint64_t off, uint64_t len);
void file_behind_co_end(VdNode *node);

/* file-reserved.c: @ret is what a request came to.  True: it was not done, as
 * another host has reserved the device; ask again, now that some time has
 * passed.  *@tries: 0 for the first time. */
bool file_co_ask_again(VdNode *node, ssize_t *ret, unsigned *tries);
/* The request has failed: say so. */
bool file_throw_request(const VdNode *node, ssize_t ret, const char *what,
                        size_t len, uint64_t off, GError **error);

/* file-zero.c */
bool file_co_write_zeroes(VdNode *node, uint64_t off, uint64_t len,
                          VdReqFlags flags, GError **error);
bool file_co_discard(VdNode *node, uint64_t off, uint64_t len, GError **error);

/* file-size.c */
bool file_co_truncate(VdNode *node, uint64_t size, VdPrealloc prealloc,
                      GError **error);
void file_grown_to(VdNode *node, uint64_t end);

/* file-copy.c */
bool file_co_copy_range(VdNode *src, uint64_t src_off, VdNode *dst,
                        uint64_t dst_off, uint64_t len, bool share,
                        GError **error);

bool file_co_copy_window(VdNode *src, VdNode *dst, VioWindow *w);

/* An ioctl on a worker; 0 or -errno. */
int file_co_ioctl(VdNode *node, unsigned long request, void *arg);
