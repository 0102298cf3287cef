/* SPDX-License-Identifier: BSD-3-Clause */
/* api/copy-verify.c - is what a copy has read what its target has now?
 *
 * A walker goes over data and zeroes of the sums side by side, in the order of
 * the disk, and reads what is not known by the target's own map to be zero.
 *
 * Concurrency: walker and items are coroutines of the target's loop; items
 * overlap.  All that were started are waited for, so the lowest offset that any
 * of them complains of is the lowest there is.
 */
#include "api/copy.h"

#include "io/buffer.h"
#include "io/offload.h"
#include "io/zero.h"

#include <inttypes.h>

#define VERIFY_DEPTH 8

typedef struct {
    VdDisk *disk;
    const VdCopySums *sums;
    VioCoGroup *group;
    VdMeter meter;
    uint64_t verified;
    uint64_t fail_off;
    GError *error;
} Verify;

typedef struct {
    Verify *v;
    uint64_t off, len;
    const VdSum *sum; /* NULL: zeroes are wanted */

    uint8_t *buf;
    bool same;
} VerifyItem;

/* -- outcome -----------------------------------------------------------------
 */

/* Takes @error over. */
static void
verify_fail(Verify *v, uint64_t off, GError *error)
{
    if (v->error != NULL && v->fail_off <= off) {
        g_error_free(error);
        return;
    }
    g_clear_error(&v->error);
    v->error = error;
    v->fail_off = off;
}

static void
verify_fail_reading(Verify *v, uint64_t off, GError *error)
{
    (void) vd_prefix(&error, "error while verifying at byte %" PRIu64 ": ",
                     off);
    verify_fail(v, off, error);
}

static bool
verify_goes_on(Verify *v)
{
    GError *error = NULL;

    if (!vd_context_check_cancel(v->disk->ctx, &error))
        verify_fail(v, UINT64_MAX, error);
    return v->error == NULL;
}

static void
verify_fail_data(const VerifyItem *item)
{
    GError *error = NULL;

    (void) vd_throw(&error, VD_ERROR_CORRUPT,
                    "verification failed: %s: the %" PRIu64
                    " bytes at offset %" PRIu64
                    " are not what was copied there",
                    vd_node_name(item->v->disk->node), item->len, item->off);
    verify_fail(item->v, item->off, error);
}

static void
verify_fail_zeroes(const VerifyItem *item)
{
    uint64_t pos = 0;
    GError *error = NULL;

    while (item->buf[pos] == 0)
        pos++;
    (void) vd_throw(&error, VD_ERROR_CORRUPT,
                    "verification failed: %s: the byte at offset %" PRIu64
                    " is 0x%02x, and zero was copied there",
                    vd_node_name(item->v->disk->node), item->off + pos,
                    item->buf[pos]);
    verify_fail(item->v, item->off + pos, error);
}

/* -- items -------------------------------------------------------------------
 */

/* On a worker. */
static void
verify_look(void *opaque)
{
    VerifyItem *item = opaque;
    VioDigest got;

    if (item->sum == NULL) {
        item->same = vio_is_zero(item->buf, item->len);
        return;
    }
    got = vio_digest(item->buf, item->len);
    item->same = got.word[0] == item->sum->digest.word[0] &&
                 got.word[1] == item->sum->digest.word[1];
}

static void
verify_co_read(VerifyItem *item)
{
    Verify *v = item->v;
    GError *error = NULL;

    if (!vd_node_co_pread(v->disk->node, item->off, item->buf, item->len,
                          &error)) {
        verify_fail_reading(v, item->off, error);
        return;
    }
    vio_co_offload(v->disk->ctx->loop, verify_look, item);
    if (item->same)
        v->verified += item->len;
    else if (item->sum != NULL)
        verify_fail_data(item);
    else
        verify_fail_zeroes(item);
}

static bool
verify_co_item(void *arg, GError **error)
{
    VerifyItem *item = arg;
    Verify *v = item->v;
    VioLoop *loop = v->disk->ctx->loop;

    item->buf = vio_co_buffer_get(loop, item->len);
    if (verify_goes_on(v))
        verify_co_read(item);
    vio_buffer_put(loop, item->buf, item->len);
    v->meter.now.done += item->len;
    vd_meter_update(&v->meter);
    return true; /* the outcome is in the verification */
}

static void
verify_co_start(Verify *v, uint64_t off, uint64_t len, const VdSum *sum)
{
    VerifyItem *item = g_new0(VerifyItem, 1);

    *item = (VerifyItem){.v = v, .off = off, .len = len, .sum = sum};
    vio_co_group_spawn(v->group, verify_co_item, item, g_free);
}

/* -- walking -----------------------------------------------------------------
 */

/* The work grows by what the target stores although it is zero. */
static void
verify_co_stored_zeroes(Verify *v, uint64_t off, uint64_t end)
{
    while (off < end && verify_goes_on(v)) {
        uint64_t len = MIN(end - off, VD_SUM_BYTES);

        verify_co_start(v, off, len, NULL);
        off += len;
    }
}

