/* SPDX-License-Identifier: BSD-3-Clause */
/* block/error.c - VD_ERROR: making errors, and the one table of errnos.
 *
 * Concurrency: no state; any thread.
 */
#include "block/error.h"

#include <errno.h>

G_DEFINE_QUARK(vd - error - quark, vd_error)

/* Code -> errno for callers that speak errno. */
static const int errno_of_code[] = {
    [VD_ERROR_FAILED] = EIO,
    [VD_ERROR_INVALID_ARGUMENT] = EINVAL,
    [VD_ERROR_NOT_FOUND] = ENOENT,
    [VD_ERROR_EXISTS] = EEXIST,
    [VD_ERROR_PERMISSION] = EACCES,
    [VD_ERROR_READ_ONLY] = EROFS,
    [VD_ERROR_IN_USE] = EBUSY,
    [VD_ERROR_IO] = EIO,
    [VD_ERROR_NO_SPACE] = ENOSPC,
    [VD_ERROR_NO_MEMORY] = ENOMEM,
    [VD_ERROR_CORRUPT] = EUCLEAN,
    [VD_ERROR_NOT_SUPPORTED] = ENOTSUP,
    [VD_ERROR_UNKNOWN_FORMAT] = EMEDIUMTYPE,
    [VD_ERROR_ENCRYPTED] = ENOKEY,
    [VD_ERROR_PARENT_MISMATCH] = ESTALE,
    [VD_ERROR_LIMIT] = EFBIG,
    [VD_ERROR_OUT_OF_RANGE] = EINVAL,
    [VD_ERROR_REFUSED] = EPERM,
    [VD_ERROR_CANCELLED] = ECANCELED,
    [VD_ERROR_TIMED_OUT] = ETIMEDOUT,
    [VD_ERROR_FILE_TOO_BIG] = EFBIG,
    [VD_ERROR_LOGIN] = EACCES,
    [VD_ERROR_HOST_NOT_FOUND] = EHOSTUNREACH,
    [VD_ERROR_CONNECTION_REFUSED] = ECONNREFUSED,
    [VD_ERROR_CANNOT_CONNECT] = EPROTO,
    [VD_ERROR_HANDSHAKE] = EPROTO,
    [VD_ERROR_SOCKET] = ENETDOWN,
    [VD_ERROR_CONNECTION_LOST] = ECONNRESET,
    [VD_ERROR_CUT_SHORT] = ECONNRESET,
    [VD_ERROR_DISCONNECTED] = ENOTCONN,
    [VD_ERROR_VM_NOT_FOUND] = ENOENT,
    [VD_ERROR_SNAPSHOT_NOT_FOUND] = ENOENT,
    [VD_ERROR_INVALID_NAME] = EINVAL,
    [VD_ERROR_BUSY] = EBUSY,
    [VD_ERROR_NOT_IMPLEMENTED] = ENOTSUP,
    [VD_ERROR_NO_IO] = EIO,
};

int
vd_error_to_errno(const GError *error)
{
    if (!error)
        return 0;
    if (error->domain != VD_ERROR || error->code < 0 ||
        (gsize) error->code >= G_N_ELEMENTS(errno_of_code))
        return EIO;
    return errno_of_code[error->code];
}

/* errno -> code for what the system says.  EINVAL stays an I/O error: the
 * argument was ours, not the user's. */
static VdErrorCode
code_of_errno(int errnum)
{
    switch (errnum) {
    case ENOENT:
    case ENOTDIR:
    case ENODEV:
    case ENXIO:
        return VD_ERROR_NOT_FOUND;
    case EEXIST:
        return VD_ERROR_EXISTS;
    case EACCES:
    case EPERM:
        return VD_ERROR_PERMISSION;
    case EROFS:
        return VD_ERROR_READ_ONLY;
    case EBUSY:
    case ETXTBSY:
        return VD_ERROR_IN_USE;
    case ENOSPC:
    case EDQUOT:
        return VD_ERROR_NO_SPACE;
    case ENOMEM:
        return VD_ERROR_NO_MEMORY;
    case EFBIG:
        return VD_ERROR_FILE_TOO_BIG;
    case EMFILE:
    case ENFILE:
        return VD_ERROR_LIMIT;
    case EISDIR:
    case ELOOP:
    case ENAMETOOLONG:
        return VD_ERROR_INVALID_ARGUMENT;
    case EUCLEAN:
        return VD_ERROR_CORRUPT;
    case ENOSYS:
    case EOPNOTSUPP:
        return VD_ERROR_NOT_SUPPORTED;
    case ECANCELED:
        return VD_ERROR_CANCELLED;
    case ETIMEDOUT:
        return VD_ERROR_TIMED_OUT;
    default:
        return VD_ERROR_IO;
    }
}

G_GNUC_PRINTF(3, 0)
static void
throw_va(GError **error, VdErrorCode code, const char *format, va_list args)
{
    if (error)
        *error = g_error_new_valist(VD_ERROR, (int) code, format, args);
}

bool
vd_throw(GError **error, VdErrorCode code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    throw_va(error, code, format, args);
    va_end(args);
    return false;
}

void *
vd_throw_null(GError **error, VdErrorCode code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    throw_va(error, code, format, args);
    va_end(args);
    return NULL;
}

G_GNUC_PRINTF(3, 0)
static void
throw_errno_va(GError **error, int errnum, const char *format, va_list args)
{
    g_autofree char *text = NULL;

    if (!error)
        return;
    text = g_strdup_vprintf(format, args);
    g_set_error(error, VD_ERROR, (int) code_of_errno(errnum), "%s: %s", text,
                g_strerror(errnum));
}

bool
vd_throw_errno(GError **error, int errnum, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    throw_errno_va(error, errnum, format, args);
    va_end(args);
    return false;
}

void *
vd_throw_errno_null(GError **error, int errnum, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    throw_errno_va(error, errnum, format, args);
    va_end(args);
    return NULL;
}

G_GNUC_PRINTF(2, 0)
static void
prefix_va(GError **error, const char *format, va_list args)
{
    g_autofree char *text = NULL;

    if (!error || !*error)
        return;
    text = g_strdup_vprintf(format, args);
    g_prefix_error_literal(error, text);
}

bool
vd_prefix(GError **error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    prefix_va(error, format, args);
    va_end(args);
    return false;
}

void *
vd_prefix_null(GError **error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    prefix_va(error, format, args);
    va_end(args);
    return NULL;
}
