/* SPDX-License-Identifier: BSD-3-Clause */
/* vix/error.h - error numbers, and what lies behind them. */
#pragma once

#include <glib.h>

#include "include/vdisk.h"
#include "include/vixDiskLib.h"

/* The number that stands for @error. */
VixError vix_error_code(const GError *error);

/* Our text for a code, without details. */
const char *vix_error_text(VixError code);

/* Each of these keeps its text for VixDiskLib_GetErrorText() on this thread,
 * and returns the number. */

/* The caller's mistake: logged. */
VixError vix_fail(VixError code, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* The disk's trouble: a warning.  @doing: "VixDiskLib_Read"; NULL = nothing. */
VixError vix_fail_disk(const char *doing, const GError *error);
/* The same with another number than @error would have. */
VixError vix_fail_disk_as(VixError code, const char *doing,
                          const GError *error);
/* The disk's trouble that the caller was prepared for: logged. */
VixError vix_fail_probe(const char *doing, const GError *error);
VixError vix_fail_probe_as(VixError code, const char *doing,
                           const GError *error);
/* Of a request whose callback will tell: for any thread that asks. */
VixError vix_fail_async(const char *doing, const GError *error);

/* At the end of the library. */
void vix_error_forget(void);
