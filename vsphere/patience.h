/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/patience.h - a while longer for what should not be left half-done. */
#pragma once

#include "io/cancel.h"
#include "vsphere/pulse.h"

typedef struct VsPatience {
    VioCancel *above; /* the thread's, which was to stop its calls */
    VioCancel *own;   /* in its place; NULL = there is nothing above */
    VsPulse *pulse;
    unsigned left; /* beats */
} VsPatience;

/* Until the end, what cancels the calls of this thread cancels them some
 * seconds later: an answer that is about to come does. */
void vs_patience_begin(VsPatience *patience);
void vs_patience_end(VsPatience *patience);
