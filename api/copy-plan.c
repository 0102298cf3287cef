/* SPDX-License-Identifier: BSD-3-Clause */
/* api/copy-plan.c - what a copy has to do, found out ahead of the data.
 *
 * Runs of the map become spans.  A span of data is rounded outward to whole
 * units of the target, so that no two items ever write to one cluster; what it
 * swallows that way is read through the ordinary door and is right anyway.
 * Zeroes give way to data, and what the target's own parent provides leaves no
 * span at all.
 *
 * Concurrency: one planner coroutine, one taker.
 */
#include "api/copy.h"

/* Runs between two pauses that let the data flow. */
#define PLAN_BREATHER 32
/* A growing span is queued in pieces of this many items. */
#define PLAN_PIECE_ITEMS 16

static uint64_t
plan_round_up(uint64_t off, uint64_t unit)
{
    return (off + unit - 1) / unit * unit; /* off <= VD_MAX_SIZE + sectors */
}

static void
plan_report(VdCopy *c)
{
    VdPlan *plan = &c->plan;
    uint64_t seen = MAX(plan->scanned, plan->data_end);

    c->meter.now.total = plan->data + (c->end - MIN(seen, c->end));
    vd_meter_update(&c->meter);
}

/* -- queue -------------------------------------------------------------------
 */

static void
plan_co_queue(VdCopy *c, const VdSpan *span)
{
    VdPlan *plan = &c->plan;

    while (plan->count == VD_COPY_SPANS && !plan->stop)
        vio_co_queue_wait(&plan->room);
    if (plan->stop)
        return;
    plan->ring[(plan->head + plan->count) % VD_COPY_SPANS] = *span;
    plan->count++;
    (void) vio_co_queue_wake_one(&plan->filled); /* or nobody waits */
}

bool
vd_plan_co_next(VdCopy *c, VdSpan *span)
{
    VdPlan *plan = &c->plan;

    while (plan->count == 0 && plan->running)
        vio_co_queue_wait(&plan->filled);
    if (plan->count == 0)
        return false;
    *span = plan->ring[plan->head];
    plan->head = (plan->head + 1) % VD_COPY_SPANS;
    plan->count--;
    (void) vio_co_queue_wake_one(&plan->room); /* or nobody waits */
    return true;
}

/* -- spans -------------------------------------------------------------------
 */

static void
plan_co_flush(VdCopy *c)
{
    VdSpan span = c->plan.pending;

    c->plan.pending.len = 0;
    if (span.len > 0)
        plan_co_queue(c, &span);
}

/* Queue the front of a long pending span, up to an item's border. */
static void
plan_co_flush_front(VdCopy *c)
{
    VdSpan *pending = &c->plan.pending;
    VdSpan front = *pending;
    uint64_t end = pending->off + pending->len;
    uint64_t cut = end / c->item_bytes * c->item_bytes;

    front.len = cut - pending->off;
    pending->off = cut;
    pending->len = end - cut;
    plan_co_queue(c, &front);
}

static void
plan_co_add(VdCopy *c, uint64_t off, uint64_t len, VdSpanKind kind)
{
    VdSpan *pending = &c->plan.pending;

    if (pending->len == 0 || pending->kind != kind ||
        pending->off + pending->len != off) {
        plan_co_flush(c);
        *pending = (VdSpan){.off = off, .len = 0, .kind = kind};
    }
    pending->len += len;
    if (pending->len >= PLAN_PIECE_ITEMS * c->item_bytes)
        plan_co_flush_front(c);
}

static void
plan_co_data(VdCopy *c, uint64_t off, uint64_t end)
{
    VdPlan *plan = &c->plan;
    VdSpan *pending = &plan->pending;

    off = MAX(off / c->unit * c->unit, plan->data_end);
    end = MIN(plan_round_up(end, c->unit), c->end);
    if (off >= end)
        return;
    if (pending->kind == VD_SPAN_ZERO && pending->off + pending->len > off)
        pending->len = off > pending->off ? off - pending->off : 0;
    plan->data_end = end;
    plan->data += end - off;
    vd_copy_cache_note(c);
    plan_co_add(c, off, end - off, VD_SPAN_DATA);
}

static void
plan_co_zero(VdCopy *c, uint64_t off, uint64_t end)
{
    off = MAX(off, c->plan.data_end);
    if (off >= end)
        return;
    c->meter.now.zero += end - off;
    c->result.bytes_zero += end - off;
    vd_sums_add_zero(c->params.sums, off, end - off);
    if (!c->params.target_is_zero || c->params.sparse_size == 0)
        plan_co_add(c, off, end - off, VD_SPAN_ZERO);
}

/* -- walking -----------------------------------------------------------------
 */

/* Ranges whose map is broken are worth an attempt to read them when salvaging:
 * item by item. */
static bool
plan_salvage_entry(const VdCopy *c, uint64_t len, VdMapEntry *entry)
{
    if (!c->params.salvage)
        return false;
    entry->flags = VD_MAP_PRESENT | VD_MAP_DATA;
    entry->depth = 0;
    entry->len = MIN(len, c->item_bytes - entry->off % c->item_bytes);
    return true;
}

