/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vhd/driver.c - format driver "vpc": VHD, the disk images of Virtual
 * PC and of Hyper-V before VHDX, under QEMU's name.
 *
 * A fixed disk is its bytes with a footer behind them; the others keep blocks
 * (formats/blocks/) of which sectors may be missing (bitmap.c).
 *
 * Options: file.* (the child); force_size_calc=auto|chs|current_size;
 * parent=PATH.
 *
 * Concurrency: requests overlap freely.
 */
#include "formats/vhd/driver.h"
#include "formats/vhd/vhd.h"

#define PROBE_SURE 100

/* Of a fixed disk the beginning tells nothing, and its end only what a guest
 * may have put there: it counts where the name says VHD. */
static const char *const vhd_tail_names[] = {".vhd", ".vpc", NULL};

static int
vhd_probe(const uint8_t *head, size_t len, uint64_t size, const char *filename)
{
    return vhd_footer_is_magic(head, len) ? PROBE_SURE : 0;
}

static bool
vhd_probe_tail(const uint8_t *tail, size_t len, uint64_t size)
{
    size_t n = size % VHD_SECTOR == VHD_OLD_FOOTER_BYTES ? VHD_OLD_FOOTER_BYTES
                                                         : VHD_FOOTER_BYTES;

    return len >= n && vhd_footer_is_sound(tail + len - n, n);
}

static bool
is_fixed(const VdNode *node)
{
    const VhdState *s = vd_node_state(node);

    return !s->blocks;
}

static VdNode *
file_of(const VdNode *node)
{
    const VhdState *s = vd_node_state(node);

    return s->file;
}

static bool
vhd_co_map(VdNode *node, uint64_t off, uint64_t len, unsigned want, VdRun *run,
           GError **error)
{
    VhdState *s = vd_node_state(node);
    VdBlockKind kind;
    bool here = true;

    if (is_fixed(node)) {
        *run = (VdRun){.kind = VD_RUN_DATA,
                       .len = len,
                       .child = s->file,
                       .child_off = off};
        return true;
    }
    if (!vd_blocks_co_lookup(s->blocks, off, len, run, &kind, error))
        return false;
    if (run->kind != VD_RUN_DATA)
        return true;
    run->len = MIN(run->len, s->blocks->spec.block_bytes -
                                 (off & (s->blocks->spec.block_bytes - 1)));
    if (!vhd_bitmap_co_split(s, off, run, &here, error))
        return false;
    if (here)
        vd_blocks_clamp_to_file(run);
    else
        *run = (VdRun){.kind = VD_RUN_PARENT, .len = run->len};
    return true;
}

static bool
vhd_co_pwritev(VdNode *node, uint64_t off, const VioVec *src, VdReqFlags flags,
               GError **error)
{
    if (is_fixed(node))
        return vd_node_co_pwritev(file_of(node), off, src, flags, error);
    return vd_blocks_node_co_pwritev(node, off, src, flags, error);
}

static bool
vhd_co_write_zeroes(VdNode *node, uint64_t off, uint64_t len, VdReqFlags flags,
                    GError **error)
{
    if (is_fixed(node))
        return vd_node_co_write_zeroes(file_of(node), off, len, flags, error);
    return vd_blocks_node_co_write_zeroes(node, off, len, flags, error);
}

static bool
vhd_co_discard(VdNode *node, uint64_t off, uint64_t len, GError **error)
{
    if (is_fixed(node))
        return vd_node_co_discard(file_of(node), off, len, error);
    return vd_blocks_node_co_discard(node, off, len, error);
}

static bool
vhd_co_flush_to_os(VdNode *node, GError **error)
{
    return is_fixed(node) || vd_blocks_node_co_flush(node, error);
}

static bool
vhd_co_finish(VdNode *node, GError **error)
{
    return is_fixed(node) || vd_blocks_node_co_finish(node, error);
}

const VdDriver vd_vhd_driver = {
    VD_DRIVER_HEADER,
    .name = "vpc",
    .kind = VD_DRIVER_FORMAT,
    .caps = VD_CAP_HAS_PARENT,
    .state_size = sizeof(VhdState),
    .create_options = vhd_create_options,
    .probe = vhd_probe,
    .tail_names = vhd_tail_names,
    .probe_tail = vhd_probe_tail,
    .co_open = vhd_co_open,
    .co_finish = vhd_co_finish,
    .co_close = vhd_co_close,
    .co_create = vhd_co_create,
    .co_map = vhd_co_map,
    .co_pwritev = vhd_co_pwritev,
    .co_write_zeroes = vhd_co_write_zeroes,
    .co_discard = vhd_co_discard,
    .co_resize = vhd_co_resize,
    .co_flush_to_os = vhd_co_flush_to_os,
    .get_info = vhd_get_info,
    .describe = vhd_describe,
    .co_measure = vhd_co_measure,
    .co_check = vhd_co_check,
    .co_compact = vhd_co_compact,
};
