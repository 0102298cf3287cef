/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/signals.h - SIGINT, SIGTERM and SIGHUP stop the work and let it
 * clean up; SIGUSR1 asks how far it is. */
#pragma once

#include "include/vdisk.h"

/* From now on SIGINT, SIGTERM and SIGHUP cancel @ctx; NULL = the default again.
 */
void signals_watch(VdContext *ctx);

/* The first of them calls @end instead, which may be called from a handler, and
 * a second one that comes later than at once cancels; NULL = the default again.
 */
void signals_end_gently(void (*end)(void));

/* From now on they are noted only, and whoever works looks at
 * signals_stopped() now and then; false = the default again. */
void signals_note(bool on);
bool signals_stopped(void);

/* The exit code of a command that ended with @status: 128 + N if signal N came
 * and it failed. */
int signals_status(int status);

/* Was SIGUSR1 received since the last call? */
bool signals_take_usr1(void);
