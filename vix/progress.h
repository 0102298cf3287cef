/* SPDX-License-Identifier: BSD-3-Clause */
/* vix/progress.h - telling programs how far an operation is. */
#pragma once

#include <stdbool.h>

#include "include/vdisk.h"
#include "include/vixDiskLib.h"

typedef struct VixProgress {
    const char *function;
    VixDiskLibProgressFunc func; /* NULL = nobody wants to know */
    void *data;
    VdContext *ctx; /* of the operation; NULL = a server does it */
    int percent;    /* told last */
    bool cancels;   /* FALSE means: stop */
    bool stopped;   /* and that it was */
} VixProgress;

/* Tells 0; CANCELLED if that is enough. */
VixError vix_progress_begin(VixProgress *p, const char *function,
                            VdContext *ctx, VixDiskLibProgressFunc func,
                            void *data);
/* A VdProgressFunc. */
void vix_progress_update(const VdProgress *now, void *progress);
/* A VdVsphereProgress. */
bool vix_progress_percent(unsigned percent, void *progress);
/* Tells 100 if it went well; the context can be used again. */
void vix_progress_end(VixProgress *p, bool ok);
