/* SPDX-License-Identifier: BSD-3-Clause */
/* api/copy.c - copying disks: set-up, dispatch, failure, result.
 *
 * See api/copy.h for how the parts work together.
 *
 * Concurrency: everything runs on the loop of the one context that all disks
 * of a copy belong to.
 */
#include "api/copy.h"

#include "io/offload.h"
#include "io/op.h"

#define COPY_SECTOR 512
#define COPY_BLOCK 4096
#define COPY_SMALLEST_UNIT (UINT64_C(64) << 10)
#define COPY_DEPTH 8
#define COPY_ZERO_ITEM (UINT64_C(64) << 20)

/* -- failing, cancelling, pacing ---------------------------------------------
 */

void
vd_copy_fail(VdCopy *c, uint64_t off, const char *doing, GError *error)
{
    if (c->error != NULL && c->fail_off <= off) {
        g_error_free(error);
        return;
    }
    g_clear_error(&c->error);
    if (doing != NULL)
        (void) vd_prefix(
            &error, "error while %s at %s %" G_GUINT64_FORMAT ": ", doing,
            g_str_has_suffix(doing, "status") ? "offset" : "byte", off);
    c->error = error;
    c->fail_off = off;
}

bool
vd_copy_stopped(const VdCopy *c, uint64_t off)
{
    return c->error != NULL && c->fail_off <= off;
}

/* A cancelled copy stops at once, so its "offset" is behind all real ones:
 * whatever else goes wrong on the way out is the better report. */
bool
vd_copy_check_cancel(VdCopy *c)
{
    GError *error = NULL;

    if (vd_context_check_cancel(c->ctx, &error))
        return true;
    vd_copy_fail(c, UINT64_MAX, NULL, error);
    return false;
}

bool
vd_copy_co_pace(VdCopy *c, uint64_t len)
{
    uint64_t now, start;

    if (c->params.rate_limit == 0)
        return true;
    now = vio_now_ns();
    start = MAX(c->rate_next, now);
    c->rate_next =
        start + (uint64_t) ((double) len * 1e9 / (double) c->params.rate_limit);
    if (start > now)
        (void) vio_co_sleep(c->loop, start - now, c->target->env.cancel);
    return vd_copy_check_cancel(c);
}

/* -- dispatching -------------------------------------------------------------
 */

static VioCoGroupFunc
copy_item_func(const VdCopy *c, const VdSpan *span)
{
    if (span->kind == VD_SPAN_ZERO && c->params.sparse_size > 0)
        return vd_copy_co_zero_item;
    return c->records != NULL ? vd_copy_co_stream_item : vd_copy_co_data_item;
}

static uint64_t
copy_item_len(const VdCopy *c, const VdSpan *span, VioCoGroupFunc func)
{
    uint64_t most =
        func == vd_copy_co_zero_item ? COPY_ZERO_ITEM : c->item_bytes;

    return MIN(span->len, most - span->off % most);
}

static void
copy_co_dispatch_span(VdCopy *c, VioCoGroup *group, VdSpan rest)
{
    VioCoGroupFunc func = copy_item_func(c, &rest);

    while (rest.len > 0 && c->error == NULL && vd_copy_check_cancel(c)) {
        VdCopyItem *item = g_new(VdCopyItem, 1);

        *item = (VdCopyItem){.copy = c, .span = rest};
        item->span.len = copy_item_len(c, &rest, func);
        rest.off += item->span.len;
        rest.len -= item->span.len;
        if (func == vd_copy_co_stream_item)
            item->ticket = c->next_ticket++;
        else
            vd_copy_item_starts(item);
        vio_co_group_spawn(group, func, item, g_free);
    }
}

static void
copy_co_dispatch(VdCopy *c)
{
    g_autoptr(VioCoGroup) group = vio_co_group_new(c->depth);
    VdSpan span;

    if (c->endless) {
        vd_copy_co_endless(c, group);
        return;
    }
    vd_plan_start(c);
    while (c->error == NULL && vd_plan_co_next(c, &span))
        copy_co_dispatch_span(c, group, span);
    vd_plan_co_stop(c);
    (void) vio_co_group_join(group, NULL); /* members do not fail */
    vd_copy_co_resume_end(c);
}

