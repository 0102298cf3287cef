/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/vmfs/write.c - writing into the blocks that a file has.
 *
 * Only if asked for by name (write=in-place), and only to flat extents that no
 * host holds.  Nothing of the file system changes: what is written goes into
 * blocks that the file has for itself; a request that touches anything else is
 * refused as a whole, before its first byte.  Zeroes leave what reads as zeroes
 * already, and nothing is ever given back.
 *
 * We have no lock, since to take one would be to write metadata.  So the
 * descriptor is read again before the first write behind an open or a flush,
 * before others at least once a second, and in flushes: if somebody has taken
 * or changed the file then nothing more is written, and the flush fails. Within
 * that second a host is not noticed: the machine has to stay off.
 *
 * Concurrency: writes may overlap; each looks up its places before it looks at
 * the descriptor, and again behind that.
 */
#include "block/proto/vmfs/state.h"

#include <inttypes.h>
#include <string.h>

#include "block/open.h"
#include "block/proto/vmfs/mapping.h"
#include "block/proto/vmfs/own.h"
#include "block/proto/vmfs/pointers.h"
#include "block/rw.h"

#define LOOK_AGAIN_NS UINT64_C(1000000000)
#define FLAT_SUFFIX "-flat.vmdk"
/* Stretches that are put together, as for reading. */
#define MAX_STEPS 4096

/* -- which files ----------------------------------------------------------- */

static bool
check_is_free(const VmfsFd *fd, GError **error)
{
    static const char *const modes[] = {"", "exclusively", "for reading",
                                        "by several writers"};
    uint32_t mode = fd->lock.mode;
    g_autofree char *owner = vmfs_uuid_text(&fd->lock.owner);

    return mode == VMFS_LOCK_FREE ||
           vd_throw(error, VD_ERROR_IN_USE,
                    "is locked %s, by host %s: it is written only while no "
                    "host holds it, nor one that has died",
                    mode < G_N_ELEMENTS(modes) ? modes[mode] : "somehow",
                    owner);
}

/* In blocks, one to a pointer at least. */
static bool
has_blocks(const VmfsState *s, const VmfsFd *fd)
{
    return fd->mapping != VMFS_MAP_RESIDENT &&
           fd->mapping != VMFS_MAP_SUB_BLOCKS &&
           fd->shift >= s->fs->info.layout.block_shift;
}

bool
vmfs_write_check_file(const VmfsState *s, const VmfsFd *fd, const char *name,
                      GError **error)
{
    if (fd->type != VMFS_TYPE_FILE || !g_str_has_suffix(name, FLAT_SUFFIX))
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "is no flat extent of a disk ('...%s'), and nothing "
                        "else on VMFS is written; a disk itself is written by "
                        "that, as format raw",
                        FLAT_SUFFIX);
    if (!has_blocks(s, fd) || fd->n_shared > 0)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s, which only a host can write",
                        fd->n_shared ? "shares blocks with other files"
                                     : "has no blocks of its own");
    return check_is_free(fd, error);
}

/* -- other hosts ----------------------------------------------------------- */

/* What was a descriptor and is none any more has been taken, too. */
static bool
is_taken(const VmfsState *s, const VmfsFd *now, const GError *problem)
{
    if (!now)
        return vd_error_is(problem, VD_ERROR_CORRUPT) ||
               vd_error_is(problem, VD_ERROR_LIMIT);
    return now->lock.mode != VMFS_LOCK_FREE ||
           !vmfs_fd_is_same(&s->fs->info.layout, s->fd, now);
}

/* Whoever has held the file until now may have changed what pointers lead to,
 * without the descriptor looking different. */
static void
adopt(VmfsState *s, const VmfsFd *now)
{
    if (s->fd->lock.token == now->lock.token)
        return;
    s->fd->lock.token = now->lock.token;
    vmfs_pointers_forget(s->fs->pointers);
    vmfs_bitmap_forget(s->bitmap);
}

