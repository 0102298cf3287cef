/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vdi/driver.c - format driver "vdi": VirtualBox's disk images.
 *
 * What is done with blocks is formats/blocks/'s business.
 *
 * Options: file.* (the child); parent=PATH.
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

const VdDriver vd_vdi_driver = {
    VD_DRIVER_HEADER,
    .name = "vdi",
    .kind = VD_DRIVER_FORMAT,
    .caps = VD_CAP_HAS_PARENT,
    .state_size = sizeof(VdiState),
    .create_options = vdi_create_options,
    .probe = vdi_probe,
    .co_open = vdi_co_open,
    .co_finish = vd_blocks_node_co_finish,
    .co_close = vdi_co_close,
    .co_create = vdi_co_create,
    .co_map = vd_blocks_node_co_map,
    .co_pwritev = vd_blocks_node_co_pwritev,
    .co_write_zeroes = vd_blocks_node_co_write_zeroes,
    .co_discard = vd_blocks_node_co_discard,
    .co_resize = vdi_co_resize,
    .co_flush_to_os = vd_blocks_node_co_flush,
    .get_info = vdi_get_info,
    .describe = vdi_describe,
    .co_measure = vdi_co_measure,
    .co_check = vdi_co_check,
    .co_compact = vdi_co_compact,
};
