/* SPDX-License-Identifier: BSD-3-Clause */
/* block/filter/fault-breaks.c - requests that wait to be told to go on.
 *
 * Concurrency: one loop; only pass yields.
 */
#include "block/filter/fault-breaks.h"

#include "block/error.h"
#include "io/coroutine.h"

typedef struct {
    FaultEvent event;
    char *tag;
} FaultPoint;

typedef struct {
    char *tag;
    VioCo *co;
} FaultStop; /* on the stack of its coroutine */

struct FaultBreaks {
    GPtrArray *points; /* of FaultPoint, in the order they were set */
    GQueue stopped;    /* of FaultStop */
};

static void
fault_point_free(gpointer data)
{
    FaultPoint *point = data;

    g_free(point->tag);
    g_free(point);
}

FaultBreaks *
fault_breaks_new(void)
{
    FaultBreaks *breaks = g_new0(FaultBreaks, 1);

    breaks->points = g_ptr_array_new_with_free_func(fault_point_free);
    return breaks;
}

void
fault_breaks_free(FaultBreaks *breaks)
{
    g_assert(g_queue_is_empty(&breaks->stopped));
    g_ptr_array_unref(breaks->points);
    g_free(breaks);
}

static bool
fault_tag_fits(const char *wanted, const char *tag)
{
    return !wanted || g_str_equal(wanted, tag);
}

/* -- stopping --------------------------------------------------------------
 */

/* The tag of the first point at @event, which is used up; NULL = none. */
static char *
fault_take_point(FaultBreaks *breaks, FaultEvent event)
{
    for (guint i = 0; i < breaks->points->len; i++) {
        FaultPoint *point = g_ptr_array_index(breaks->points, i);

        if (point->event == event) {
            char *tag = g_steal_pointer(&point->tag);

            g_ptr_array_remove_index(breaks->points, i);
            return tag;
        }
    }
    return NULL;
}

void
fault_breaks_co_pass(FaultBreaks *breaks, FaultEvent event)
{
    g_autofree char *tag = fault_take_point(breaks, event);
    FaultStop stop = {.tag = tag, .co = vio_co_self()};

    if (!tag)
        return;
    g_queue_push_tail(&breaks->stopped, &stop);
    vio_co_yield(); /* whoever wakes it has taken it off the queue */
}

/* Let requests that have stopped at @tag go on, at most @most. */
static unsigned
fault_wake(FaultBreaks *breaks, const char *tag, unsigned most)
{
    unsigned n = 0;
    GList *next;

    for (GList *l = breaks->stopped.head; l && n < most; l = next) {
        FaultStop *stop = l->data;

        next = l->next;
        if (!fault_tag_fits(tag, stop->tag))
            continue;
        g_queue_delete_link(&breaks->stopped, l);
        vio_co_wake(stop->co);
        n++;
    }
    return n;
}

/* -- calls ----------------------------------------------------------------- */

static bool
fault_set(FaultBreaks *breaks, const VdBreak *call, GError **error)
{
    FaultEvent event;

    if (!fault_event_by_name(call->event, &event))
        return vd_throw(error, VD_ERROR_NOT_FOUND,
                        "the event '%s' never happens here", call->event);
    FaultPoint *point = g_new0(FaultPoint, 1);
    point->event = event;
    point->tag = g_strdup(call->tag);
    g_ptr_array_add(breaks->points, point);
    return true;
}

static bool
fault_remove(FaultBreaks *breaks, VdBreak *call, GError **error)
{
    bool found = !call->tag;

    for (guint i = breaks->points->len; i-- > 0;) {
        const FaultPoint *point = g_ptr_array_index(breaks->points, i);

        if (!fault_tag_fits(call->tag, point->tag))
            continue;
        g_ptr_array_remove_index(breaks->points, i);
        found = true;
    }
    call->n = fault_wake(breaks, call->tag, G_MAXUINT);
    return found || vd_throw(error, VD_ERROR_NOT_FOUND,
                             "no break point has the tag '%s'", call->tag);
}

static unsigned
fault_count(const FaultBreaks *breaks, const char *tag)
{
    unsigned n = 0;

    for (const GList *l = breaks->stopped.head; l; l = l->next)
        n += fault_tag_fits(tag, ((const FaultStop *) l->data)->tag);
    return n;
}

bool
fault_breaks_call(FaultBreaks *breaks, VdBreak *call, GError **error)
{
    switch (call->op) {
    case VD_BREAK_SET:
        return fault_set(breaks, call, error);
    case VD_BREAK_REMOVE:
        return fault_remove(breaks, call, error);
    case VD_BREAK_RESUME:
        call->n = fault_wake(breaks, call->tag, 1);
        return call->n || vd_throw(error, VD_ERROR_NOT_FOUND,
                                   "no request has stopped at '%s'", call->tag);
    case VD_BREAK_COUNT:
        call->n = fault_count(breaks, call->tag);
        return true;
    }
    g_assert_not_reached();
}
