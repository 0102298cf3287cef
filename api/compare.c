/* SPDX-License-Identifier: BSD-3-Clause */
/* api/compare.c - do two disks hold the same?
 *
 * One walker goes over both maps and leaves out what both know to be zero; the
 * rest is read and compared in items side by side.  Items start in ascending
 * order and all that were started are waited for, so the lowest difference
 * that any of them saw is the first of the disks.  If all differences are
 * wanted, items tell theirs in that order, one after the other.
 *
 * Concurrency: walker and items are coroutines of the one loop that both
 * disks must belong to.
 */
#include "api/differences.h"
#include "api/disk.h"
#include "api/meter.h"

#include "io/buffer.h"
#include "io/zero.h"

#include <string.h>

#define COMPARE_ITEM (UINT64_C(1) << 20)
#define COMPARE_DEPTH 16

typedef struct {
    VdDisk *disk;
    uint64_t size;
    VdMapEntry entry; /* what the map said last */
} CompareSide;

typedef struct {
    VdContext *ctx;
    CompareSide side[2];
    uint64_t total;
    bool strict;
    VioCoGroup *group;
    bool all; /* differences, not only the first */
    VdDifferences list;
    VioTurnstile turn; /* of items, if all */
    uint64_t tickets;

    uint64_t diff_off; /* lowest so far; UINT64_MAX = none */
    bool diff_status;
    uint64_t fail_off;
    unsigned fail_side; /* 1, 2; 0 = neither */
    bool fail_map;
    GError *error;

    VdMeter meter;
    uint64_t compared;
} Compare;

/* A stretch with something to read on at least one side, or whose maps
 * differ. */
typedef struct {
    Compare *c;
    uint64_t off, len;
    bool read[2]; /* a side that is not read is zero */
    bool status;
    uint64_t ticket;
} CompareItem;

/* -- outcome -----------------------------------------------------------------
 */

static void
compare_note_diff(Compare *c, uint64_t off, bool status)
{
    if (off > c->diff_off || (off == c->diff_off && !status))
        return;
    c->diff_off = off;
    c->diff_status = status;
}

static void
compare_fail(Compare *c, uint64_t off, unsigned side, bool map, GError *error)
{
    if (c->error != NULL &&
        (c->fail_off < off || (c->fail_off == off && c->fail_side <= side))) {
        g_error_free(error);
        return;
    }
    g_clear_error(&c->error);
    c->error = error;
    c->fail_off = off;
    c->fail_side = side;
    c->fail_map = map;
}

/* Whether what is at @off can still change the outcome. */
static bool
compare_wanted(Compare *c, uint64_t off)
{
    GError *error = NULL;

    if (!vd_context_check_cancel(c->ctx, &error))
        compare_fail(c, off, 0, false, error);
    return off < MIN(c->total, c->fail_off) && (c->all || off < c->diff_off);
}

/* -- items -------------------------------------------------------------------
 */

/* One side of an item. */
typedef struct {
    const CompareItem *item;
    unsigned i;
    uint8_t *buf;
} CompareRead;

/* A coroutine's entry, too. */
static bool
compare_co_read(void *arg, GError **unused)
{
    const CompareRead *read = arg;
    const CompareItem *item = read->item;
    Compare *c = item->c;
    GError *error = NULL;

    if (!item->read[read->i] ||
        vd_node_co_pread(c->side[read->i].disk->node, item->off, read->buf,
                         item->len, &error))
        return true;
    (void) vd_prefix(&error,
                     "error while reading at byte %" G_GUINT64_FORMAT ": ",
                     item->off);
    compare_fail(c, item->off, read->i + 1, false, error);
    return false;
}

/* Side by side: what one waits for does not hold up the other. */
static bool
compare_co_read_both(const CompareItem *item, uint8_t *a, uint8_t *b)
{
    g_autoptr(VioCoGroup) group = NULL;
    CompareRead first = {item, 0, a}, second = {item, 1, b};
    bool ok;

    if (!item->read[0] || !item->read[1])
        return compare_co_read(item->read[0] ? &first : &second, NULL);
    group = vio_co_group_new(1);
    vio_co_group_spawn(group, compare_co_read, &second, NULL);
    ok = compare_co_read(&first, NULL);
    return vio_co_group_join(group, NULL) && ok;
}