static bool
copy_co_run(VdCopy *c, GError **error)
{
    for (unsigned i = 0; i < c->n_sources; i++)
        vd_disk_enter(c->sources[i].disk);
    vd_disk_enter(c->target);
    vd_copy_cache_begin(c);
    copy_co_dispatch(c);
    if (c->records != NULL && c->error == NULL)
        vd_copy_co_stream_end(c);
    vd_copy_cache_end(c);
    vd_meter_co_finish(&c->meter);
    vd_disk_leave(c->target);
    for (unsigned i = 0; i < c->n_sources; i++)
        vd_disk_leave(c->sources[i].disk);
    if (c->error == NULL)
        return true;
    g_propagate_error(error, g_steal_pointer(&c->error));
    return false;
}

/* -- set-up ------------------------------------------------------------------
 */

static uint64_t
copy_round_up(uint64_t value, uint64_t unit)
{
    return (value + unit - 1) / unit * unit;
}

static bool
copy_check_disk(const VdCopy *c, const VdDisk *disk, GError **error)
{
    if (disk->ctx != c->ctx)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "source and target of a copy belong to different "
                        "contexts");
    if (disk == c->target && !c->choice.fill_holes)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "source and target of a copy are the same disk");
    return true;
}

static bool
copy_check_room(const VdCopy *c, uint64_t start, uint64_t size, GError **error)
{
    uint64_t room = vd_disk_size(c->target);

    if (start <= room && size <= room - start)
        return true;
    return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                    "output file is smaller than input file: "
                    "%" G_GUINT64_FORMAT " bytes behind the first "
                    "%" G_GUINT64_FORMAT " do not fit into %" G_GUINT64_FORMAT,
                    size, start, room);
}

/* One behind the other. */
static bool
copy_set_whole(VdCopy *c, GError **error)
{
    uint64_t start = 0;

    for (unsigned i = 0; i < c->n_sources; i++) {
        VdCopySource *src = &c->sources[i];

        src->size = vd_disk_size(src->disk);
        if (!copy_check_room(c, start, src->size, error))
            return false;
        src->start = start;
        src->end = copy_round_up(start + src->size, COPY_SECTOR);
        start = src->end;
    }
    c->end = MIN(start, vd_disk_size(c->target));
    return true;
}

static bool
copy_wants_part(const VdCopy *c)
{
    const VdCopyParams *p = &c->params;

    return p->source_offset > 0 || p->length > 0 || p->target_offset > 0;
}

static bool
copy_set_part(VdCopy *c, GError **error)
{
    const VdCopyParams *p = &c->params;
    VdCopySource *src = &c->sources[0];
    uint64_t have = vd_disk_size(src->disk);

    if (c->n_sources != 1 || c->choice.fill_holes)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "a copy of a part takes one source");
    if (p->source_offset > have || p->length > have - p->source_offset)
        return vd_throw(error, VD_ERROR_OUT_OF_RANGE,
                        "%s: %" G_GUINT64_FORMAT " bytes at %" G_GUINT64_FORMAT
                        " are not all there: it has %" G_GUINT64_FORMAT,
                        vd_node_name(src->disk->node), p->length,
                        p->source_offset, have);
    src->skip = p->source_offset;
    src->size = p->length > 0 ? p->length : have - src->skip;
    src->start = c->begin = p->target_offset;
    if (!copy_check_room(c, src->start, src->size, error))
        return false;
    src->end = c->end = src->start + src->size;
    return true;
}

static bool
copy_set_sources(VdCopy *c, VdDisk *const *disks, unsigned n, GError **error)
{
    c->sources = g_new0(VdCopySource, n);
    c->n_sources = n;
    for (unsigned i = 0; i < n; i++) {
        if (!copy_check_disk(c, disks[i], error))
            return false;
        c->sources[i].disk = disks[i];
    }
    return copy_wants_part(c) ? copy_set_part(c, error)
                              : copy_set_whole(c, error);
}

