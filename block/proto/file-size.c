/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/file-size.c - the size of files, and space for what is to come.
 *
 * A grow that fails puts the old size back.
 */
#include "block/proto/file.h"

#include "block/open.h"
#include "io/buffer.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define FILE_FILL_CHUNK (UINT64_C(1) << 20)

void
file_grown_to(VdNode *node, uint64_t end)
{
    const FileState *s = vd_node_state(node);

    if (!s->is_device && end > vd_node_size(node))
        vd_node_set_size(node, end);
}

/* A device has the size that it has: less of it may be used, more not. */
static bool
file_truncate_device(VdNode *node, uint64_t size, VdPrealloc prealloc,
                     GError **error)
{
    if (prealloc != VD_PREALLOC_OFF)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: a device has no space to preallocate",
                        vd_node_name(node));
    if (size > vd_node_size(node))
        return vd_throw(error, VD_ERROR_NO_SPACE,
                        "%s: the device has %" PRIu64 " bytes, %" PRIu64
                        " are wanted",
                        vd_node_name(node), vd_node_size(node), size);
    return true;
}

/* Write zeroes to [@from, @to), both aligned; 0 or -errno. */
static int
file_co_fill(VdNode *node, uint64_t from, uint64_t to)
{
    const FileState *s = vd_node_state(node);
    void *buf = vio_co_buffer_get(vd_node_loop(node), FILE_FILL_CHUNK);
    ssize_t n = 0;

    memset(buf, 0, FILE_FILL_CHUNK);
    /* May be all of a disk: the one part of creating that takes long. */
    while (from < to && n >= 0) {
        struct iovec iov;
        VioVec src =
            vio_vec_from_buf(&iov, buf, MIN(FILE_FILL_CHUNK, to - from));

        n = vio_cancel_check(vd_node_env(node)->cancel);
        if (n == 0)
            n = vio_co_pwritev(s->file, from, &src, 0);
        from += src.len;
    }
    vio_buffer_put(vd_node_loop(node), buf, FILE_FILL_CHUNK);
    return n < 0 ? (int) n : 0;
}

/* Every block of the new area is written.  The block that holds the old end
 * has its space already; the last may reach behind the end until the size is
 * set. */
static int
file_co_prealloc_full(VdNode *node, uint64_t old, uint64_t size)
{
    const FileState *s = vd_node_state(node);
    uint64_t align = vd_node_limits(node)->request_align;
    uint64_t from = (old + align - 1) / align * align;
    uint64_t to = (size + align - 1) / align * align;
    int r = from < to ? file_co_fill(node, from, to) : 0;

    return r < 0 ? r : vio_co_ftruncate(s->file, size);
}

static int
file_co_resize(VdNode *node, uint64_t size, VdPrealloc prealloc)
{
    const FileState *s = vd_node_state(node);
    uint64_t old = vd_node_size(node);

    if (size <= old || prealloc == VD_PREALLOC_OFF)
        return vio_co_ftruncate(s->file, size);
    if (prealloc == VD_PREALLOC_FALLOC)
        return vio_co_fallocate(s->file, 0, old, size - old);
    return file_co_prealloc_full(node, old, size);
}

bool
file_co_truncate(VdNode *node, uint64_t size, VdPrealloc prealloc,
                 GError **error)
{
    FileState *s = vd_node_state(node);
    uint64_t old = vd_node_size(node);
    int r;

    if (s->is_device)
        return file_truncate_device(node, size, prealloc, error);
    if (prealloc == VD_PREALLOC_METADATA)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "Unsupported preallocation mode: metadata\n"
                        "%s: a plain file has none of its own.",
                        vd_node_name(node));
    if (size < old && prealloc != VD_PREALLOC_OFF)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "%s: preallocation does not go with a smaller size",
                        vd_node_name(node));
    if (size < old) /* at once: reads meanwhile may find the new end */
        vd_node_set_size(node, size);
    file_layout_changed(s);
    r = file_co_resize(node, size, prealloc);
    if (r < 0 && size > old)
        (void) vio_co_ftruncate(s->file, old); /* the first failure counts */
    file_layout_changed(s);
    if (r < 0 && size < old)
        vd_node_set_size(node, old);
    if (r < 0)
        return vd_throw_errno(error, -r,
                              "%s: changing the size from %" PRIu64
                              " to %" PRIu64 " bytes",
                              vd_node_name(node), old, size);
    vd_node_set_size(node, size);
    return true;
}
