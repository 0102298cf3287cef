/* SPDX-License-Identifier: BSD-3-Clause */
/* block/error.h - making GErrors of domain VD_ERROR (codes: include/vdisk.h).
 *
 * Codes are for programs, text for people: lower case, no full stop, file and
 * byte offset where known, the found value and the wanted one.
 */
#pragma once

#include "include/vdisk.h"

/* Set @error; return false / NULL so that callers can return the call. */
bool vd_throw(GError **error, VdErrorCode code, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
void *vd_throw_null(GError **error, VdErrorCode code, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

/* The same from an errno (positive): ": " and its text are appended and the
 * code follows from it (ENOSPC -> NO_SPACE ...). */
bool vd_throw_errno(GError **error, int errnum, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
void *vd_throw_errno_null(GError **error, int errnum, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

/* Put text before an error that a callee has set; return false / NULL. */
bool vd_prefix(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);
void *vd_prefix_null(GError **error, const char *format, ...)
    G_GNUC_PRINTF(2, 3);

static inline bool
vd_error_is(const GError *error, VdErrorCode code)
{
    return g_error_matches(error, VD_ERROR, (int) code);
}