static void
compare_look_at(const CompareItem *item, const uint8_t *a, const uint8_t *b,
                GArray *found)
{
    Compare *c = item->c;
    const uint8_t *one = item->read[0] ? a : b;
    const uint8_t *other = item->read[0] && item->read[1] ? b : NULL;
    size_t same = vd_differences_first(one, other, item->len);

    if (same == item->len)
        return;
    compare_note_diff(c, item->off + same, false);
    if (found != NULL)
        vd_differences_find(found, one, other, item->len, item->off, c->total);
}

static void
compare_co_contents(const CompareItem *item, GArray *found)
{
    Compare *c = item->c;
    size_t room = 2 * item->len;
    uint8_t *buf = vio_co_buffer_get(c->ctx->loop, room);
    uint8_t *other = buf + item->len;

    if (compare_co_read_both(item, buf, other)) {
        compare_look_at(item, buf, other, found);
        c->compared += item->len;
        c->meter.now.done += item->len;
    }
    vio_buffer_put(c->ctx->loop, buf, room);
}

/* Everything in front of @item has been told. */
static void
compare_co_tell(const CompareItem *item, const GArray *found)
{
    Compare *c = item->c;

    vio_turnstile_co_enter(&c->turn, item->ticket);
    if (item->off < c->fail_off)
        vd_differences_co_add(&c->list, found);
    vio_turnstile_release(&c->turn, item->ticket);
}

static bool
compare_co_item(void *arg, GError **error)
{
    const CompareItem *item = arg;
    Compare *c = item->c;
    g_autoptr(GArray) found = c->all ? vd_differences_found_new() : NULL;

    if (item->status)
        vd_differences_append(found, &(VdDifference){.off = item->off,
                                                     .len = item->len,
                                                     .first = item->off,
                                                     .status = true});
    else
        compare_co_contents(item, found);
    if (c->all)
        compare_co_tell(item, found);
    vd_meter_update(&c->meter);
    return true; /* the outcome is in the comparison */
}

static void
compare_co_spawn(const CompareItem *what)
{
    CompareItem *item = g_new(CompareItem, 1);

    *item = *what;
    item->ticket = what->c->tickets++;
    vio_co_group_spawn(what->c->group, compare_co_item, item, g_free);
}

static void
compare_co_start(const CompareItem *all)
{
    CompareItem rest = *all;
    uint64_t end = all->off + all->len;

    while (rest.off < end && compare_wanted(all->c, rest.off)) {
        rest.len = MIN(end - rest.off, COMPARE_ITEM - rest.off % COMPARE_ITEM);
        compare_co_spawn(&rest);
        rest.off += rest.len;
    }
}

/* -- walking -----------------------------------------------------------------
 */

/* Have side->entry cover @off.  Behind its end a disk is zero. */
static bool
compare_co_look(Compare *c, unsigned i, uint64_t off)
{
    CompareSide *side = &c->side[i];
    VdMapEntry *entry = &side->entry;
    GError *error = NULL;

    if (entry->len > 0 && off - entry->off < entry->len)
        return true;
    if (off >= side->size) {
        *entry = (VdMapEntry){
            .off = off, .len = c->total - off, .flags = VD_MAP_ZERO};
        return true;
    }
    if (vd_map_co_entry(side->disk->node, off, side->size - off, entry, &error))
        return true;
    (void) vd_prefix(&error,
                     "error while reading block status at offset "
                     "%" G_GUINT64_FORMAT ": ",
                     off);
    compare_fail(c, off, i + 1, true, error);
    return false;
}

static uint64_t
compare_common_len(const Compare *c, uint64_t off)
{
    const VdMapEntry *a = &c->side[0].entry, *b = &c->side[1].entry;

    return MIN(a->off + a->len, b->off + b->len) - off;
}

static bool
compare_status_differs(const Compare *c)
{
    const unsigned mask = VD_MAP_PRESENT | VD_MAP_ZERO;

    return ((c->side[0].entry.flags ^ c->side[1].entry.flags) & mask) != 0;
}

/* Take the next stretch that both maps agree on into @pending, which is
 * started when the stretch does not continue it. */
static void
compare_co_stretch(Compare *c, uint64_t off, uint64_t len, CompareItem *pending)
{
    bool read0 = !(c->side[0].entry.flags & VD_MAP_ZERO);
    bool read1 = !(c->side[1].entry.flags & VD_MAP_ZERO);
    bool goes_on = pending->off + pending->len == off &&
                   pending->read[0] == read0 && pending->read[1] == read1 &&
                   pending->len < COMPARE_ITEM;

    if (!goes_on) {
        compare_co_start(pending);
        *pending = (CompareItem){.c = c, .off = off, .read = {read0, read1}};
    }
    if (read0 || read1)
        pending->len += len;
    else
        c->meter.now.zero += len;
    c->meter.now.total = c->total - c->meter.now.zero;
}

