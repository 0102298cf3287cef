/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/stream/extent.c - a compressed extent, read at random.
 *
 * The map is that of a sparse extent, with records in the place of grains
 * (sparse/map.c); only the bytes come from elsewhere (stream.h).
 *
 * Concurrency: immutable after open; any number of requests may overlap.
 */
#include "formats/vmdk/sparse/sparse.h"

bool
vmdk_stream_co_decode(VmdkExtent *e, uint64_t off, const VdRun *run,
                      const VioVec *dst, GError **error)
{
    const VmdkSparse *sp = e->sparse;

    return vmdk_stream_co_read(
        sp->reader, run->child_off, off >> sp->grain_shift,
        (size_t) (off & (sp->grain_bytes - 1)), dst, error);
}

static bool
stream_co_check(VmdkExtent *e, VdCheckResult *result, GError **error)
{
    return vmdk_stream_co_check(e->file, &e->sparse->hdr, result, error);
}

const VmdkExtentOps vmdk_stream_ops = {
    .co_map = vmdk_sparse_co_map,
    .co_decode = vmdk_stream_co_decode,
    .co_check = stream_co_check,
    .free = vmdk_sparse_free,
};
