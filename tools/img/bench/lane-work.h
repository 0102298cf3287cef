/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/bench/lane-work.h - what both kinds of lanes do alike. */
#pragma once

#include "tools/img/bench/lane.h"

/* A lane at work. */
typedef struct LaneWork {
    BenchLane *lane;
    uint64_t size;
    uint64_t next;  /* number of the next request */
    uint64_t quota; /* how many are to be measured */
    uint64_t start_ns, deadline_ns;
    bool measuring;
    unsigned since_flush; /* requests */
} LaneWork;

uint64_t lane_now_ns(void);
/* Processor time of the whole process. */
uint64_t lane_cpu_ns(void);

/* The clock begins; again, if it is called again. */
void lane_work_begin(LaneWork *work, BenchLane *lane);
/* By a signal, or by a lane that failed. */
bool lane_work_stopped(const LaneWork *work);
/* May a request begin @now? */
bool lane_work_goes_on(LaneWork *work, uint64_t now);
BenchRequest lane_work_next(LaneWork *work);
bool lane_flush_due(const LaneWork *work);

/* What began at @start has ended: now, which is returned. */
uint64_t lane_time_note(BenchLane *lane, Latency *kind, uint64_t start,
                        bool measured);
/* The first failure of the lane is kept, and all lanes stop.  NULL @req: it was
 * no request of the plan. */
void lane_fail(BenchLane *lane, const char *what, const BenchRequest *req,
               const GError *error);
void lane_no_memory(BenchLane *lane);

/* Aligned and filled with @byte; free().  NULL if there is no memory. */
char *lane_buffer_new(size_t len, int byte);
/* @len in whole units of that alignment. */
size_t lane_buffer_rounded(size_t len);