static void
verify_co_zeroes(Verify *v, uint64_t off, uint64_t end)
{
    while (off < end && verify_goes_on(v)) {
        VdMapEntry entry = {0};
        GError *error = NULL;

        if (!vd_map_co_entry(v->disk->node, off, end - off, &entry, &error)) {
            verify_fail_reading(v, off, error);
            return;
        }
        if (entry.flags & VD_MAP_ZERO) {
            v->verified += entry.len;
            v->meter.now.zero += entry.len;
            v->meter.now.total -= entry.len;
            vd_meter_update(&v->meter);
        } else {
            verify_co_stored_zeroes(v, off, off + entry.len);
        }
        off += entry.len;
    }
}

/* In the order of the disk: of stretches of zeroes what is in front of the data
 * that come next. */
static void
verify_co_walk(Verify *v)
{
    const VdSum *data = (const VdSum *) v->sums->data->data;
    const VdSumZero *zeroes = (const VdSumZero *) v->sums->zeroes->data;
    unsigned n = v->sums->data->len, n_zeroes = v->sums->zeroes->len;
    uint64_t pos = 0;

    for (unsigned i = 0, z = 0; i <= n; i++) {
        uint64_t next = i < n ? data[i].off : UINT64_MAX;

        while (z < n_zeroes && zeroes[z].off < next) {
            verify_co_zeroes(v, MAX(zeroes[z].off, pos),
                             MIN(zeroes[z].off + zeroes[z].len, next));
            z++;
        }
        if (i == n || !verify_goes_on(v))
            return;
        verify_co_start(v, next, data[i].len, &data[i]);
        pos = next + data[i].len;
    }
}

static bool
verify_co_run(void *arg, GError **error)
{
    Verify *v = arg;
    uint64_t most = v->disk->ctx->buffer_limit / 2 / VD_SUM_BYTES;

    vd_disk_enter(v->disk);
    v->group = vio_co_group_new((unsigned) MIN(VERIFY_DEPTH, most));
    verify_co_walk(v);
    (void) vio_co_group_join(v->group, NULL); /* members do not fail */
    vio_co_group_free(v->group);
    vd_meter_co_finish(&v->meter);
    vd_disk_leave(v->disk);
    if (v->error == NULL)
        return true;
    g_propagate_error(error, v->error);
    return false;
}

/* -- set-up ------------------------------------------------------------------
 */

static int
verify_order(const void *a, const void *b)
{
    const VdSum *left = a, *right = b;

    return left->off < right->off ? -1 : left->off > right->off;
}

/* Sorts the data; how far the sums reach, and how many bytes they are. */
static uint64_t
verify_survey(VdCopySums *sums, uint64_t *bytes)
{
    uint64_t end = 0;

    g_array_sort(sums->data, verify_order);
    *bytes = 0;
    for (unsigned i = 0; i < sums->data->len; i++) {
        const VdSum *sum = &g_array_index(sums->data, VdSum, i);

        *bytes += sum->len;
        end = sum->off + sum->len;
    }
    for (unsigned i = 0; i < sums->zeroes->len; i++) {
        const VdSumZero *zero = &g_array_index(sums->zeroes, VdSumZero, i);

        *bytes += zero->len;
        end = MAX(end, zero->off + zero->len);
    }
    return end;
}

bool
vd_copy_co_verify(VdDisk *target, VdCopySums *sums, VdProgressFunc progress,
                  void *progress_opaque, uint64_t *verified, GError **error)
{
    Verify v = {.disk = target, .sums = sums};
    uint64_t bytes, end = verify_survey(sums, &bytes);
    bool ok;

    if (end > vd_disk_size(target))
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "verification failed: %s: has %" PRIu64
                        " bytes, and %" PRIu64 " were copied there",
                        vd_node_name(target->node), vd_disk_size(target), end);
    vd_meter_init(&v.meter, target->ctx->loop, progress, progress_opaque);
    v.meter.now.phase = "verify";
    v.meter.now.total = bytes;
    ok = verify_co_run(&v, error);
    if (ok)
        *verified = v.verified;
    return ok;
}

typedef struct {
    VdDisk *target;
    VdCopySums *sums;
    VdProgressFunc progress;
    void *progress_opaque;
    uint64_t *verified;
} VerifyCall;

static bool
verify_co_call(void *arg, GError **error)
{
    VerifyCall *call = arg;

    return vd_copy_co_verify(call->target, call->sums, call->progress,
                             call->progress_opaque, call->verified, error);
}

bool
vd_copy_verify(VdDisk *target, VdCopySums *sums, VdProgressFunc progress,
               void *progress_opaque, uint64_t *verified, GError **error)
{
    VerifyCall call = {target, sums, progress, progress_opaque, verified};

    return vd_context_run(target->ctx, verify_co_call, &call, error);
}
