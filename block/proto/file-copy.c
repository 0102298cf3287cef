/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/file-copy.c - copying without moving bytes through us.
 *
 * Sharing extents (FICLONERANGE: XFS, btrfs) takes some 40 us a call, whatever
 * the size.  Where that is not to be had, copy_file_range() takes about as long
 * as reading and writing (a third to twice of it, by kernel and load) and sees
 * no zeroes, so it is used only if the target was opened with copy-offload=full
 * and nobody asks for less.
 */
#include "block/proto/file.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/fs.h>

typedef struct {
    VdNode *src, *dst;
    uint64_t src_off, dst_off, len;
    bool share;
} FileCopy;

static int
file_co_reflink(const FileCopy *copy)
{
    const FileState *in = vd_node_state(copy->src);
    struct file_clone_range range = {
        .src_fd = vio_file_fd(in->file),
        .src_offset = copy->src_off,
        .src_length = copy->len,
        .dest_offset = copy->dst_off,
    };

    return file_co_ioctl(copy->dst, FICLONERANGE, &range);
}

static int
file_co_kernel_copy(const FileCopy *copy)
{
    const FileState *in = vd_node_state(copy->src);
    const FileState *out = vd_node_state(copy->dst);
    uint64_t done = 0;

    while (done < copy->len) {
        ssize_t n = vio_co_copy_file_range(
            in->file, copy->src_off + done, out->file, copy->dst_off + done,
            MIN(copy->len - done, VD_MAX_TRANSFER));

        if (n <= 0)
            return n < 0 ? (int) n : -EIO; /* 0: the source has ended */
        done += (uint64_t) n;
    }
    return 0;
}

/* Neither the way nor this range; the caller copies by buffers. */
static bool
file_copy_unfit(int r)
{
    return r == -EOPNOTSUPP || r == -EXDEV || r == -EINVAL || r == -ENOTTY ||
           r == -ENOSYS || r == -EISDIR || r == -ETXTBSY || r == -EPERM;
}

/* 0, or -errno of the last way that was tried. */
static int
file_co_copy(const FileCopy *copy)
{
    FileState *out = vd_node_state(copy->dst);
    int r = -EOPNOTSUPP;

    if (!out->no_reflink) {
        r = file_co_reflink(copy);
        if (r == 0 || !file_copy_unfit(r))
            return r;
        /* An odd range says nothing about the next one. */
        out->no_reflink = r != -EINVAL;
    }
    if (copy->share || out->copy_offload != FILE_COPY_FULL ||
        out->no_copy_range)
        return r;
    r = file_co_kernel_copy(copy);
    out->no_copy_range = r < 0 && file_copy_unfit(r);
    return r;
}

bool
file_co_copy_range(VdNode *src, uint64_t src_off, VdNode *dst, uint64_t dst_off,
                   uint64_t len, bool share, GError **error)
{
    const FileState *in = vd_node_state(src);
    FileState *out = vd_node_state(dst);
    FileCopy copy = {src, dst, src_off, dst_off, len, share};
    int r = -EOPNOTSUPP;

    if (out->copy_offload != FILE_COPY_OFF && !in->is_device &&
        !out->is_device) {
        file_layout_changed(out);
        r = file_co_copy(&copy);
        file_layout_changed(out);
    }
    if (r == 0)
        return true;
    if (file_copy_unfit(r))
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: cannot be copied to %s inside the kernel",
                        vd_node_name(src), vd_node_name(dst));
    return vd_throw_errno(
        error, -r, "%s: copying %" PRIu64 " bytes at offset %" PRIu64 " of %s",
        vd_node_name(dst), len, src_off, vd_node_name(src));
}

bool
file_co_copy_window(VdNode *src, VdNode *dst, VioWindow *w)
{
    const FileState *in = vd_node_state(src);
    FileState *out = vd_node_state(dst);
    int r;

    if (!vio_file_has_windows(in->file) || !vio_file_has_windows(out->file))
        return false;
    w->push_out = out->push_out;
    file_layout_changed(out);
    r = vio_co_copy_window(in->file, out->file, w);
    file_layout_changed(out);
    return r == 0;
}
