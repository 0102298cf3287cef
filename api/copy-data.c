/* SPDX-License-Identifier: BSD-3-Clause */
/* api/copy-data.c - items of a copy to a target that takes writes anywhere.
 *
 * Between files in the page cache an item is one job of a worker.  Else cached
 * reads and the search for zeroes happen on the loop, buffered writes on worker
 * threads below: with several items in flight they overlap.
 *
 * Concurrency: items share nothing but the counters of the copy, and whether it
 * can be done below the disks.
 */
#include "api/copy.h"

#include "io/buffer.h"
#include "io/offload.h"
#include "io/zero.h"

#include <string.h>

/* -- reading -----------------------------------------------------------------
 */

static const VdCopySource *
data_source_at(const VdCopy *c, uint64_t off)
{
    unsigned i = 0;

    while (off >= c->sources[i].end)
        i++;
    return &c->sources[i];
}

/* One piece inside one source.  Bytes between its end and the sector's are
 * zero. */
static bool
data_co_read_source(VdCopy *c, const VdCopySource *src, uint64_t off,
                    size_t len, uint8_t *buf, GError **error)
{
    uint64_t pos = off - src->start; /* of what is copied */
    size_t have = pos < src->size ? MIN(len, src->size - pos) : 0;

    memset(buf + have, 0, len - have);
    if (have == 0)
        return true;
    c->result.bytes_read += have;
    return vd_node_co_pread(src->disk->node, src->skip + pos, buf, have, error);
}

static bool
data_co_read_range(VdCopy *c, uint64_t off, size_t len, uint8_t *buf,
                   GError **error)
{
    while (len > 0) {
        const VdCopySource *src = data_source_at(c, off);
        size_t n = MIN(len, src->end - off);

        if (!data_co_read_source(c, src, off, n, buf, error))
            return false;
        off += n;
        buf += n;
        len -= n;
    }
    return true;
}

/* @buf could not be read in one piece: halve until single sectors are left;
 * those that fail alone become zeroes. */
static void
data_co_salvage(VdCopy *c, uint64_t off, size_t len, uint8_t *buf,
                const GError *cause)
{
    const size_t sector = 512;
    size_t half = (len / 2 + sector - 1) / sector * sector;

    if (len <= sector) {
        memset(buf, 0, len);
        c->result.salvaged += len;
        vd_context_warn(c->ctx,
                        "error while reading offset %" G_GUINT64_FORMAT ": %s",
                        off, cause->message);
        return;
    }
    for (size_t pos = 0; pos < len; pos += half) {
        g_autoptr(GError) error = NULL;
        size_t n = MIN(half, len - pos);

        if (!data_co_read_range(c, off + pos, n, buf + pos, &error))
            data_co_salvage(c, off + pos, n, buf + pos, error);
    }
}

bool
vd_copy_co_read(VdCopy *c, const VdSpan *span, uint8_t *buf)
{
    GError *error = NULL;

    if (span->kind == VD_SPAN_ZERO) {
        memset(buf, 0, span->len);
        return true;
    }
    if (data_co_read_range(c, span->off, span->len, buf, &error))
        return true;
    if (c->params.salvage) {
        data_co_salvage(c, span->off, span->len, buf, error);
        g_error_free(error);
        return true;
    }
    vd_copy_fail(c, span->off, "reading", error);
    return false;
}

/* -- below the disks ----------------------------------------------------------
 */

/* Then it is not for these files. */
#define DATA_MAX_MISSES 16
#define DATA_FEW_MISSES 2
/* A shorter stretch is written faster than it is shared. */
#define DATA_LEAST_SHARED (UINT64_C(256) << 10)

/* False: not this way.  What else goes wrong is for reading and writing to tell
 * of, with its place. */
static bool
data_co_offload(VdCopy *c, uint64_t off, uint64_t len)
{
    const VdCopySource *src = data_source_at(c, off);
    uint64_t pos = off - src->start;
    bool share = c->params.offload == VD_OFFLOAD_SHARE;

    if (c->offload_misses >= DATA_MAX_MISSES || pos > src->size ||
        len > src->size - pos)
        return false;
    if (!vd_node_co_copy_range(src->disk->node, src->skip + pos,
                               c->target->node, off, len, share, NULL)) {
        c->offload_misses++;
        return false;
    }
    c->offload_misses = 0;
    c->result.bytes_offloaded += len;
    c->result.bytes_written += len;
    return vd_copy_co_pace(c, len);
}

/* Reading, looking and writing at once, where both ends are files in the page
 * cache and zeroes need no writing.  False: not this way, as above. */
