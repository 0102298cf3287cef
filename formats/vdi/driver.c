/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vdi/driver.c - format driver "vdi": VirtualBox's disk images.
 *
 * What is done with blocks is formats/blocks/'s business.
 *
 * Options: file.* (the child).
 *
 * Concurrency: requests overlap freely.
 */
#include "formats/vdi/driver.h"
#include "formats/vdi/vdi.h"

#define PROBE_SURE 100

static int
vdi_probe(const uint8_t *head, size_t len, uint64_t size, const char *filename)
{
    return vdi_header_is_magic(head, len) ? PROBE_SURE : 0;
}

static VdBlocks *
blocks_of(const VdNode *node)
{
    const VdiState *s = vd_node_state(node);

    return s->blocks;
}

static bool
vdi_co_map(VdNode *node, uint64_t off, uint64_t len, unsigned want, VdRun *run,
           GError **error)
{
    return vd_blocks_co_map(blocks_of(node), off, len, run, error);
}

static bool
vdi_co_pwritev(VdNode *node, uint64_t off, const VioVec *src, VdReqFlags flags,
               GError **error)
{
    return vd_blocks_co_write(blocks_of(node), off, src, error);
}

static bool
vdi_co_write_zeroes(VdNode *node, uint64_t off, uint64_t len, VdReqFlags flags,
                    GError **error)
{
    return vd_blocks_co_write_zeroes(blocks_of(node), off, len, flags, error);
}

static bool
vdi_co_discard(VdNode *node, uint64_t off, uint64_t len, GError **error)
{
    return vd_blocks_co_discard(blocks_of(node), off, len, error);
}

static bool
vdi_co_flush_to_os(VdNode *node, GError **error)
{
    return vd_blocks_co_flush(blocks_of(node), error);
}

const VdDriver vd_vdi_driver = {
    VD_DRIVER_HEADER,
    .name = "vdi",
    .kind = VD_DRIVER_FORMAT,
    .state_size = sizeof(VdiState),
    .create_options = vdi_create_options,
    .probe = vdi_probe,
    .co_open = vdi_co_open,
    .co_finish = vdi_co_flush_to_os,
    .co_close = vdi_co_close,
    .co_create = vdi_co_create,
    .co_map = vdi_co_map,
    .co_pwritev = vdi_co_pwritev,
    .co_write_zeroes = vdi_co_write_zeroes,
    .co_discard = vdi_co_discard,
    .co_flush_to_os = vdi_co_flush_to_os,
    .get_info = vdi_get_info,
    .describe = vdi_describe,
    .co_measure = vdi_co_measure,
    .co_check = vdi_co_check,
};
