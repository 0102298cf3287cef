/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/null.c - protocol driver "null": takes every write, keeps none.
 *
 * Reads give zeroes, yet the map calls the disk data unless read-zeroes=on: a
 * copy engine then has to move every byte, which is what a benchmark of it
 * wants.  latency-ns makes each request as slow as a device.
 * Options: size (default 1 GiB), latency-ns, read-zeroes.
 *
 * Concurrency: immutable after open; any number of requests may overlap.
 */
#include "block/drivers.h"
#include "block/open.h"
#include "block/proto/size-name.h"
#include "io/op.h"

#include <errno.h>

#define NULL_DEFAULT_SIZE (UINT64_C(1) << 30)

typedef struct {
    uint64_t latency_ns; /* 0 = requests do not yield */
    bool read_zeroes;    /* the map tells that all is zero */
} NullState;

static bool
null_co_open(VdNode *node, VdOptions *opts, GError **error)
{
    NullState *s = vd_node_state(node);
    uint64_t size = NULL_DEFAULT_SIZE;

    if (!vd_take_disk_size(opts, "null", &size, error) ||
        !vd_options_take_uint(opts, "latency-ns", &s->latency_ns, error) ||
        !vd_options_take_bool(opts, "read-zeroes", &s->read_zeroes, error))
        return false;
    vd_node_set_size(node, size);
    vd_node_set_name(node, "null");
    vd_node_set_write_flags(node, VD_REQ_FUA,
                            VD_REQ_FUA | VD_REQ_MAY_UNMAP | VD_REQ_NO_FALLBACK);
    return true;
}

static bool
null_co_wait(VdNode *node, GError **error)
{
    const NullState *s = vd_node_state(node);
    int r;

    if (s->latency_ns == 0)
        return true;
    r = vio_co_sleep(vd_node_loop(node), s->latency_ns,
                     vd_node_env(node)->cancel);
    return r == 0 || vd_throw_errno(error, -r, "null: waiting");
}

static bool
null_co_map(VdNode *node, uint64_t off, uint64_t len, unsigned want, VdRun *run,
            GError **error)
{
    const NullState *s = vd_node_state(node);

    *run = (VdRun){
        .kind = s->read_zeroes ? VD_RUN_ZERO : VD_RUN_DATA,
        .len = len,
        .child_off = off,
    };
    return true;
}

static bool
null_co_preadv(VdNode *node, uint64_t off, const VioVec *dst, GError **error)
{
    vio_vec_zero(dst);
    return null_co_wait(node, error);
}

static bool
null_co_pwritev(VdNode *node, uint64_t off, const VioVec *src, VdReqFlags flags,
                GError **error)
{
    return null_co_wait(node, error);
}

static bool
null_co_write_zeroes(VdNode *node, uint64_t off, uint64_t len, VdReqFlags flags,
                     GError **error)
{
    return null_co_wait(node, error);
}

static bool
null_co_discard(VdNode *node, uint64_t off, uint64_t len, GError **error)
{
    return null_co_wait(node, error);
}

static bool
null_co_flush_to_disk(VdNode *node, GError **error)
{
    return null_co_wait(node, error);
}

static bool
null_co_truncate(VdNode *node, uint64_t size, VdPrealloc prealloc,
                 GError **error)
{
    vd_node_set_size(node, size);
    return true;
}

static int64_t
null_co_allocated_size(VdNode *node)
{
    return 0;
}

static const char *const null_schemes[] = {"null", "null-co", NULL};

const VdDriver vd_null_driver = {
    VD_DRIVER_HEADER,
    .name = "null",
    .kind = VD_DRIVER_PROTOCOL,
    .caps = VD_CAP_ZERO_FAST,
    .state_size = sizeof(NullState),
    .schemes = null_schemes,
    .parse_name = vd_parse_size_name,
    .co_open = null_co_open,
    .co_map = null_co_map,
    .co_preadv = null_co_preadv,
    .co_pwritev = null_co_pwritev,
    .co_write_zeroes = null_co_write_zeroes,
    .co_discard = null_co_discard,
    .co_flush_to_disk = null_co_flush_to_disk,
    .co_truncate = null_co_truncate,
    .co_allocated_size = null_co_allocated_size,
};
