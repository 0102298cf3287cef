/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/vmfs/mapping.c - which byte of the volume a byte of a file is.
 *
 * A pointer of the descriptor stands for a block, or for a table of pointers,
 * or for a table of tables.  Tables and sub-blocks lie in files, which are
 * mapped in the same way: that may go round in circles in a hostile volume, so
 * depth is bounded.  Blocks of one file may be of different kinds; how long one
 * is, is a matter of its own kind.
 *
 * Concurrency: yields for tables that are not in memory.
 */
#include "block/proto/vmfs/mapping.h"

#include <inttypes.h>
#include <string.h>

#include "block/error.h"
#include "block/proto/vmfs/pointers.h"
#include "block/proto/vmfs/resource.h"

/* -- places of addresses --------------------------------------------------- */

static bool
place_block(const VmfsFs *fs, const VmfsAddress *a, uint64_t within,
            VmfsPlace *place, GError **error)
{
    const VmfsLayout *l = &fs->info.layout;
    uint64_t start = vmfs_address_block_offset(l, a);
    uint64_t bytes = vmfs_address_block_bytes(l, a);

    if (start > fs->volume->size || fs->volume->size - start < bytes)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "block %" PRIu64 ".%" PRIu32
                        " (kind %d) lies outside the volume",
                        a->cluster, a->resource, (int) a->kind);
    place->offset = start + within;
    place->len = bytes - within;
    return true;
}

static const VmfsResource *
resource_of(const VmfsFs *fs, VmfsAddressKind kind)
{
    switch (kind) {
    case VMFS_SUB_BLOCK:
        return fs->resources[VMFS_SBC];
    case VMFS_POINTER_BLOCK:
        return fs->resources[VMFS_PBC];
    case VMFS_POINTER_BLOCK_2:
        return fs->resources[VMFS_PB2];
    case VMFS_DESCRIPTOR:
        return fs->resources[VMFS_FDC];
    default:
        return NULL;
    }
}

static bool
place_co_resource(VmfsFs *fs, const VmfsResource *r, const VmfsAddress *a,
                  uint64_t within, unsigned depth, VmfsPlace *place,
                  GError **error)
{
    VmfsStep step;
    uint64_t off;

    if (depth >= VMFS_MAX_DEPTH)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: its pieces are found by way of themselves",
                        r->name);
    if (!vmfs_resource_find(&fs->info.layout, r, a, &off, error) ||
        !vmfs_file_co_step(fs, r->fd, off + within, depth + 1, &step, error))
        return false;
    if (step.zero)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: has a hole at byte %" PRIu64
                        ", where something should be",
                        r->name, off + within);
    place->offset = step.place.offset;
    place->len = MIN(step.len, r->header.bytes - within);
    return true;
}

bool
vmfs_place_co_find(VmfsFs *fs, uint64_t raw, uint64_t within, unsigned depth,
                   VmfsPlace *place, GError **error)
{
    const VmfsLayout *l = &fs->info.layout;
    VmfsAddress a = vmfs_address_decode(l, raw);
    const VmfsResource *r = resource_of(fs, a.kind);

    if (r)
        return place_co_resource(fs, r, &a, within, depth, place, error);
    if (a.kind == VMFS_FILE_BLOCK || (a.kind == VMFS_LARGE_BLOCK && l->v6))
        return place_block(fs, &a, within, place, error);
    return vd_throw(error, VD_ERROR_CORRUPT,
                    "address 0x%" PRIx64 " is of kind %d, which this volume "
                    "does not have there",
                    raw, (int) a.kind);
}

/* -- pointers -------------------------------------------------------------- */

/* Tables between the descriptor and a block. */
static int
levels_of(uint32_t mapping)
{
    switch (mapping) {
    case VMFS_MAP_BLOCKS:
    case VMFS_MAP_SUB_BLOCKS:
        return 0;
    case VMFS_MAP_POINTERS:
    case VMFS_MAP_POINTERS_2:
        return 1;
    case VMFS_MAP_DOUBLE:
        return 2;
    default:
        return -1;
    }
}

/* What a file has at @off. */
typedef struct {
    uint64_t raw;    /* address; 0 = a hole */
    uint64_t within; /* @off from its beginning */
    uint64_t bytes;  /* that it stands for */
} Pointer;

static bool
walk_co_tables(VmfsFs *fs, uint64_t off, unsigned shift, unsigned levels,
               unsigned depth, Pointer *p, GError **error)
{
    unsigned per_table = fs->info.layout.table_shift;
    uint32_t mask = (UINT32_C(1) << per_table) - 1;

    while (p->raw != 0 && levels > 0) {
        uint64_t table = p->raw;

        shift -= per_table;
        levels--;
        if (!vmfs_pointers_co_get(fs, table, (uint32_t) (off >> shift) & mask,
                                  depth, &p->raw, error))
            return false;
    }
    p->bytes = UINT64_C(1) << shift;
    p->within = off & (p->bytes - 1);
    return true;
}

