/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/vixsample/interrupt.h - Ctrl-C.
 *
 * While something looks at interrupt_pending() often, the first signal is a
 * request to stop; otherwise, and the second time, it ends the process.
 */
#pragma once

#include <stdbool.h>

void interrupt_watch(void);

/* Between these two interrupt_pending() is looked at.  They nest. */
void interrupt_begin(void);
void interrupt_end(void);

bool interrupt_pending(void);

/* @status, or 128 + the signal that stopped the work. */
int interrupt_status(int status);
