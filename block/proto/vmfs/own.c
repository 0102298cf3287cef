/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/vmfs/own.c - which bytes of the volume are the file system's own.
 *
 * What stands in front of the first descriptors, and all that its own files
 * consist of: descriptors, bitmaps, pointers, sub-blocks, the root directory.
 * In a sound volume no block of another file is among them; in one that is not,
 * whoever writes to the file must not hit them.
 *
 * Concurrency: a list of them is constant once it is made.
 */
#include "block/proto/vmfs/own.h"

#include <inttypes.h>

#include "block/error.h"
#include "block/proto/vmfs/mapping.h"
#include "block/proto/vmfs/resource.h"

/* Blocks of such a file; .sbc.sf has the most, in the largest volumes some ten
 * thousand. */
#define MAX_STEPS 262144u

typedef struct {
    uint64_t start, end; /* of the volume */
} VmfsOwnRange;

static void
add(GArray *own, uint64_t start, uint64_t len)
{
    VmfsOwnRange range = {start, start + len};
    VmfsOwnRange *last =
        own->len ? &g_array_index(own, VmfsOwnRange, own->len - 1) : NULL;

    if (last && last->end == start)
        last->end = range.end;
    else
        g_array_append_val(own, range);
}

static bool
add_co_file(VmfsFs *fs, const VmfsFd *fd, GArray *own, GError **error)
{
    uint64_t off = 0;

    for (unsigned i = 0; off < fd->len && i < MAX_STEPS; i++) {
        VmfsStep step;

        if (!vmfs_file_co_step(fs, fd, off, 0, &step, error))
            return false;
        if (step.stored)
            add(own, step.place.offset, step.len);
        off += step.len;
    }
    return off >= fd->len ||
           vd_throw(error, VD_ERROR_LIMIT,
                    "descriptor 0x%08" PRIx32 ": is in more than %u pieces, "
                    "for a file of the system",
                    fd->address, MAX_STEPS);
}

/* Beside those that are open. */
static const uint32_t others[] = {
    VMFS_FD_ROOT, VMFS_FD_FBB,   VMFS_FD_SDD,
    VMFS_FD_JBC,  VMFS_FD_UNMAP, VMFS_FD_DFD,
};

/* Which of them there are depends on the version.  In the place of one that
 * there is not may be nothing, or a file like any other. */
static bool
add_co_other(VmfsFs *fs, uint32_t address, GArray *own, GError **error)
{
    GError *problem = NULL;
    g_autoptr(VmfsFd) fd = vmfs_fd_co_read(fs, address, &problem);

    if (fd)
        return (fd->type != VMFS_TYPE_SYSTEM &&
                fd->type != VMFS_TYPE_DIRECTORY) ||
               add_co_file(fs, fd, own, error);
    if (!vd_error_is(problem, VD_ERROR_CORRUPT)) {
        g_propagate_error(error, problem);
        return false;
    }
    g_error_free(problem);
    return true;
}

GArray *
vmfs_own_co_collect(VmfsFs *fs, GError **error)
{
    g_autoptr(GArray) own = g_array_new(FALSE, FALSE, sizeof(VmfsOwnRange));

    add(own, 0, vmfs_fs_first_fdc_offset(&fs->info));
    for (unsigned i = 0; i < VMFS_N_RESOURCES; i++)
        if (fs->resources[i] &&
            !add_co_file(fs, fs->resources[i]->fd, own, error))
            return NULL;
    for (size_t i = 0; i < G_N_ELEMENTS(others); i++)
        if (!add_co_other(fs, others[i], own, error))
            return NULL;
    return g_steal_pointer(&own);
}

bool
vmfs_own_touches(const GArray *own, uint64_t off, uint64_t len)
{
    for (guint i = 0; i < own->len; i++) {
        const VmfsOwnRange *range = &g_array_index(own, VmfsOwnRange, i);

        if (off < range->end && off + len > range->start)
            return true;
    }
    return false;
}
