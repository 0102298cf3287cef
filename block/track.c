/* SPDX-License-Identifier: BSD-3-Clause */
/* block/track.c - writes in flight, and who waits for whom.
 *
 * A request waits only for requests that came before it, so waiting cannot go
 * in circles.
 *
 * Concurrency: one loop.
 */
#include "block/track.h"

#include <glib.h>

static bool
conflicts(const VdTracked *a, const VdTracked *b)
{
    return (a->serialising || b->serialising) && a->off < b->end &&
           b->off < a->end;
}

static VdTracked *
earlier_conflict(const VdTrackList *list, const VdTracked *req)
{
    for (VdTracked *other = list->first; other != req; other = other->next) {
        if (conflicts(other, req))
            return other;
    }
    return NULL;
}

void
vd_track_co_begin(VdTrackList *list, VdTracked *req, uint64_t off, uint64_t end,
                  bool serialising)
{
    VdTracked *other;

    *req = (VdTracked){
        .prev = list->last,
        .off = off,
        .end = end,
        .serialising = serialising,
    };
    if (list->last)
        list->last->next = req;
    else
        list->first = req;
    list->last = req;
    list->n_serialising += serialising;
    if (list->n_serialising == 0)
        return;
    while ((other = earlier_conflict(list, req)))
        vio_co_queue_wait(&other->waiters);
}

void
vd_track_end(VdTrackList *list, VdTracked *req)
{
    if (req->prev)
        req->prev->next = req->next;
    else
        list->first = req->next;
    if (req->next)
        req->next->prev = req->prev;
    else
        list->last = req->prev;
    list->n_serialising -= req->serialising;
    vio_co_queue_wake_all(&req->waiters);
}
