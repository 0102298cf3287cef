/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/place.c - something that nobody names yet, in a new place.
 *
 * Concurrency: yields for I/O.
 */
#include "formats/qcow2/qcow2.h"

bool
qcow2_co_place(Qcow2State *s, const void *data, uint64_t len, uint64_t *off,
               GError **error)
{
    uint64_t cluster = qcow2_cluster_bytes(&s->hdr);
    uint64_t n = (len + cluster - 1) / cluster;

    *off = 0;
    if (!len)
        return true;
    if (!qcow2_co_allocate_all(s->refcounts, n, off, error))
        return false;
    if (vd_node_co_pwrite(s->file, *off, data, len, error))
        return true;
    qcow2_give_up(s->refcounts, *off, n * cluster);
    *off = 0;
    return false;
}
