/* SPDX-License-Identifier: BSD-3-Clause */
/* io/trace.c - trace points on data paths.
 *
 * A point that is met for the first time is compared with the patterns and
 * remembered, so that later calls cost one load; changing the patterns resets
 * all that were met.
 *
 * Concurrency: any thread; the list and the patterns under a lock.
 */
#include "io/trace.h"

#include <glib.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "io/loop.h"

enum { TRACE_UNKNOWN, TRACE_OFF, TRACE_ON };

static pthread_mutex_t trace_lock = PTHREAD_MUTEX_INITIALIZER;
static GPtrArray *trace_met;      /* of VioTracePoint */
static GPtrArray *trace_patterns; /* of GPatternSpec */
static bool trace_loaded;
static FILE *trace_file;

static void
trace_load_locked(const char *patterns)
{
    g_auto(GStrv) list = g_strsplit(patterns ? patterns : "", ",", -1);

    g_clear_pointer(&trace_patterns, g_ptr_array_unref);
    trace_patterns =
        g_ptr_array_new_with_free_func((GDestroyNotify) g_pattern_spec_free);
    for (char **p = list; *p; p++)
        if (**p)
            g_ptr_array_add(trace_patterns, g_pattern_spec_new(*p));
    trace_loaded = true;
}

static bool
trace_matches_locked(const char *name)
{
    for (guint i = 0; i < trace_patterns->len; i++)
        if (g_pattern_spec_match_string(trace_patterns->pdata[i], name))
            return true;
    return false;
}

bool
vio_trace_enabled(VioTracePoint *point)
{
    int state = __atomic_load_n(&point->state, __ATOMIC_RELAXED);

    if (state != TRACE_UNKNOWN)
        return state == TRACE_ON;
    pthread_mutex_lock(&trace_lock);
    if (!trace_loaded)
        trace_load_locked(getenv("VDISK_TRACE"));
    if (!trace_met)
        trace_met = g_ptr_array_new();
    state = trace_matches_locked(point->name) ? TRACE_ON : TRACE_OFF;
    __atomic_store_n(&point->state, state, __ATOMIC_RELAXED);
    g_ptr_array_add(trace_met, point);
    pthread_mutex_unlock(&trace_lock);
    return state == TRACE_ON;
}

void
vio_trace_set(const char *patterns)
{
    pthread_mutex_lock(&trace_lock);
    trace_load_locked(patterns);
    for (guint i = 0; trace_met && i < trace_met->len; i++) {
        VioTracePoint *point = trace_met->pdata[i];

        __atomic_store_n(&point->state, TRACE_UNKNOWN, __ATOMIC_RELAXED);
    }
    g_clear_pointer(&trace_met, g_ptr_array_unref);
    pthread_mutex_unlock(&trace_lock);
}

static FILE *
trace_stream_locked(void)
{
    const char *path = getenv("VDISK_TRACE_FILE");

    if (!trace_file && path && *path)
        trace_file = fopen(path, "ae");
    return trace_file ? trace_file : stderr;
}

void
vio_trace_emit(const VioTracePoint *point, const char *format, ...)
{
    g_autofree char *text = NULL;
    uint64_t now = vio_now_ns();
    FILE *stream;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    pthread_mutex_lock(&trace_lock);
    stream = trace_stream_locked();
    (void) fprintf(stream, "%d@%" G_GUINT64_FORMAT ".%06u:%s %s\n",
                   (int) getpid(), now / 1000000000u,
                   (unsigned) (now % 1000000000u / 1000u), point->name, text);
    (void) fflush(stream);
    pthread_mutex_unlock(&trace_lock);
}
