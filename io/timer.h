/* SPDX-License-Identifier: BSD-3-Clause */
/* io/timer.h - the timers of a loop. */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef struct VioTimer VioTimer;
typedef void (*VioTimerFunc)(VioTimer *timer);

struct VioTimer {
    uint64_t at_ns;
    size_t slot; /* place in the heap, from 1; 0 = not running */
    VioTimerFunc fn;
};

typedef struct VioTimers {
    VioTimer **heap; /* [0] is not used */
    size_t used, size;
} VioTimers;

/* Call timer->fn once at @at_ns.  The timer stays the caller's. */
void vio_timer_start(VioTimers *timers, VioTimer *timer, uint64_t at_ns);
void vio_timer_stop(VioTimers *timers, VioTimer *timer);

/* Nanoseconds from now to the earliest timer; -1 if there is none. */
int64_t vio_timers_wait_ns(const VioTimers *timers);

/* Call all that are due; returns how many. */
unsigned vio_timers_expire(VioTimers *timers);

void vio_timers_clear(VioTimers *timers);
