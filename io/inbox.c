/* SPDX-License-Identifier: BSD-3-Clause */
/* io/inbox.c - what other threads have for a loop, and how they wake it.
 *
 * The inbox is a lock-free stack that the runner takes as a whole.  A loop
 * announces that it is about to sleep (asleep = 1) and then looks at the inbox
 * once more; a sender pushes and then looks at asleep.  One of the two always
 * sees the other, so no wake-up is lost and an awake loop costs no system call.
 *
 * Concurrency: as marked in the header; all shared words are atomics.
 */
#include "io/inbox.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

VioWaker *
vio_waker_new(int *err)
{
    VioWaker *waker;
    int fd = eventfd(0, EFD_CLOEXEC);

    if (fd < 0) {
        *err = -errno;
        return NULL;
    }
    waker = g_new0(VioWaker, 1);
    waker->refs = 1;
    waker->fd = fd;
    waker->asleep = 1;
    return waker;
}

VioWaker *
vio_waker_ref(VioWaker *waker)
{
    __atomic_add_fetch(&waker->refs, 1, __ATOMIC_RELAXED);
    return waker;
}

void
vio_waker_unref(VioWaker *waker)
{
    if (__atomic_sub_fetch(&waker->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    (void) close(waker->fd);
    g_free(waker);
}

void
vio_waker_wake(VioWaker *waker)
{
    const uint64_t one = 1;
    int saved = errno; /* signal handlers come here too */
    ssize_t n;

    if (__atomic_load_n(&waker->asleep, __ATOMIC_SEQ_CST) == 0 ||
        __atomic_exchange_n(&waker->asleep, 0, __ATOMIC_SEQ_CST) == 0)
        return;
    do
        n = write(waker->fd, &one, sizeof(one));
    while (n < 0 && errno == EINTR);
    errno = saved;
}

uint64_t
vio_waker_take(VioWaker *waker)
{
    uint64_t tokens;
    ssize_t n;

    do
        n = read(waker->fd, &tokens, sizeof(tokens));
    while (n < 0 && errno == EINTR);
    return n == sizeof(tokens) ? tokens : 0;
}

void
vio_inbox_push(VioInbox *inbox, VioInboxItem *item)
{
    VioInboxItem *top = __atomic_load_n(&inbox->top, __ATOMIC_RELAXED);

    do
        item->next = top;
    while (!__atomic_compare_exchange_n(&inbox->top, &top, item, true,
                                        __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
}

bool
vio_inbox_is_empty(const VioInbox *inbox)
{
    return __atomic_load_n(&inbox->top, __ATOMIC_SEQ_CST) == NULL;
}

static VioInboxItem *
inbox_reverse(VioInboxItem *item)
{
    VioInboxItem *oldest = NULL;

    while (item) {
        VioInboxItem *next = item->next;

        item->next = oldest;
        oldest = item;
        item = next;
    }
    return oldest;
}

unsigned
vio_inbox_take(VioInbox *inbox, VioLoop *loop)
{
    VioInboxItem *item;
    unsigned n = 0;

    if (!__atomic_load_n(&inbox->top, __ATOMIC_RELAXED))
        return 0;
    item = __atomic_exchange_n(&inbox->top, NULL, __ATOMIC_ACQUIRE);
    item = inbox_reverse(item);
    while (item) {
        VioInboxItem *next = item->next; /* taking may free the item */

        item->take(loop, item);
        item = next;
        n++;
    }
    return n;
}
