/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/vixsample/report.h - errors, and what the library says, on stderr. */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "include/vixDiskLib.h"

#define PROGRAM "vdisk-vixsample"

void report_error(const char *fmt, ...) G_GNUC_PRINTF(1, 2);

/* False after a message if @result is an error of the library's @function. */
bool report_result(const char *function, VixError result);

/* The library's text for @result; free with g_free. */
char *report_text(VixError result);

/* @text as report_text() has given it, maybe on another thread. */
void report_failure(const char *function, VixError result, const char *text);

/* For a request that was not answered with VIX_ASYNC, and so will not call
 * back: false after a message. */
bool report_async_refused(const char *function, VixError result);

/* For InitEx.  The log is silent without @verbose. */
void report_set_verbose(bool verbose);
VixDiskLibGenericLogFunc report_log, report_warn, report_panic;