static bool
look_co_again(VdNode *node, GError **error)
{
    VmfsState *s = vd_node_state(node);
    uint64_t now_ns = vio_now_ns();
    g_autoptr(GError) problem = NULL;
    g_autoptr(VmfsFd) now = NULL;

    if (!s->taken) {
        now = vmfs_fd_co_read_at(s->fs->volume, &s->fs->info.layout,
                                 s->fd->address, s->fd->offset, &problem);
        if (now && s->looked_ns == 0) /* nothing is written yet */
            adopt(s, now);
        s->taken |= is_taken(s, now, problem);
    }
    if (s->taken)
        return vd_throw(error, VD_ERROR_IN_USE,
                        "%s: a host has taken or changed the file while it was "
                        "being written: what was written last may be lost, and "
                        "nothing more is",
                        vd_node_name(node));
    if (!now) {
        g_propagate_prefixed_error(error, g_steal_pointer(&problem),
                                   "%s: ", vd_node_name(node));
        return false;
    }
    s->looked = true;
    s->looked_ns = now_ns;
    return true;
}

static bool
check_co_not_taken(VdNode *node, GError **error)
{
    const VmfsState *s = vd_node_state(node);

    return (s->looked && !s->taken &&
            vio_now_ns() - s->looked_ns < LOOK_AGAIN_NS) ||
           look_co_again(node, error);
}

/* Devices take whole sectors, and whoever writes a part of one writes the rest
 * of it as it was: which has to be the same block's. */
static bool
check_sectors(const VmfsState *s, GError **error)
{
    const VmfsVolume *v = s->fs->volume;

    for (guint i = 0; i < v->runs->len; i++) {
        const VmfsVolumeRun *run = &g_array_index(v->runs, VmfsVolumeRun, i);
        uint32_t sector = vd_node_limits(run->device)->request_align;

        if (run->physical % sector != 0 || run->logical % sector != 0)
            return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                            "%s: has sectors of %" PRIu32 " bytes, and the "
                            "blocks of the volume begin inside of them",
                            vd_node_name(run->device), sector);
    }
    return true;
}

bool
vmfs_write_co_begin(VdNode *node, GError **error)
{
    VmfsState *s = vd_node_state(node);

    if (s->fs->volume->danger)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: the volume is damaged, and nothing of it is "
                        "written",
                        s->fs->volume->danger);
    if (!check_sectors(s, error))
        return false;
    s->own = vmfs_own_co_collect(s->fs, error);
    return s->own && vmfs_bitmap_co_open(s->fs, &s->bitmap, error);
}

/* -- places ---------------------------------------------------------------- */

static const char *
why_not(const VmfsStep *step)
{
    if (!step->stored)
        return "is in a hole";
    return step->block ? "is in a block that is still to be zeroed"
                       : "is not in a block of the file alone";
}

static bool
step_co_find(VdNode *node, uint64_t off, bool zeroes, VmfsStep *step,
             GError **error)
{
    const VmfsState *s = vd_node_state(node);

    if (!vmfs_file_co_step(s->fs, s->fd, off, 0, step, error))
        return false;
    if (zeroes && step->zero)
        return true;
    if (step->zero || !step->block)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "byte %" PRIu64 " %s, and only a host can write there",
                        off, why_not(step));
    if (vmfs_own_touches(s->own, step->place.offset, step->len))
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "byte %" PRIu64 " is at byte %" PRIu64
                        " of the volume, among what is the file system's own",
                        off, step->place.offset);
    return vmfs_bitmap_co_check(s->fs, s->bitmap, step->place.offset, step->len,
                                error) ||
           vd_prefix(error, "byte %" PRIu64 ": ", off);
}

static bool
continues(const VmfsStep *run, const VmfsStep *next)
{
    return run->zero == next->zero &&
           (run->zero || run->place.offset + run->len == next->place.offset);
}

/* Zeroes may be more than can be looked through in no time. */
static bool
check_wanted(const VdNode *node, GError **error)
{
    int r = vio_cancel_check(vd_node_env(node)->cancel);

    return r == 0 || vd_throw_errno(error, -r, "writing");
}

/* At @off, up to @len bytes in one stretch of one device; none = they are
 * zeroes already. */
