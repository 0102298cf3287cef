/* SPDX-License-Identifier: BSD-3-Clause */
/* vix/log.c - messages to the program's log and warn functions.
 *
 * Concurrency: any thread.  The functions are copied under the lock and called
 * without it.
 */
#include "vix/log.h"

#include <pthread.h>
#include <stdio.h>

typedef enum { LEVEL_LOG, LEVEL_WARN, N_LEVELS } Level;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static VixDiskLibGenericLogFunc *functions[N_LEVELS];

void
vix_log_set(VixDiskLibGenericLogFunc *log, VixDiskLibGenericLogFunc *warn)
{
    (void) pthread_mutex_lock(&lock);
    functions[LEVEL_LOG] = log;
    functions[LEVEL_WARN] = warn;
    (void) pthread_mutex_unlock(&lock);
}

static VixDiskLibGenericLogFunc *
function_of(Level level)
{
    VixDiskLibGenericLogFunc *function;

    (void) pthread_mutex_lock(&lock);
    function = functions[level];
    (void) pthread_mutex_unlock(&lock);
    return function;
}

/* What is behind @format becomes the va_list that the function wants. */
static void
call(VixDiskLibGenericLogFunc *function, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    function(format, args);
    va_end(args);
}

static void tell(Level level, const char *format, va_list args)
    G_GNUC_PRINTF(2, 0);

static void
tell(Level level, const char *format, va_list args)
{
    VixDiskLibGenericLogFunc *function = function_of(level);
    g_autofree char *text = NULL;

    if (!function && level == LEVEL_LOG)
        return;
    text = g_strdup_vprintf(format, args);
    if (function)
        call(function, "%s\n", text);
    else
        (void) fprintf(stderr, "%s\n", text);
}

void
vix_log(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    tell(LEVEL_LOG, format, args);
    va_end(args);
}

void
vix_warn(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    tell(LEVEL_WARN, format, args);
    va_end(args);
}
