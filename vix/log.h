/* SPDX-License-Identifier: BSD-3-Clause */
/* vix/log.h - messages to the program's log and warn functions.  Nothing here
 * panics, so that there is no third one. */
#pragma once

#include <glib.h>

#include "include/vixDiskLib.h"

/* NULL: warnings go to standard error, the log nowhere. */
void vix_log_set(VixDiskLibGenericLogFunc *log, VixDiskLibGenericLogFunc *warn);

/* One line without its newline.  No lock may be held: the program's function
 * may call back in.  Warnings are for real failures: programs show them to
 * their users as errors. */
void vix_log(const char *format, ...) G_GNUC_PRINTF(1, 2);
void vix_warn(const char *format, ...) G_GNUC_PRINTF(1, 2);
