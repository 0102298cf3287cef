/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/file-zero.c - zeroes and discard without sending zeroes.
 *
 * A ladder of ways, best first; what the file system does not have is
 * remembered and not tried again.  EINVAL and EBUSY are not remembered: they
 * may be about this range only.  At the end of the ladder stands
 * NOT_SUPPORTED, and the door writes buffers of zeroes.  A range that reaches
 * over the end makes the file longer.
 */
#include "block/proto/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/falloc.h>
#include <linux/fs.h>

typedef struct {
    VdNode *node;
    uint64_t off, len;
    ssize_t error; /* a failure that ends the ladder (-errno), else 0 */
} FileZeroes;

/* Did this rung do it?  @broken is the memory of what does not work. */
static bool
file_rung(FileZeroes *z, int r, bool *broken)
{
    if (r == 0)
        return true;
    if (r == -EOPNOTSUPP || r == -ENOSYS || r == -ENOTTY || r == -ENODEV)
        *broken = true;
    else if (r != -EINVAL && r != -EBUSY)
        z->error = r;
    return false;
}

static bool
file_co_try(FileZeroes *z, int mode, bool *broken)
{
    const FileState *s = vd_node_state(z->node);

    if (*broken || z->error != 0)
        return false;
    return file_rung(z, vio_co_fallocate(s->file, mode, z->off, z->len),
                     broken);
}

static bool
file_co_punch(FileZeroes *z)
{
    FileState *s = vd_node_state(z->node);

    return file_co_try(z, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                       &s->no_punch);
}

/* Zeroes that keep their space. */
static bool
file_co_zero_range(FileZeroes *z)
{
    FileState *s = vd_node_state(z->node);

    if (file_co_try(z, FALLOC_FL_ZERO_RANGE, &s->no_zero_range))
        return true;
    return !s->no_fallocate && file_co_punch(z) &&
           file_co_try(z, 0, &s->no_fallocate);
}

/* The kernel falls back to writing zeroes by itself, so this is not for
 * requests that rather want to hear that it is slow. */
static bool
file_co_zeroout(FileZeroes *z, VdReqFlags flags)
{
    FileState *s = vd_node_state(z->node);
    uint64_t range[2] = {z->off, z->len};

    if (s->no_zeroout || z->error != 0 || (flags & VD_REQ_NO_FALLBACK))
        return false;
    return file_rung(z, file_co_ioctl(z->node, BLKZEROOUT, range),
                     &s->no_zeroout);
}

static bool
file_co_climb(FileZeroes *z, VdReqFlags flags)
{
    const FileState *s = vd_node_state(z->node);

    /* A hole never makes the file longer. */
    if ((flags & VD_REQ_MAY_UNMAP) &&
        z->off + z->len <= vd_node_size(z->node) && file_co_punch(z))
        return true;
    return s->is_device ? file_co_zeroout(z, flags) : file_co_zero_range(z);
}

bool
file_co_write_zeroes(VdNode *node, uint64_t off, uint64_t len, VdReqFlags flags,
                     GError **error)
{
    FileState *s = vd_node_state(node);
    FileZeroes z = {.node = node, .off = off, .len = len};
    unsigned tries = 0;
    bool done;

    file_layout_changed(s);
    do {
        z.error = 0;
        done = file_co_climb(&z, flags);
    } while (!done && file_co_ask_again(node, &z.error, &tries));
    file_layout_changed(s);
    if (done)
        return true;
    if (z.error != 0)
        return file_throw_request(node, z.error, "zeroing", len, off, error);
    return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                    "%s: no way to zero a range without writing it",
                    vd_node_name(node));
}

bool
file_co_discard(VdNode *node, uint64_t off, uint64_t len, GError **error)
{
    FileState *s = vd_node_state(node);
    FileZeroes z = {.node = node, .off = off, .len = len};
    uint64_t range[2] = {off, len};
    bool done;

    file_layout_changed(s);
    if (!s->is_device)
        done = file_co_punch(&z);
    else
        done = !s->no_discard &&
               file_rung(&z, file_co_ioctl(node, BLKDISCARD, range),
                         &s->no_discard);
    file_layout_changed(s);
    if (done)
        return true;
    if (z.error != 0)
        return vd_throw_errno(error, (int) -z.error,
                              "%s: discarding %" PRIu64
                              " bytes at offset %" PRIu64,
                              vd_node_name(node), len, off);
    return vd_throw(error, VD_ERROR_NOT_SUPPORTED, "%s: cannot discard here",
                    vd_node_name(node));
}
