/* SPDX-License-Identifier: BSD-3-Clause */
/* io/trace.h - trace points on data paths: off by default, one predicted
 * branch each.  VDISK_TRACE=pattern[,pattern...] (globs) switches them on; they
 * go to stderr or the file named by VDISK_TRACE_FILE. */
#pragma once

#include <stdbool.h>

typedef struct VioTracePoint {
    const char *name;
    int state; /* 0 not looked up yet, 1 off, 2 on */
} VioTracePoint;

bool vio_trace_enabled(VioTracePoint *point);
void vio_trace_emit(const VioTracePoint *point, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Replaces the patterns of VDISK_TRACE (vdisk-img -T); NULL = off. */
void vio_trace_set(const char *patterns);

#define VIO_TRACE(name_, ...)                                                  \
    do {                                                                       \
        static VioTracePoint point_ = {name_, 0};                              \
        if (__builtin_expect(                                                  \
                __atomic_load_n(&point_.state, __ATOMIC_RELAXED) != 1, 0) &&   \
            vio_trace_enabled(&point_))                                        \
            vio_trace_emit(&point_, __VA_ARGS__);                              \
    } while (0)
