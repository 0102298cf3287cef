/* SPDX-License-Identifier: BSD-3-Clause */
/* io/inbox.h - what other threads have for a loop, and how they wake it.
 *
 * The waker outlives its loop if a cancel token still refers to it.
 */
#pragma once

#include "io/loop.h"

typedef struct VioWaker {
    int refs;
    int fd;     /* eventfd, blocking: only read when known to be readable */
    int asleep; /* 1: a token must be written to be noticed */
    int check;  /* a cancel token of this loop changed */
} VioWaker;

VioWaker *vio_waker_new(int *err); /* NULL and *@err = -errno */
VioWaker *vio_waker_ref(VioWaker *waker);
void vio_waker_unref(VioWaker *waker);

/* Any thread, any signal handler. */
void vio_waker_wake(VioWaker *waker);

/* Swallow the tokens, of which there must be at least one; returns how many. */
uint64_t vio_waker_take(VioWaker *waker);

typedef struct VioInboxItem VioInboxItem;
typedef void (*VioInboxFunc)(VioLoop *loop, VioInboxItem *item);

struct VioInboxItem {
    VioInboxItem *next;
    VioInboxFunc take; /* called by the runner; the item is the taker's */
};

typedef struct VioInbox {
    VioInboxItem *top; /* newest first */
} VioInbox;

/* Any thread; wake the loop afterwards. */
void vio_inbox_push(VioInbox *inbox, VioInboxItem *item);
bool vio_inbox_is_empty(const VioInbox *inbox);

/* Hand every item to its function, oldest first; returns how many. */
unsigned vio_inbox_take(VioInbox *inbox, VioLoop *loop);
