/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/file-align.c - what O_DIRECT asks of offsets and buffers.
 *
 * Linux 6.1 tells by statx() on most file systems; devices have a logical
 * block size; for the rest small reads are tried.  Where that says nothing
 * either, 4096 is right everywhere.
 */
#include "block/proto/file.h"

#include "io/buffer.h"

#include <linux/fs.h>
#include <sys/ioctl.h>

#define FILE_ALIGN_MIN 512
#define FILE_ALIGN_SAFE 4096

static bool
file_align_sane(uint32_t align)
{
    return align > 0 && align <= FILE_ALIGN_SAFE && (align & (align - 1)) == 0;
}

/* Can @len bytes be read to memory that is aligned to @len only? */
static bool
file_co_try_read(VdNode *node, uint8_t *buf, uint32_t len)
{
    const FileState *s = vd_node_state(node);
    struct iovec iov;
    VioVec dst = vio_vec_from_buf(&iov, buf + len, len);

    return vio_co_preadv(s->file, 0, &dst) == (ssize_t) len;
}

/* By trial; needs bytes in the file, since reads at its end may be let
 * through whatever their alignment. */
static uint32_t
file_co_try_alignment(VdNode *node)
{
    uint32_t align = FILE_ALIGN_SAFE;
    uint8_t *buf;

    if (vd_node_size(node) < FILE_ALIGN_SAFE)
        return align;
    buf = vio_co_buffer_get(vd_node_loop(node), (size_t) 2 * FILE_ALIGN_SAFE);
    for (uint32_t len = FILE_ALIGN_MIN; len < FILE_ALIGN_SAFE; len *= 2) {
        if (file_co_try_read(node, buf, len)) {
            align = len;
            break;
        }
    }
    vio_buffer_put(vd_node_loop(node), buf, (size_t) 2 * FILE_ALIGN_SAFE);
    return align;
}

void
file_co_find_alignment(VdNode *node, const struct statx *stx)
{
    const FileState *s = vd_node_state(node);
    VdLimits *limits = vd_node_limits(node);
    int block;

    if ((stx->stx_mask & STATX_DIOALIGN) &&
        file_align_sane(stx->stx_dio_offset_align) &&
        file_align_sane(stx->stx_dio_mem_align)) {
        limits->request_align = stx->stx_dio_offset_align;
        limits->mem_align = stx->stx_dio_mem_align;
        return;
    }
    if (s->is_device && ioctl(vio_file_fd(s->file), BLKSSZGET, &block) == 0 &&
        file_align_sane((uint32_t) block))
        limits->request_align = (uint32_t) block;
    else
        limits->request_align = file_co_try_alignment(node);
    limits->mem_align = limits->request_align;
}
