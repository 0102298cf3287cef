/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow/decode.c - compressed clusters of qcow version 1: at most 64 KiB
 * each, so that none is kept.
 *
 * Concurrency: clusters are inflated on workers.
 */
#include "formats/qcow/qcow.h"

#include "block/codec/codec.h"

#include <inttypes.h>

bool
qcow_co_decode(VdNode *node, uint64_t off, const VdRun *run, const VioVec *dst,
               GError **error)
{
    QcowState *s = vd_node_state(node);
    uint64_t cluster = qcow_cluster_bytes(&s->hdr), entry, at;
    g_autofree uint8_t *packed = NULL, *bytes = g_malloc(cluster);
    uint32_t len;
    struct iovec iov;
    VioVec src;

    if (!qcow_co_entry(s, off, &entry, error))
        return false;
    qcow_entry_packed(&s->hdr, entry, &at, &len);
    packed = g_malloc(MAX(len, 1));
    src = vio_vec_from_buf(&iov, packed, len);
    if (!vd_node_co_preadv_eof(s->file, at, &src, error))
        return false;
    if (!vd_codec_co_inflate_whole(vd_node_loop(node), VD_CODEC_RAW, packed,
                                   len, bytes, cluster, error))
        return vd_prefix(error,
                         "%s: the compressed cluster at byte %" PRIu64
                         " (%u bytes): ",
                         vd_node_name(s->file), at, len);
    vio_vec_copy_in(dst, bytes + (off & (cluster - 1)));
    return true;
}