static bool
find_co_pointer(VmfsFs *fs, const VmfsFd *fd, uint64_t off, unsigned depth,
                Pointer *p, GError **error)
{
    const VmfsLayout *l = &fs->info.layout;
    int levels = levels_of(fd->mapping);
    unsigned shift;
    uint64_t index;

    if (levels < 0)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "descriptor 0x%08" PRIx32 ": its bytes are found in a "
                        "way (%" PRIu32 ") that is not known",
                        fd->address, fd->mapping);
    shift = fd->shift + (unsigned) levels * l->table_shift;
    index = off >> shift;
    if (index >= l->pointers_bytes / l->pointer_bytes)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "descriptor 0x%08" PRIx32 ": no pointer reaches byte "
                        "%" PRIu64,
                        fd->address, off);
    p->raw = vmfs_address_get(l, fd->pointers, (uint32_t) index);
    return walk_co_tables(fs, off, shift, (unsigned) levels, depth, p, error);
}

/* -- bytes ----------------------------------------------------------------- */

/* Of what a pointer at the end of the walk may name; 0 = that is none of it. */
static uint64_t
leaf_bytes(const VmfsLayout *l, const VmfsAddress *a)
{
    switch (a->kind) {
    case VMFS_FILE_BLOCK:
        return vmfs_address_block_bytes(l, a);
    case VMFS_LARGE_BLOCK:
        return l->v6 ? vmfs_address_block_bytes(l, a) : 0;
    case VMFS_SUB_BLOCK:
        return l->sub_block_bytes;
    default:
        return 0;
    }
}

/* Of which part nobody could verify: zeroes would perhaps hide data. */
static bool
check_zeroed(const VmfsFd *fd, const Pointer *p, const VmfsAddress *a,
             GError **error)
{
    return !a->zeroed_in_part ||
           vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                    "descriptor 0x%08" PRIx32 ": address 0x%" PRIx64
                    " names a large block of which some is to be zeroed, which "
                    "cannot be read",
                    fd->address, p->raw);
}

/* A block may be longer than what one pointer stands for: then its neighbours
 * name it, too.  Or shorter, if the file ends inside. */
static bool
step_co_leaf(VmfsFs *fs, const VmfsFd *fd, uint64_t off, const Pointer *p,
             unsigned depth, VmfsStep *step, GError **error)
{
    VmfsAddress a = vmfs_address_decode(&fs->info.layout, p->raw);
    uint64_t bytes = leaf_bytes(&fs->info.layout, &a);
    uint64_t within = bytes ? off & (bytes - 1) : 0;

    if (p->within >= bytes)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "descriptor 0x%08" PRIx32 ": byte %" PRIu64
                        " is not in what address 0x%" PRIx64 " names",
                        fd->address, off, p->raw);
    if (!check_zeroed(fd, p, &a, error) ||
        !vmfs_place_co_find(fs, p->raw, within, depth, &step->place, error))
        return false;
    step->stored = true;
    step->block = a.kind != VMFS_SUB_BLOCK && !a.shared;
    step->zero = a.to_be_zeroed;
    step->len = MIN(step->place.len, p->bytes - p->within);
    return true;
}

static void
step_resident(const VmfsFs *fs, const VmfsFd *fd, uint64_t off, VmfsStep *step)
{
    const VmfsLayout *l = &fs->info.layout;

    step->stored = true;
    step->place.offset = fd->offset + vmfs_fd_resident_offset(l) + off;
    step->len = vmfs_fd_resident_bytes(l) - off;
}

bool
vmfs_file_co_step(VmfsFs *fs, const VmfsFd *fd, uint64_t off, unsigned depth,
                  VmfsStep *step, GError **error)
{
    VmfsStep answer = {0};
    Pointer p;

    if (fd->mapping == VMFS_MAP_RESIDENT) {
        step_resident(fs, fd, off, &answer);
    } else {
        if (!find_co_pointer(fs, fd, off, depth, &p, error))
            return false;
        answer.zero = p.raw == 0;
        answer.len = p.bytes - p.within;
        if (p.raw != 0 && !step_co_leaf(fs, fd, off, &p, depth, &answer, error))
            return false;
    }
    answer.len = MIN(answer.len, fd->len - off);
    answer.place.len = answer.len;
    *step = answer;
    return true;
}

bool
vmfs_file_co_read(VmfsFs *fs, const VmfsFd *fd, uint64_t off, void *buf,
                  size_t len, GError **error)
{
    uint8_t *to = buf;

    while (len > 0 && off < fd->len) {
        VmfsStep step;
        size_t n;

        if (!vmfs_file_co_step(fs, fd, off, 0, &step, error))
            return false;
        n = (size_t) MIN(step.len, len);
        if (step.zero)
            memset(to, 0, n);
        else if (!vmfs_volume_co_read(fs->volume, step.place.offset, to, n,
                                      error))
            return false;
        to += n;
        off += n;
        len -= n;
    }
    memset(to, 0, len);
    return true;
}
