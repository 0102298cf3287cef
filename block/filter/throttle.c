/* SPDX-License-Identifier: BSD-3-Clause */
/* block/filter/throttle.c - filter "throttle": no faster than so many bytes or
 * requests a second.
 *
 * Options: bps, bps-read, bps-write, iops, iops-read, iops-write (0 or absent
 * = no limit; all that are given hold at once), burst-ms (default 100): how
 * much an idle disk may catch up.  Zeroes and discards count as one request
 * and no bytes: none travel.
 *
 * Concurrency: requests reserve their share on arrival and sleep until their
 * turn; order is that of arrival.
 */
#include "block/drivers.h"
#include "block/filter/bucket.h"
#include "block/filter/filter.h"
#include "block/open.h"
#include "io/op.h"

#define THROTTLE_BURST_MS 100
#define THROTTLE_MAX_BURST_MS (UINT64_C(1000) * 3600)

typedef enum { THROTTLE_READ, THROTTLE_WRITE, THROTTLE_BOTH } ThrottleSide;

typedef struct {
    VdBucket bytes[3], requests[3]; /* by ThrottleSide */
} ThrottleState;

static bool
throttle_take(ThrottleState *s, VdOptions *opts, GError **error)
{
    uint64_t burst_ms = THROTTLE_BURST_MS;

    if (!vd_options_take_size(opts, "bps", &s->bytes[THROTTLE_BOTH].rate,
                              error) ||
        !vd_options_take_size(opts, "bps-read", &s->bytes[THROTTLE_READ].rate,
                              error) ||
        !vd_options_take_size(opts, "bps-write", &s->bytes[THROTTLE_WRITE].rate,
                              error) ||
        !vd_options_take_uint(opts, "iops", &s->requests[THROTTLE_BOTH].rate,
                              error) ||
        !vd_options_take_uint(opts, "iops-read",
                              &s->requests[THROTTLE_READ].rate, error) ||
        !vd_options_take_uint(opts, "iops-write",
                              &s->requests[THROTTLE_WRITE].rate, error) ||
        !vd_options_take_uint(opts, "burst-ms", &burst_ms, error))
        return false;
    if (burst_ms > THROTTLE_MAX_BURST_MS)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "throttle: burst-ms is %" G_GUINT64_FORMAT
                        ", at most %" G_GUINT64_FORMAT " are possible",
                        burst_ms, THROTTLE_MAX_BURST_MS);
    for (unsigned i = 0; i < G_N_ELEMENTS(s->bytes); i++)
        s->bytes[i].burst_ns = s->requests[i].burst_ns =
            burst_ms * UINT64_C(1000000);
    return true;
}

static bool
throttle_co_open(VdNode *node, VdOptions *opts, GError **error)
{
    return throttle_take(vd_node_state(node), opts, error) &&
           filter_co_open_child(node, opts, vd_node_flags(node), error);
}

static bool
throttle_co_admit(VdNode *node, ThrottleSide side, uint64_t bytes,
                  GError **error)
{
    ThrottleState *s = vd_node_state(node);
    uint64_t now = vio_now_ns(), wait = 0;
    VdBucket *buckets[] = {&s->bytes[side], &s->bytes[THROTTLE_BOTH],
                           &s->requests[side], &s->requests[THROTTLE_BOTH]};
    int r;

    for (unsigned i = 0; i < G_N_ELEMENTS(buckets); i++) {
        uint64_t ns = vd_bucket_reserve(buckets[i], i < 2 ? bytes : 1, now);

        wait = MAX(wait, ns);
    }
    if (wait == 0)
        return true;
    r = vio_co_sleep(vd_node_loop(node), wait, vd_node_env(node)->cancel);
    return r == 0 || vd_throw_errno(error, -r, "%s: throttled request",
                                    vd_node_name(node));
}

static bool
throttle_co_preadv(VdNode *node, uint64_t off, const VioVec *dst,
                   GError **error)
{
    return throttle_co_admit(node, THROTTLE_READ, dst->len, error) &&
           filter_co_preadv(node, off, dst, error);
}

static bool
throttle_co_pwritev(VdNode *node, uint64_t off, const VioVec *src,
                    VdReqFlags flags, GError **error)
{
    return throttle_co_admit(node, THROTTLE_WRITE, src->len, error) &&
           filter_co_pwritev(node, off, src, flags, error);
}

static bool
throttle_co_write_zeroes(VdNode *node, uint64_t off, uint64_t len,
                         VdReqFlags flags, GError **error)
{
    return throttle_co_admit(node, THROTTLE_WRITE, 0, error) &&
           filter_co_write_zeroes(node, off, len, flags, error);
}

static bool
throttle_co_discard(VdNode *node, uint64_t off, uint64_t len, GError **error)
{
    return throttle_co_admit(node, THROTTLE_WRITE, 0, error) &&
           filter_co_discard(node, off, len, error);
}

const VdDriver vd_throttle_driver = {
    VD_DRIVER_HEADER,
    .name = "throttle",
    .kind = VD_DRIVER_FILTER,
    .state_size = sizeof(ThrottleState),
    .co_open = throttle_co_open,
    .co_preadv = throttle_co_preadv,
    .co_pwritev = throttle_co_pwritev,
    .co_write_zeroes = throttle_co_write_zeroes,
    .co_discard = throttle_co_discard,
    .co_truncate = filter_co_truncate,
};
