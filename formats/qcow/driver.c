/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow/driver.c - format driver "qcow": QEMU's first format, read only.
 *
 * Options: file.* (child).
 *
 * Concurrency: nothing changes; requests overlap freely.
 */
#include "formats/qcow/driver.h"
#include "formats/qcow/qcow.h"

#include "block/open.h"

#define PROBE_SURE 100

static int
qcow_probe(const uint8_t *head, size_t len, uint64_t size, const char *filename)
{
    return qcow_header_is_magic(head, len) ? PROBE_SURE : 0;
}

static void
qcow_get_info(VdNode *node, VdNodeInfo *info)
{
    const QcowState *s = vd_node_state(node);

    *info = (VdNodeInfo){
        .cluster_size = qcow_cluster_bytes(&s->hdr),
        .encrypted = s->hdr.crypt_method != 0,
        .backing_name = s->backing_name,
    };
}

const VdDriver vd_qcow_driver = {
    VD_DRIVER_HEADER,
    .name = "qcow",
    .kind = VD_DRIVER_FORMAT,
    .caps = VD_CAP_HAS_PARENT,
    .state_size = sizeof(QcowState),
    .probe = qcow_probe,
    .co_open = qcow_co_open,
    .co_close = qcow_co_close,
    .co_map = qcow_co_map,
    .co_decode = qcow_co_decode,
    .get_info = qcow_get_info,
    .locate_parent = vd_parent_combine,
};
