/* SPDX-License-Identifier: BSD-3-Clause */
/* io/late.c - what is done once, when all coroutines of a turn have run.
 *
 * Concurrency: everything by the loop's runner.
 */
#include "io/late.h"

#include "io/loop-internal.h"

void
vio_late_add(VioLoop *loop, VioLate *late)
{
    if (late->link)
        return;
    late->next = loop->late;
    late->link = &loop->late;
    if (late->next)
        late->next->link = &late->next;
    loop->late = late;
}

void
vio_late_remove(VioLate *late)
{
    if (!late->link)
        return;
    *late->link = late->next;
    if (late->next)
        late->next->link = late->link;
    late->link = NULL;
}

bool
vio_late_run(VioLoop *loop)
{
    VioLate *late = loop->late;

    if (!late)
        return false;
    for (; late; late = loop->late) {
        vio_late_remove(late);
        late->fn(late);
    }
    return true;
}
