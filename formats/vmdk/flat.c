/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/flat.c - extents without a map: raw bytes, and nothing at all.
 *
 * A flat file that ends early reads as zeroes behind its end; writes extend
 * it.
 *
 * Concurrency: no state.
 */
#include "formats/vmdk/state.h"

#include "io/offload.h"

#include <sys/stat.h>

static bool
flat_co_map(VmdkExtent *e, uint64_t off, uint64_t len, VdRun *run,
            GError **error)
{
    uint64_t at = e->file_off + off, size = vd_node_size(e->file);

    *run = (VdRun){
        .kind = VD_RUN_DATA, .len = len, .child = e->file, .child_off = at};
    if (at >= size)
        *run = (VdRun){.kind = VD_RUN_ZERO, .len = len};
    else if (len > size - at)
        run->len = size - at;
    return true;
}

static bool
flat_co_write(VmdkExtent *e, uint64_t off, const VioVec *src, GError **error)
{
    return vd_node_co_pwritev(e->file, e->file_off + off, src, 0, error);
}

/* The part of [off, off + len) in front of the end of the file; what is behind
 * it is zero as it is. */
static uint64_t
clamp_to_file(const VmdkExtent *e, uint64_t off, uint64_t len)
{
    uint64_t at = e->file_off + off, size = vd_node_size(e->file);

    return at >= size ? 0 : MIN(len, size - at);
}

static bool
flat_co_write_zeroes(VmdkExtent *e, uint64_t off, uint64_t len,
                     VdReqFlags flags, GError **error)
{
    uint64_t stored = clamp_to_file(e, off, len);

    return !stored || vd_node_co_write_zeroes(e->file, e->file_off + off,
                                              stored, flags, error);
}

static bool
flat_co_discard(VmdkExtent *e, uint64_t off, uint64_t len, GError **error)
{
    uint64_t stored = clamp_to_file(e, off, len);

    return !stored ||
           vd_node_co_discard(e->file, e->file_off + off, stored, error);
}

/* -- growing and shrinking
 * -------------------------------------------------------- */

typedef struct {
    const char *path;
    bool is_device;
} Kind;

static void
kind_main(void *opaque)
{
    Kind *kind = opaque;
    struct stat st;

    /* What has no path here is no device of this host. */
    kind->is_device = !stat(kind->path, &st) && !S_ISREG(st.st_mode);
}

/* Behind the extent on a device there are somebody else's data. */
static bool
flat_co_check_file(const VmdkExtent *e, GError **error)
{
    Kind kind = {.path = e->path};

    vio_co_offload(vd_node_loop(e->file), kind_main, &kind);
    return !kind.is_device ||
           vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                    "%s: an extent on a device cannot be resized", e->path);
}

/* A file that is longer than its extent has something there. */
static bool
flat_co_clear_tail(VmdkExtent *e, uint64_t len, GError **error)
{
    uint64_t stored = clamp_to_file(e, e->len, len - e->len);

    return !stored || vd_node_co_write_zeroes(e->file, e->file_off + e->len,
                                              stored, 0, error);
}

static bool
flat_co_grow(VmdkExtent *e, uint64_t len, VdPrealloc prealloc, GError **error)
{
    if (!flat_co_check_file(e, error) || !flat_co_clear_tail(e, len, error))
        return false;
    if (vd_node_size(e->file) < e->file_off + len &&
        !vd_node_co_truncate(e->file, e->file_off + len, prealloc, error))
        return false;
    return vd_node_co_flush(e->file, error);
}

static bool
flat_co_shrink(VmdkExtent *e, GError **error)
{
    uint64_t end = e->file_off + e->len;

    return flat_co_check_file(e, error) &&
           (vd_node_size(e->file) <= end ||
            vd_node_co_truncate(e->file, end, VD_PREALLOC_OFF, error));
}

/* What a file lacks that was cut off is gone, and reads as zeroes; it gets its
 * length again, as other readers want it.  A device has the length it has. */
static bool
flat_co_repair(VmdkExtent *e, VdCheckResult *result, GError **error)
{
    uint64_t end = e->file_off + e->len;

    if (vd_node_size(e->file) >= end || !flat_co_check_file(e, NULL))
        return true;
    return vd_node_co_truncate(e->file, end, VD_PREALLOC_OFF, error) &&
           vd_node_co_flush(e->file, error);
}

const VmdkExtentOps vmdk_flat_ops = {
    .co_repair = flat_co_repair,
    .co_map = flat_co_map,
    .co_write = flat_co_write,
    .co_write_zeroes = flat_co_write_zeroes,
    .co_discard = flat_co_discard,
    .co_grow = flat_co_grow,
    .co_shrink = flat_co_shrink,
};

/* -- nothing at all
 * ----------------------------------------------------------------- */

static bool
zero_co_map(VmdkExtent *e, uint64_t off, uint64_t len, VdRun *run,
            GError **error)
{
    *run = (VdRun){.kind = VD_RUN_ZERO, .len = len};
    return true;
}

/* There is nowhere to put them. */
static bool
zero_co_write(VmdkExtent *e, uint64_t off, const VioVec *src, GError **error)
{
    return vd_throw(error, VD_ERROR_READ_ONLY,
                    "%s: byte %" G_GUINT64_FORMAT
                    " lies in a ZERO extent, which cannot be written",
                    vd_node_name(e->state->node), e->start + off);
}

static bool
zero_co_write_zeroes(VmdkExtent *e, uint64_t off, uint64_t len,
                     VdReqFlags flags, GError **error)
{
    return true; /* so it is */
}

static bool
zero_co_discard(VmdkExtent *e, uint64_t off, uint64_t len, GError **error)
{
    return true;
}

/* There is no more to it than the line in the descriptor. */
static bool
zero_co_grow(VmdkExtent *e, uint64_t len, VdPrealloc prealloc, GError **error)
{
    return prealloc == VD_PREALLOC_OFF ||
           vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                    "%s: a ZERO extent has no space to preallocate",
                    vd_node_name(e->state->node));
}

const VmdkExtentOps vmdk_zero_ops = {
    .co_map = zero_co_map,
    .co_write = zero_co_write,
    .co_write_zeroes = zero_co_write_zeroes,
    .co_discard = zero_co_discard,
    .co_grow = zero_co_grow,
};
