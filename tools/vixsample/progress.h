/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/vixsample/progress.h - how far a long call of the library is: one
 * line on stdout.
 *
 *     Progress progress = progress_begin("clone");
 *     bool ok = CALL(VixDiskLib_Clone, ..., progress_update, &progress, TRUE);
 *     return progress_end(&progress, ok);
 */
#pragma once

#include <stdbool.h>

#include "include/vixDiskLib.h"

typedef struct Progress {
    const char *what;
    int percent;
    bool can_cancel;
} Progress;

Progress progress_begin(const char *what);
/* A VixDiskLibProgressFunc; @data is the Progress. */
Bool progress_update(void *data, int percent);
/* Returns @ok. */
bool progress_end(Progress *progress, bool ok);