static bool
copy_set_params(VdCopy *c, const VdCopyParams *params, GError **error)
{
    static const VdCopyParams defaults = {.sparse_size = UINT64_MAX};

    c->params = params != NULL ? *params : defaults;
    if (c->params.sparse_size == UINT64_MAX)
        c->params.sparse_size = COPY_BLOCK;
    if (c->params.sparse_size > VD_COPY_MAX_SPARSE ||
        c->params.sparse_size % COPY_SECTOR != 0)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "sparse size %" G_GUINT64_FORMAT
                        " is not a multiple of 512 up to 16 MiB",
                        c->params.sparse_size);
    if (!vd_node_is_writable(c->target->node))
        return vd_throw(error, VD_ERROR_READ_ONLY,
                        "%s: target of a copy is open read-only",
                        vd_node_name(c->target->node));
    return true;
}

/* What records the target wants, NULL = none.  Those that may be written in
 * other ways, too, it gets if it is to be compressed. */
static const VdRecordFormat *
copy_wanted_records(const VdCopy *c)
{
    const VdDriver *drv = c->target_driver;
    const VdRecordFormat *records =
        drv->record_format ? drv->record_format(c->target->node) : NULL;

    if (records == NULL || drv->encode == NULL || drv->co_append == NULL)
        return NULL;
    return records->once || c->params.compress ? records : NULL;
}

/* *cluster: the allocation unit of the target, 0 = none. */
static bool
copy_set_mode(VdCopy *c, uint64_t *cluster, GError **error)
{
    const VdDriver *drv = vd_node_driver(c->target->node);
    VdNodeInfo info = {0};

    if (drv->get_info != NULL)
        drv->get_info(c->target->node, &info);
    *cluster = info.cluster_size;
    c->thin_clusters = info.thin_clusters;
    c->target_driver = drv;
    c->records = copy_wanted_records(c);
    if (c->params.compress && c->records == NULL && !info.compressed)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "Compression not supported for this file format");
    if (c->records == NULL || !c->records->once)
        return true;
    if (c->params.skip_depth > 0)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "a compressed copy cannot leave out what a parent "
                        "provides");
    c->params.target_is_zero = true;
    return true;
}

/* Items in flight take at most half of the pool (see VD_MIN_BUFFER_LIMIT). */
static unsigned
copy_clamp_depth(const VdCopy *c, unsigned wish, uint64_t item_room)
{
    uint64_t most = MAX(c->ctx->buffer_limit / 2 / item_room, 1);

    return (unsigned) MIN(wish, most);
}

/* Records are whole: what is behind the end of the last one becomes zero. */
static bool
copy_check_units(const VdCopy *c, GError **error)
{
    uint64_t unit = c->records->unit;
    bool zero_behind = c->params.target_is_zero && !copy_wants_part(c);

    if (c->begin % unit == 0 &&
        (c->end % unit == 0 || c->end == vd_disk_size(c->target) ||
         zero_behind))
        return true;
    return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                    "%s: takes whole units of %" G_GUINT64_FORMAT
                    " bytes only, not those from %" G_GUINT64_FORMAT
                    " to %" G_GUINT64_FORMAT,
                    vd_node_name(c->target->node), unit, c->begin, c->end);
}

/* As many units as fit, with room for their records, into one chunk of the
 * buffer pool: just below 1 MiB of input for grains of 64 KiB. */
static void
copy_set_append_shape(VdCopy *c)
{
    uint64_t unit = c->records->unit;
    uint64_t bound = c->records->bound;
    uint64_t units = MAX(2 * VD_COPY_ITEM / (unit + bound), 1);
    unsigned wish = c->params.depth;

    c->unit = unit;
    c->item_bytes = units * unit;
    c->out_room = units * bound;
    if (wish == 0)
        wish = MAX(4 * vio_loop_workers(c->loop), COPY_DEPTH);
    c->depth = copy_clamp_depth(c, wish, c->item_bytes + c->out_room);
}