static bool
data_co_window(VdCopy *c, const VdSpan *span, uint8_t *buf)
{
    const VdCopySource *src = data_source_at(c, span->off);
    uint64_t pos = span->off - src->start;
    VioWindow w = {
        .buf = buf,
        .len = span->len,
        .zero_block = c->keep_zeroes ? 0 : c->zero_block,
        .least_zero = c->params.sparse_size,
    };
    size_t zero;

    if (c->window_misses >= DATA_MAX_MISSES || pos > src->size ||
        span->len > src->size - pos)
        return false;
    if (c->params.sparse_size == 0)
        w.zero_block = 0;
    if (!vd_node_co_copy_window(src->disk->node, src->skip + pos,
                                c->target->node, span->off, &w)) {
        c->window_misses++;
        return false;
    }
    c->window_misses = 0;
    zero = span->len - w.written;
    c->meter.now.zero += zero;
    c->result.bytes_zero += zero;
    c->result.bytes_read += span->len;
    c->result.bytes_written += w.written;
    return true;
}

/* Is there nothing to be done to the bytes on their way?  Blocks are not shared
 * either, once that has failed at a few places. */
static bool
data_may_use_windows(const VdCopy *c, const VdSpan *span)
{
    return span->kind == VD_SPAN_DATA && !c->choice.fill_holes &&
           c->params.sums == NULL && c->params.rate_limit == 0 &&
           (c->params.target_is_zero || c->params.sparse_size == 0) &&
           (c->params.offload == VD_OFFLOAD_NONE ||
            c->offload_misses >= DATA_FEW_MISSES);
}

/* -- writing -----------------------------------------------------------------
 */

static bool
data_co_write(VdCopy *c, uint64_t off, const uint8_t *buf, size_t len)
{
    GError *error = NULL;

    if (!vd_copy_co_pace(c, len))
        return false;
    if (!vd_node_co_pwrite(c->target->node, off, buf, len, &error)) {
        vd_copy_fail(c, off, "writing", error);
        return false;
    }
    c->result.bytes_written += len;
    return true;
}

bool
vd_copy_co_zero(VdCopy *c, uint64_t off, uint64_t len)
{
    GError *error = NULL;

    if (vd_node_co_write_zeroes(c->target->node, off, len, VD_REQ_MAY_UNMAP,
                                &error))
        return true;
    vd_copy_fail(c, off, "writing", error);
    return false;
}

/* Data that have been read. */
static bool
data_co_share_or_write(VdCopy *c, uint64_t off, const uint8_t *buf, size_t len)
{
    if (c->params.offload == VD_OFFLOAD_SHARE && len >= DATA_LEAST_SHARED &&
        data_co_offload(c, off, len))
        return true;
    return data_co_write(c, off, buf, len);
}

/* Zeroes that the target shows already, and will not for long, can be stored by
 * whole units only, or as data. */
static bool
data_is_storable_zero(const VdCopy *c, uint64_t off, size_t len)
{
    VdNode *node = c->target->node;
    uint64_t unit = MAX(vd_node_limits(node)->zeroes_align, 1);

    return off % unit == 0 &&
           (len % unit == 0 || off + len == vd_node_size(node));
}

/* Zeroes that were found in data at @buf. */
static bool
data_co_found_zero(VdCopy *c, uint64_t off, const uint8_t *buf, size_t len)
{
    c->meter.now.zero += len;
    c->result.bytes_zero += len;
    if (c->choice.fill_holes && !data_is_storable_zero(c, off, len))
        return data_co_write(c, off, buf, len);
    return c->params.target_is_zero || vd_copy_co_zero(c, off, len);
}

static bool
data_co_write_sparse(VdCopy *c, const VdSpan *span, const uint8_t *buf)
{
    size_t min = MIN(c->params.sparse_size, span->len);

    for (size_t pos = 0; pos < span->len;) {
        bool zero;
        size_t n = vio_zero_stretch(buf + pos, span->len - pos, c->zero_block,
                                    min, &zero);
        bool ok =
            zero ? data_co_found_zero(c, span->off + pos, buf + pos, n)
                 : data_co_share_or_write(c, span->off + pos, buf + pos, n);

        if (!ok)
            return false;
        pos += n;
    }
    return true;
}

static bool
data_co_write_span(VdCopy *c, const VdSpan *span, const uint8_t *buf)
{
    return c->params.sparse_size > 0 && !c->keep_zeroes
               ? data_co_write_sparse(c, span, buf)
               : data_co_write(c, span->off, buf, span->len);
}

/* -- only what differs -------------------------------------------------------
 */

static bool
data_co_read_against(VdCopy *c, const VdSpan *span, uint8_t *buf)
{
    const VdDisk *against = c->choice.against;
    uint64_t size = against != NULL ? vd_disk_size(against) : 0;
    size_t have = span->off < size ? MIN(span->len, size - span->off) : 0;
    GError *error = NULL;

    memset(buf + have, 0, span->len - have);
    if (have == 0 ||
        vd_node_co_pread(against->node, span->off, buf, have, &error))
        return true;
    vd_copy_fail(c, span->off, "reading", error);
    return false;
}

