/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vhdx/driver.c - format driver "vhdx": Hyper-V's disk images.
 *
 * What is done with blocks is formats/blocks/'s business; what is special is
 * that changes of the table go through a log, that a reader may have to see the
 * file as the log will make it, and that blocks may be partly the parent's.
 *
 * Options: file.* (the child); parent=PATH.
 *
 * Concurrency: requests overlap freely.
 */
#include "formats/vhdx/driver.h"
#include "formats/vhdx/vhdx.h"

#define PROBE_SURE 100

static int
vhdx_probe(const uint8_t *head, size_t len, uint64_t size, const char *filename)
{
    return len >= VHDX_MAGIC_BYTES &&
                   memcmp(head, VHDX_MAGIC, VHDX_MAGIC_BYTES) == 0
               ? PROBE_SURE
               : 0;
}

/* Hardly ever do logs hold what blocks do, but they may. */
static void
split_by_patches(const VhdxState *s, VdRun *run)
{
    VhdxPatch patch;
    uint64_t n = run->len;

    if (!s->replay.patches ||
        !vhdx_patches_find(s->replay.patches, run->child_off, run->len, &n,
                           &patch)) {
        run->len = n;
        vd_blocks_clamp_to_file(run);
        return;
    }
    run->len = n;
    run->kind = patch.bytes ? VD_RUN_ENCODED : VD_RUN_ZERO;
    run->allocated = !patch.bytes;
}

static bool
vhdx_co_map(VdNode *node, uint64_t off, uint64_t len, unsigned want, VdRun *run,
            GError **error)
{
    VhdxState *s = vd_node_state(node);
    VdBlockKind kind;
    bool here = true;

    if (!vd_blocks_co_lookup(s->blocks, off, len, run, &kind, error))
        return false;
    if (run->kind != VD_RUN_DATA)
        return true;
    if (kind == VD_BLOCK_PARTLY &&
        !vhdx_bitmap_co_split(s, off, run, &here, error))
        return false;
    if (here)
        split_by_patches(s, run);
    else
        *run = (VdRun){.kind = VD_RUN_PARENT, .len = run->len};
    return true;
}

/* What is encoded lies in a patch. */
static bool
vhdx_co_decode(VdNode *node, uint64_t off, const VdRun *run, const VioVec *dst,
               GError **error)
{
    VhdxState *s = vd_node_state(node);
    g_autofree uint8_t *buf = g_malloc(dst->len);

    if (!vhdx_co_read(s, run->child_off, buf, dst->len, error))
        return false;
    vio_vec_copy_in(dst, buf);
    return true;
}

const VdDriver vd_vhdx_driver = {
    VD_DRIVER_HEADER,
    .name = "vhdx",
    .kind = VD_DRIVER_FORMAT,
    .caps = VD_CAP_HAS_PARENT,
    .state_size = sizeof(VhdxState),
    .create_options = vhdx_create_options,
    .probe = vhdx_probe,
    .co_open = vhdx_co_open,
    .co_finish = vhdx_co_finish,
    .co_close = vhdx_co_close,
    .co_create = vhdx_co_create,
    .co_map = vhdx_co_map,
    .co_decode = vhdx_co_decode,
    .co_pwritev = vd_blocks_node_co_pwritev,
    .co_write_zeroes = vd_blocks_node_co_write_zeroes,
    .co_discard = vd_blocks_node_co_discard,
    .co_resize = vhdx_co_resize,
    .co_flush_to_os = vd_blocks_node_co_flush,
    .get_info = vhdx_get_info,
    .describe = vhdx_describe,
    .co_measure = vhdx_co_measure,
    .co_check = vhdx_co_check,
    .co_compact = vhdx_co_compact,
};