/* @off counts from the first byte that is copied; so does entry->off. */
static bool
plan_co_entry(VdCopy *c, const VdCopySource *src, uint64_t off,
              VdMapEntry *entry)
{
    GError *error = NULL;
    uint64_t len = src->size - off;

    if (vd_map_co_entry(src->disk->node, src->skip + off, len, entry, &error)) {
        entry->off = off;
        return true;
    }
    entry->off = off;
    if (plan_salvage_entry(c, len, entry)) {
        vd_context_warn(c->ctx,
                        "error while reading block status at offset "
                        "%" G_GUINT64_FORMAT ": %s",
                        src->start + off, error->message);
        g_error_free(error);
        return true;
    }
    vd_copy_fail(c, src->start + off, "reading block status", error);
    return false;
}

/* What the target will stand on at @off, if it is rebased. */
static bool
plan_co_against(VdCopy *c, uint64_t off, uint64_t len, VdMapEntry *there)
{
    const VdDisk *against = c->choice.against;
    uint64_t size = against != NULL ? vd_disk_size(against) : 0;
    GError *error = NULL;

    *there = (VdMapEntry){.off = off, .len = len, .flags = VD_MAP_ZERO};
    if (off >= size || vd_map_co_entry(against->node, off, MIN(len, size - off),
                                       there, &error))
        return true;
    vd_copy_fail(c, off, "reading block status", error);
    return false;
}

/* Both show the same bytes there, without reading them. */
static bool
plan_proves_equal(const VdCopy *c, const VdMapEntry *here,
                  const VdMapEntry *there)
{
    const unsigned stored = VD_MAP_DATA | VD_MAP_OFFSET;

    if (c->choice.common_depth > 0 && here->depth >= c->choice.common_depth)
        return true;
    if ((here->flags & VD_MAP_ZERO) || (there->flags & VD_MAP_ZERO))
        return here->flags & there->flags & VD_MAP_ZERO;
    return (here->flags & there->flags & stored) == stored &&
           here->host_offset == there->host_offset &&
           g_strcmp0(here->host_file, there->host_file) == 0;
}

/* Is this stretch to be copied?  May shorten it. */
static bool
plan_co_choose(VdCopy *c, VdMapEntry *entry, bool *wanted)
{
    VdMapEntry there;

    *wanted = c->params.skip_depth == 0 || entry->depth < c->params.skip_depth;
    if (!c->choice.fill_holes)
        return true;
    *wanted = entry->depth > 0 || !(entry->flags & VD_MAP_PRESENT);
    if (!*wanted)
        return true; /* no hole */
    if (!plan_co_against(c, entry->off, entry->len, &there))
        return false;
    entry->len = MIN(entry->len, there.len);
    *wanted = !plan_proves_equal(c, entry, &there);
    return true;
}

static void
plan_co_take_entry(VdCopy *c, const VdCopySource *src, const VdMapEntry *entry,
                   bool wanted)
{
    uint64_t off = src->start + entry->off;
    uint64_t end = off + entry->len;
    bool every_record = c->records != NULL && c->params.sparse_size == 0;

    if (!wanted)
        ; /* the target has it, or gets it from its parent */
    else if ((entry->flags & VD_MAP_ZERO) && !every_record &&
             !c->choice.fill_holes)
        plan_co_zero(c, off, end);
    else
        plan_co_data(c, off, end);
    c->plan.scanned = end;
}

/* What is in front of it the target has from an earlier attempt. */
static uint64_t
plan_first(const VdCopy *c, const VdCopySource *src)
{
    uint64_t done = c->marks.done;

    return done > src->start ? MIN(done - src->start, src->size) : 0;
}

static bool
plan_co_source(VdCopy *c, const VdCopySource *src)
{
    VdPlan *plan = &c->plan;
    unsigned runs = 0;

    for (uint64_t off = plan_first(c, src); off < src->size;) {
        VdMapEntry entry = {0};
        bool wanted;

        if (plan->stop || !vd_copy_check_cancel(c) ||
            !plan_co_entry(c, src, off, &entry) ||
            !plan_co_choose(c, &entry, &wanted))
            return false;
        plan_co_take_entry(c, src, &entry, wanted);
        off += entry.len;
        if (++runs % PLAN_BREATHER == 0) {
            plan_report(c);
            vio_co_reschedule();
        }
    }
    plan_co_zero(c, src->start + src->size, MIN(src->end, c->end));
    return true;
}

static void
plan_co_run(void *opaque)
{
    VdCopy *c = opaque;
    VdPlan *plan = &c->plan;
    bool ok = true;

    for (unsigned i = 0; ok && i < c->n_sources; i++)
        ok = plan_co_source(c, &c->sources[i]);
    if (ok) {
        plan_co_flush(c);
        plan->scanned = c->end;
        plan_report(c);
    }
    plan->running = false;
    vio_co_queue_wake_all(&plan->filled);
    vio_co_queue_wake_all(&plan->ended);
}

void
vd_plan_start(VdCopy *c)
{
    c->plan.ring = g_new(VdSpan, VD_COPY_SPANS);
    c->plan.running = true;
    c->plan.data_end = c->plan.scanned = c->marks.done;
    c->meter.now.total = c->end - c->marks.done;
    vio_co_start(c->loop, plan_co_run, c);
}

void
vd_plan_co_stop(VdCopy *c)
{
    VdPlan *plan = &c->plan;

    plan->stop = true;
    vio_co_queue_wake_all(&plan->room);
    while (plan->running)
        vio_co_queue_wait(&plan->ended);
    g_clear_pointer(&plan->ring, g_free);
}