/* How many bytes from @pos on are all equal, or in units that all differ. */
static size_t
data_like_stretch(const VdCopy *c, const uint8_t *a, const uint8_t *b,
                  size_t len, bool *equal)
{
    size_t n = 0;

    while (n < len) {
        size_t part = MIN(len - n, c->unit);
        bool same = memcmp(a + n, b + n, part) == 0;

        if (n == 0)
            *equal = same;
        else if (same != *equal)
            break;
        n += part;
    }
    return n;
}

/* Whole units: @span begins at one. */
static bool
data_co_write_different(VdCopy *c, const VdSpan *span, const uint8_t *buf)
{
    uint8_t *other = vio_co_buffer_get(c->loop, span->len);
    bool ok = data_co_read_against(c, span, other);

    for (size_t pos = 0, n; ok && pos < span->len; pos += n) {
        bool equal = false;

        n = data_like_stretch(c, buf + pos, other + pos, span->len - pos,
                              &equal);
        if (!equal) {
            VdSpan part = {.off = span->off + pos, .len = n};

            ok = data_co_write_span(c, &part, buf + pos);
        }
    }
    vio_buffer_put(c->loop, other, span->len);
    return ok;
}

/* -- items -------------------------------------------------------------------
 */

typedef struct {
    const uint8_t *buf;
    uint64_t len;
    VioDigest digests[VD_COPY_MAX_SPARSE / VD_SUM_BYTES];
} DataSum;

/* On a worker. */
static void
data_sum_work(void *opaque)
{
    DataSum *sum = opaque;

    vd_sums_digest(sum->buf, sum->len, sum->digests);
}

/* Zeroes that are written as data have been noted by the planner. */
static void
data_co_sum(VdCopy *c, const VdSpan *span, const uint8_t *buf)
{
    DataSum sum = {.buf = buf, .len = span->len};

    if (c->params.sums == NULL || span->kind != VD_SPAN_DATA)
        return;
    vio_co_offload(c->loop, data_sum_work, &sum);
    vd_sums_add_data(c->params.sums, span->off, span->len, sum.digests);
}

/* The file system has copied: nobody has seen the bytes yet. */
static bool
data_co_sum_unread(VdCopy *c, const VdSpan *span)
{
    uint8_t *buf;
    bool ok;

    if (c->params.sums == NULL)
        return true;
    buf = vio_co_buffer_get(c->loop, span->len);
    ok = vd_copy_co_read(c, span, buf);
    if (ok)
        data_co_sum(c, span, buf);
    vio_buffer_put(c->loop, buf, span->len);
    return ok;
}

bool
vd_copy_co_write_read(VdCopy *c, const VdSpan *span, const uint8_t *buf)
{
    data_co_sum(c, span, buf);
    return c->choice.fill_holes ? data_co_write_different(c, span, buf)
                                : data_co_write_span(c, span, buf);
}

static bool
data_co_copy_span(VdCopy *c, const VdSpan *span)
{
    uint8_t *buf = vio_co_buffer_get(c->loop, span->len);
    bool ok =
        (data_may_use_windows(c, span) && data_co_window(c, span, buf)) ||
        (vd_copy_co_read(c, span, buf) && vd_copy_co_write_read(c, span, buf));

    vio_buffer_put(c->loop, buf, span->len);
    return ok;
}

bool
vd_copy_co_data_item(void *arg, GError **error)
{
    VdCopyItem *item = arg;
    VdCopy *c = item->copy;
    const VdSpan *span = &item->span;
    bool ok = false;

    if (!vd_copy_stopped(c, span->off)) {
        bool below = c->params.offload == VD_OFFLOAD_WHOLE &&
                     span->kind == VD_SPAN_DATA &&
                     data_co_offload(c, span->off, span->len);

        ok = below ? data_co_sum_unread(c, span) : data_co_copy_span(c, span);
        if (ok && span->kind == VD_SPAN_DATA)
            c->meter.now.done += span->len;
    }
    vd_copy_item_ends(item, ok);
    vd_meter_update(&c->meter);
    return true; /* failures are in the copy, with their offsets */
}

bool
vd_copy_co_zero_item(void *arg, GError **error)
{
    VdCopyItem *item = arg;
    bool ok = !vd_copy_stopped(item->copy, item->span.off) &&
              vd_copy_co_zero(item->copy, item->span.off, item->span.len);

    vd_copy_item_ends(item, ok);
    return true; /* failures are in the copy, with their offsets */
}
