/* SPDX-License-Identifier: BSD-3-Clause */
/* io/queue.c - queue of waiting coroutines, and the mutex built on it.
 *
 * The list nodes live on the stacks of those who wait.
 *
 * Concurrency: all users live on one loop.
 */
#include "io/sync.h"

void
vio_co_queue_wait(VioCoQueue *queue)
{
    GList node = {.data = vio_co_self()};

    g_queue_push_tail_link(&queue->waiters, &node);
    vio_co_yield();
}

bool
vio_co_queue_wake_one(VioCoQueue *queue)
{
    GList *node = g_queue_pop_head_link(&queue->waiters);

    if (!node)
        return false;
    vio_co_wake(node->data);
    return true;
}

void
vio_co_queue_wake_all(VioCoQueue *queue)
{
    while (vio_co_queue_wake_one(queue))
        ;
}

bool
vio_co_queue_is_empty(const VioCoQueue *queue)
{
    return queue->waiters.head == NULL;
}

void
vio_co_mutex_lock(VioCoMutex *mutex)
{
    VioCo *self = vio_co_self();

    g_assert(self && mutex->owner != self);
    if (!mutex->owner) {
        mutex->owner = self;
        return;
    }
    vio_co_queue_wait(&mutex->queue);
    g_assert(mutex->owner == self); /* handed over by unlock */
}

void
vio_co_mutex_unlock(VioCoMutex *mutex)
{
    g_assert(mutex->owner == vio_co_self());
    mutex->owner = g_queue_peek_head(&mutex->queue.waiters);
    (void) vio_co_queue_wake_one(&mutex->queue); /* nobody: it is free now */
}
