/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/zero.c - protocol driver "zero": a disk that reads as zeroes.
 *
 * Lets benchmarks and tests measure the layers above with no storage below:
 * reads never touch the engine.  Read-only; its map says that all of it is
 * zero.  Options: size (default 1 GiB).
 *
 * Concurrency: immutable after open; any number of requests may overlap.
 */
#include "block/drivers.h"
#include "block/proto/size-name.h"

#define ZERO_DEFAULT_SIZE (UINT64_C(1) << 30)

static bool
zero_co_open(VdNode *node, VdOptions *opts, GError **error)
{
    uint64_t size = ZERO_DEFAULT_SIZE;

    if (vd_node_is_writable(node))
        return vd_throw(error, VD_ERROR_READ_ONLY,
                        "a zero disk cannot be opened for writing");
    if (!vd_take_disk_size(opts, "zero", &size, error))
        return false;
    vd_node_set_size(node, size);
    vd_node_set_name(node, "zero");
    return true;
}

static bool
zero_co_map(VdNode *node, uint64_t off, uint64_t len, unsigned want, VdRun *run,
            GError **error)
{
    *run = (VdRun){.kind = VD_RUN_ZERO, .len = len};
    return true;
}

static bool
zero_co_preadv(VdNode *node, uint64_t off, const VioVec *dst, GError **error)
{
    vio_vec_zero(dst);
    return true;
}

static int64_t
zero_co_allocated_size(VdNode *node)
{
    return 0;
}

static const char *const zero_schemes[] = {"zero", NULL};

const VdDriver vd_zero_driver = {
    VD_DRIVER_HEADER,
    .name = "zero",
    .kind = VD_DRIVER_PROTOCOL,
    .caps = VD_CAP_ZERO_FAST,
    .schemes = zero_schemes,
    .parse_name = vd_parse_size_name,
    .co_open = zero_co_open,
    .co_map = zero_co_map,
    .co_preadv = zero_co_preadv,
    .co_allocated_size = zero_co_allocated_size,
};