/* The next stretch has different maps: told as it is. */
static void
compare_co_status(Compare *c, uint64_t off, uint64_t len, CompareItem *pending)
{
    compare_co_start(pending);
    *pending = (CompareItem){.c = c, .off = off + len};
    compare_co_spawn(
        &(CompareItem){.c = c, .off = off, .len = len, .status = true});
    c->meter.now.zero += len;
}

static void
compare_co_walk(Compare *c)
{
    CompareItem pending = {.c = c};
    uint64_t len;

    for (uint64_t off = 0; compare_wanted(c, off); off += len) {
        if (!compare_co_look(c, 0, off) || !compare_co_look(c, 1, off))
            break;
        len = compare_common_len(c, off);
        if (!c->strict || !compare_status_differs(c)) {
            compare_co_stretch(c, off, len, &pending);
            continue;
        }
        compare_note_diff(c, off, true);
        if (!c->all)
            break;
        compare_co_status(c, off, len, &pending);
    }
    compare_co_start(&pending); /* lies before whatever ended the walk */
}

static bool
compare_co_run(void *arg, GError **error)
{
    Compare *c = arg;

    vd_disk_enter(c->side[0].disk);
    vd_disk_enter(c->side[1].disk);
    c->group = vio_co_group_new(
        MIN(COMPARE_DEPTH, c->ctx->buffer_limit / 2 / (2 * COMPARE_ITEM)));
    compare_co_walk(c);
    (void) vio_co_group_join(c->group, NULL); /* members do not fail */
    vio_co_group_free(c->group);
    vio_turnstile_clear(&c->turn);
    if (c->all)
        vd_differences_co_finish(&c->list);
    vd_meter_co_finish(&c->meter);
    vd_disk_leave(c->side[0].disk);
    vd_disk_leave(c->side[1].disk);

    /* A difference in front of a failure is an answer. */
    if (c->error == NULL || (!c->all && c->diff_off < c->fail_off))
        return true;
    g_propagate_error(error, g_steal_pointer(&c->error));
    return false;
}

/* -- public ------------------------------------------------------------------
 */

static void
compare_init(Compare *c, VdDisk *a, VdDisk *b, const VdCompareParams *params)
{
    *c = (Compare){
        .ctx = a->ctx,
        .side = {{.disk = a, .size = vd_disk_size(a)},
                 {.disk = b, .size = vd_disk_size(b)}},
        .strict = params->strict,
        .all = params->difference != NULL,
        .diff_off = UINT64_MAX,
        .fail_off = UINT64_MAX,
    };
    c->total = MAX(c->side[0].size, c->side[1].size);
    vd_differences_init(&c->list, c->ctx->loop, params->difference,
                        params->difference_opaque);
    vd_meter_init(&c->meter, c->ctx->loop, params->progress,
                  params->progress_opaque);
    c->meter.now.total = c->total;
}

static void
compare_conclude(const Compare *c, bool ok, VdCompareResult *result)
{
    result->failed_side = ok ? 0 : c->fail_side;
    result->failed_map = !ok && c->fail_map;
    result->identical =
        ok && c->diff_off == UINT64_MAX && !(c->strict && result->sizes_differ);
    result->first_difference = c->diff_off;
    result->status_differs = c->diff_status;
    result->bytes_compared = c->compared;
}

bool
vd_compare(VdDisk *a, VdDisk *b, const VdCompareParams *params,
           VdCompareResult *result, GError **error)
{
    const VdCompareParams defaults = {0};
    Compare c;
    bool ok;

    if (params == NULL)
        params = &defaults;
    *result = (VdCompareResult){.first_difference = UINT64_MAX};
    result->sizes_differ = vd_disk_size(a) != vd_disk_size(b);
    if (a->ctx != b->ctx)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "disks to compare belong to different contexts");
    if (params->strict && result->sizes_differ && params->difference == NULL)
        return true; /* that is the answer */

    compare_init(&c, a, b, params);
    ok = vd_context_run(c.ctx, compare_co_run, &c, error);
    g_clear_error(&c.error); /* one behind the first difference */
    vd_differences_clear(&c.list);
    compare_conclude(&c, ok, result);
    return ok;
}
