/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vdi/open.c - opening a VDI image, and what its table says.
 *
 * The header counts the blocks that have a place, and VirtualBox puts the next
 * one behind them: so the count is in the file before an entry names a new
 * place.
 *
 * Concurrency: one loop.
 */
#include "formats/vdi/vdi.h"

#include "block/open.h"

#include <inttypes.h>

/* -- the table ------------------------------------------------------------- */

static VdBlockKind
vdi_decode(const VdBlocks *blocks, uint64_t value, uint64_t *off)
{
    const VdBlocksSpec *spec = &blocks->spec;

    if (value == VDI_ABSENT)
        return VD_BLOCK_ABSENT;
    if (value == VDI_ZERO)
        return VD_BLOCK_ZERO;
    *off = spec->first + value * spec->unit + spec->front;
    return VD_BLOCK_DATA;
}

static uint64_t
vdi_encode(const VdBlocks *blocks, uint64_t off)
{
    const VdBlocksSpec *spec = &blocks->spec;

    return (off - spec->front - spec->first) / spec->unit;
}

bool
vdi_co_put_header(VdiState *s, const uint8_t raw[VDI_HEADER_BYTES],
                  GError **error)
{
    return vd_node_co_pwrite(s->file, 0, raw,
                             MIN(VDI_HEADER_BYTES, s->hdr.table_off), error);
}

static bool
vdi_co_store_header(VdiState *s, GError **error)
{
    return vdi_co_put_header(s, s->raw, error);
}

/* Who has this image as a parent has to see that it changes. */
static bool
vdi_co_begin(VdBlocks *blocks, GError **error)
{
    VdiState *s = blocks->spec.format;

    if (blocks->same)
        return true;
    vd_uuid_new(s->hdr.modify);
    vdi_header_set_modified(&s->hdr, s->raw, s->hdr.modify);
    return vdi_co_store_header(s, error);
}

bool
vdi_co_store_count(VdiState *s, uint32_t n, GError **error)
{
    s->hdr.n_allocated = n;
    vdi_header_set_allocated(&s->hdr, s->raw, n);
    return vdi_co_store_header(s, error);
}

static bool
vdi_co_note_end(VdBlocks *blocks, GError **error)
{
    uint64_t places = (blocks->next - blocks->spec.first) / blocks->spec.unit;

    return vdi_co_store_count(blocks->spec.format, (uint32_t) places, error);
}

const VdBlocksOps vdi_blocks_ops = {
    .decode = vdi_decode,
    .encode = vdi_encode,
    .co_begin = vdi_co_begin,
    .co_note_end = vdi_co_note_end,
};

/* -- opening --------------------------------------------------------------- */

static bool
check_kind(const VdiState *s, GError **error)
{
    if (s->hdr.type == VDI_UNDO)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: undo VDI images are not read",
                        vd_node_name(s->file));
    if (s->hdr.type == VDI_DIFFERENCING && vd_node_is_writable(s->node))
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: differencing VDI images are read only",
                        vd_node_name(s->file));
    return true;
}

/* Sizes that are no whole sectors are rounded up: the last block has room. */
static uint64_t
disk_size(const VdiHeader *hdr)
{
    return (hdr->size + VDI_SECTOR - 1) / VDI_SECTOR * VDI_SECTOR;
}

VdBlocks *
vdi_blocks_new(VdiState *s, const VdiHeader *hdr, GError **error)
{
    VdBlocksSpec spec = {
        .ops = &vdi_blocks_ops,
        .format = s,
        .table = {.off = hdr->table_off, .n = hdr->n_blocks, .entry_bytes = 4},
        .size = disk_size(hdr),
        .block_bytes = hdr->block_bytes,
        .first = hdr->data_off,
        .absent = VDI_ABSENT,
        .front = hdr->extra_bytes,
        .unit = hdr->block_bytes + hdr->extra_bytes,
    };

    spec.phase = hdr->data_off % spec.unit;
    return vd_blocks_new(s->node, s->file, &spec, error);
}

static bool
open_blocks(VdiState *s, GError **error)
{
    vd_node_set_size(s->node, disk_size(&s->hdr));
    s->blocks = vdi_blocks_new(s, &s->hdr, error);
    return s->blocks != NULL;
}

static bool
vdi_co_take_header(VdiState *s, GError **error)
{
    struct iovec iov;
    VioVec head = vio_vec_from_buf(&iov, s->raw, sizeof(s->raw));

    return vd_node_co_preadv_eof(s->file, 0, &head, error) &&
           vdi_header_decode(&s->hdr, s->raw, vd_node_name(s->file), error);
}

bool
vdi_co_open(VdNode *node, VdOptions *opts, GError **error)
{
    VdiState *s = vd_node_state(node);

    s->node = node;
    s->file = vd_node_co_open_child(node, "file", NULL, opts,
                                    vd_node_flags(node), error);
    if (!s->file || !vdi_co_take_header(s, error))
        return false;
    vd_node_set_name(node, vd_node_name(s->file));
    if (!check_kind(s, error) || !open_blocks(s, error) ||
        !vdi_parent_co_open(s, opts, error)) {
        vdi_co_close(node);
        return false;
    }
    vd_node_limits(node)->opt_transfer = vd_node_limits(s->file)->opt_transfer;
    vd_node_set_write_flags(node, 0, VD_REQ_MAY_UNMAP | VD_REQ_NO_FALLBACK);
    return true;
}

void
vdi_co_close(VdNode *node)
{
    VdiState *s = vd_node_state(node);

    g_clear_pointer(&s->blocks, vd_blocks_free);
    g_clear_pointer(&s->parent_path, g_free);
}