static void
copy_set_data_shape(VdCopy *c, uint64_t cluster)
{
    bool usable = !c->thin_clusters && cluster >= COPY_BLOCK &&
                  cluster <= VD_COPY_ITEM && (cluster & (cluster - 1)) == 0;
    uint64_t sparse;
    unsigned wish = c->params.depth != 0 ? c->params.depth : COPY_DEPTH;

    if (vd_node_limits(c->target->node)->sequential) {
        /* Nothing can be left out there, and zeroes are bytes. */
        c->params.sparse_size = 0;
        c->params.target_is_zero = false;
    }
    sparse = c->params.sparse_size;
    c->item_bytes = VD_COPY_ITEM;
    while (c->item_bytes < sparse)
        c->item_bytes *= 2;
    c->unit = usable ? MAX(cluster, COPY_SMALLEST_UNIT) : COPY_SMALLEST_UNIT;
    if (c->choice.fill_holes)
        c->unit = usable ? cluster : COPY_BLOCK; /* what is there stays */
    c->zero_block = usable ? cluster : COPY_BLOCK;
    if (!usable && sparse > 0 && sparse < COPY_BLOCK)
        c->zero_block = COPY_SECTOR;
    c->depth = copy_clamp_depth(
        c, wish, c->choice.fill_holes ? 2 * c->item_bytes : c->item_bytes);
}

/* What was said about units overrules sparse_size.  @cluster: of a target that
 * takes no records. */
static bool
copy_set_zero_units(VdCopy *c, uint64_t cluster, GError **error)
{
    uint64_t unit = c->records != NULL ? c->records->unit : cluster;

    if (c->params.zero_units == VD_ZERO_UNITS_AUTO)
        return true;
    if (unit == 0)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: is not made of grains that could be left out or "
                        "stored",
                        vd_node_name(c->target->node));
    if (c->params.zero_units == VD_ZERO_UNITS_STORE)
        c->keep_zeroes = true;
    else if (c->params.sparse_size == 0 || c->params.sparse_size > unit)
        c->params.sparse_size = unit;
    return true;
}

static bool
copy_set_up(VdCopy *c, VdDisk *const *sources, unsigned n_sources,
            const VdCopyParams *params, GError **error)
{
    uint64_t cluster;

    if (!copy_set_params(c, params, error) ||
        !copy_set_sources(c, sources, n_sources, error) ||
        !copy_set_mode(c, &cluster, error) ||
        !copy_set_zero_units(c, cluster, error))
        return false;
    if (c->records == NULL) {
        copy_set_data_shape(c, cluster);
    } else if (copy_check_units(c, error)) {
        copy_set_append_shape(c);
        vd_copy_set_records(c);
    } else {
        return false;
    }
    if (!vd_copy_check_endless(c, error))
        return false;
    vd_meter_init(&c->meter, c->loop, c->params.progress,
                  c->params.progress_opaque);
    return vd_copy_set_resume(c, error);
}

bool
vd_copy_co_disks(VdDisk *const *sources, unsigned n_sources, VdDisk *target,
                 const VdCopyParams *params, const VdCopyChoice *choice,
                 VdCopyResult *result, GError **error)
{
    VdCopy copy = {
        .ctx = target->ctx, .loop = target->ctx->loop, .target = target};
    bool ok;

    if (choice != NULL)
        copy.choice = *choice;
    ok = copy_set_up(&copy, sources, n_sources, params, error) &&
         copy_co_run(&copy, error);
    if (ok && result != NULL)
        *result = copy.result;
    vio_turnstile_clear(&copy.order);
    g_free(copy.sources);
    return ok;
}

typedef struct {
    VdDisk *const *sources;
    unsigned n_sources;
    VdDisk *target;
    const VdCopyParams *params;
    VdCopyResult *result;
} CopyCall;

static bool
copy_co_call(void *arg, GError **error)
{
    CopyCall *call = arg;

    return vd_copy_co_disks(call->sources, call->n_sources, call->target,
                            call->params, NULL, call->result, error);
}

bool
vd_copy(VdDisk *const *sources, unsigned n_sources, VdDisk *target,
        const VdCopyParams *params, VdCopyResult *result, GError **error)
{
    CopyCall call = {sources, n_sources, target, params, result};

    return vd_context_run(target->ctx, copy_co_call, &call, error);
}