static bool
stretch_co_find(VdNode *node, uint64_t off, uint64_t len, bool zeroes,
                VmfsVolumeRun *run, GError **error)
{
    const VmfsState *s = vd_node_state(node);
    VmfsStep step, next;

    if ((zeroes && !check_wanted(node, error)) ||
        !step_co_find(node, off, zeroes, &step, error))
        return vd_prefix(error, "%s: ", vd_node_name(node));
    /* What is wrong behind it is told when it is its turn. */
    for (unsigned i = 0; step.len < len && i < MAX_STEPS; i++) {
        if (!step_co_find(node, off + step.len, zeroes, &next, NULL) ||
            !continues(&step, &next))
            break;
        step.len += next.len;
    }
    *run = (VmfsVolumeRun){.len = MIN(step.len, len)};
    return step.zero ||
           vmfs_volume_locate(s->fs->volume, step.place.offset, run->len, run,
                              error) ||
           vd_prefix(error, "%s: ", vd_node_name(node));
}

/* All of [off, off + len) can be written. */
static bool
check_co_places(VdNode *node, uint64_t off, uint64_t len, bool zeroes,
                GError **error)
{
    while (len > 0) {
        VmfsVolumeRun run;

        if (!stretch_co_find(node, off, len, zeroes, &run, error))
            return false;
        off += run.len;
        len -= run.len;
    }
    return true;
}

/* All of it can be written, and nobody has taken the file.  What is found by
 * the first look may be news. */
static bool
check_co_request(VdNode *node, uint64_t off, uint64_t len, bool zeroes,
                 GError **error)
{
    const VmfsState *s = vd_node_state(node);
    bool first = s->looked_ns == 0;

    return check_co_places(node, off, len, zeroes, error) &&
           check_co_not_taken(node, error) &&
           (!first || check_co_places(node, off, len, zeroes, error));
}

/* -- requests -------------------------------------------------------------- */

/* Where in the file it was: who has written knows no device. */
static bool
prefix_place(const VdNode *node, uint64_t off, GError **error)
{
    return vd_prefix(error, "%s: byte %" PRIu64 ": ", vd_node_name(node), off);
}

bool
vmfs_co_pwritev(VdNode *node, uint64_t off, const VioVec *src, VdReqFlags flags,
                GError **error)
{
    VmfsVolumeRun run;

    if (!check_co_request(node, off, src->len, false, error))
        return false;
    for (size_t done = 0; done < src->len; done += run.len) {
        VioVec part;

        if (!stretch_co_find(node, off + done, src->len - done, false, &run,
                             error))
            return false;
        part = vio_vec_slice(src, done, run.len);
        if (!vd_node_co_pwritev(run.device, run.physical, &part, 0, error))
            return prefix_place(node, off + done, error);
    }
    return true;
}

static bool
zero_co_places(VdNode *node, uint64_t off, uint64_t len, VdReqFlags flags,
               GError **error)
{
    while (len > 0) {
        VmfsVolumeRun run;

        if (!stretch_co_find(node, off, len, true, &run, error))
            return false;
        if (run.device && !vd_node_co_write_zeroes(run.device, run.physical,
                                                   run.len, flags, error))
            return prefix_place(node, off, error);
        off += run.len;
        len -= run.len;
    }
    return true;
}

bool
vmfs_co_write_zeroes(VdNode *node, uint64_t off, uint64_t len, VdReqFlags flags,
                     GError **error)
{
    GError *problem = NULL;

    if (check_co_request(node, off, len, true, &problem))
        return zero_co_places(node, off, len, flags & VD_REQ_NO_FALLBACK,
                              error);
    /* Not for the door to try them as data, piece by piece. */
    if (vd_error_is(problem, VD_ERROR_NOT_SUPPORTED))
        problem->code = VD_ERROR_REFUSED;
    g_propagate_error(error, problem);
    return false;
}

bool
vmfs_co_flush_to_disk(VdNode *node, GError **error)
{
    VmfsState *s = vd_node_state(node);
    bool ok = look_co_again(node, error);

    s->looked = false;
    return ok;
}

/* Also where nothing has been flushed. */
bool
vmfs_co_finish(VdNode *node, GError **error)
{
    const VmfsState *s = vd_node_state(node);

    return !s->looked || look_co_again(node, error);
}
