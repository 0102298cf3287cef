/* SPDX-License-Identifier: BSD-3-Clause */
/* vix/error.c - error numbers, and what lies behind them.
 *
 * A number alone says too little, so the text of what went wrong last is kept:
 * for each thread, and, for requests whose callbacks bring the number to
 * whatever thread, for all of them.  VixDiskLib_GetErrorText() adds the text
 * whose number is the one that is asked for.
 *
 * Concurrency: any thread.
 */
#include "vix/error.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "vix/config.h"
#include "vix/log.h"

typedef struct {
    VixError error;
    char *text;
} LastError;

static void
last_error_free(void *opaque)
{
    LastError *last = opaque;

    g_free(last->text);
    g_free(last);
}

static GPrivate own_last = G_PRIVATE_INIT(last_error_free);
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static LastError async_last; /* under lock */

/* -- keeping -------------------------------------------------------------- */

static void
last_error_set(LastError *last, VixError error, const char *text)
{
    char *copy = g_strdup(text); /* @text may be the old one */

    g_free(last->text);
    *last = (LastError){.error = error, .text = copy};
}

static void
keep(VixError error, const char *text)
{
    LastError *last = g_private_get(&own_last);

    if (!last) {
        last = g_new0(LastError, 1);
        g_private_set(&own_last, last);
    }
    last_error_set(last, error, text);
}

static void
keep_for_all(VixError error, const char *text)
{
    (void) pthread_mutex_lock(&lock);
    last_error_set(&async_last, error, text);
    (void) pthread_mutex_unlock(&lock);
}

void
vix_error_forget(void)
{
    keep_for_all(VIX_OK, NULL);
    g_private_replace(&own_last, NULL);
}

/* -- numbers -------------------------------------------------------------- */

static const unsigned short codes[] = {
    [VD_ERROR_FAILED] = VIX_E_FAIL,
    [VD_ERROR_INVALID_ARGUMENT] = VIX_E_INVALID_ARG,
    [VD_ERROR_NOT_FOUND] = VIX_E_FILE_NOT_FOUND,
    [VD_ERROR_EXISTS] = VIX_E_FILE_ALREADY_EXISTS,
    [VD_ERROR_PERMISSION] = VIX_E_FILE_ACCESS_ERROR,
    [VD_ERROR_READ_ONLY] = VIX_E_FILE_READ_ONLY,
    [VD_ERROR_IN_USE] = VIX_E_FILE_ALREADY_LOCKED,
    [VD_ERROR_IO] = VIX_E_FILE_ERROR,
    [VD_ERROR_NO_SPACE] = VIX_E_DISK_FULL,
    [VD_ERROR_NO_MEMORY] = VIX_E_OUT_OF_MEMORY,
    [VD_ERROR_CORRUPT] = VIX_E_DISK_INVALIDDISK,
    [VD_ERROR_NOT_SUPPORTED] = VIX_E_DISK_NOTSUPPORTED,
    [VD_ERROR_UNKNOWN_FORMAT] = VIX_E_INCORRECT_FILE_TYPE,
    [VD_ERROR_ENCRYPTED] = VIX_E_DISK_NEEDKEY,
    [VD_ERROR_PARENT_MISMATCH] = VIX_E_DISK_CID_MISMATCH,
    [VD_ERROR_LIMIT] = VIX_E_ARGUMENT_TOO_BIG,
    [VD_ERROR_OUT_OF_RANGE] = VIX_E_DISK_OUTOFRANGE,
    [VD_ERROR_REFUSED] = VIX_E_FILE_ACCESS_ERROR,
    [VD_ERROR_CANCELLED] = VIX_E_CANCELLED,
    [VD_ERROR_TIMED_OUT] = VIX_E_FILE_ERROR,
    [VD_ERROR_FILE_TOO_BIG] = VIX_E_FILE_TOO_BIG,
    [VD_ERROR_LOGIN] = VIX_E_HOST_USER_PERMISSIONS,
    [VD_ERROR_HOST_NOT_FOUND] = VIX_E_HOST_SERVER_NOT_FOUND,
    [VD_ERROR_CONNECTION_REFUSED] = VIX_E_HOST_NETWORK_CONN_REFUSED,
    [VD_ERROR_CANNOT_CONNECT] = VIX_E_CANNOT_CONNECT_TO_HOST,
    [VD_ERROR_HANDSHAKE] = VIX_E_HOST_NETBLKDEV_HANDSHAKE,
    [VD_ERROR_SOCKET] = VIX_E_HOST_TCP_SOCKET_ERROR,
    [VD_ERROR_CONNECTION_LOST] = VIX_E_HOST_TCP_CONN_LOST,
    [VD_ERROR_CUT_SHORT] = VIX_E_HOST_FILE_ERROR_EOF,
    [VD_ERROR_DISCONNECTED] = VIX_E_DISK_INVALID_CONNECTION,
    [VD_ERROR_VM_NOT_FOUND] = VIX_E_VM_NOT_FOUND,
    [VD_ERROR_SNAPSHOT_NOT_FOUND] = VIX_E_SNAPSHOT_NOTFOUND,
    [VD_ERROR_INVALID_NAME] = VIX_E_FILE_NAME_INVALID,
    [VD_ERROR_BUSY] = VIX_E_OBJECT_IS_BUSY,
    [VD_ERROR_NOT_IMPLEMENTED] = VIX_E_NOT_SUPPORTED,
    [VD_ERROR_NO_IO] = VIX_E_DISK_NOIO,
};

VixError
vix_error_code(const GError *error)
{
    if (!error)
        return VIX_OK;
    if (error->domain != VD_ERROR || error->code < 0 ||
        (unsigned) error->code >= G_N_ELEMENTS(codes))
        return VIX_E_FAIL;
    return codes[error->code];
}

/* With the errno, for programs that have asked for it. */
static VixError
error_full(VixError code, const GError *error)
{
    const VixError linux_errno = 4;

    if (!vix_config_extra_error_bits())
        return code;
    return code | linux_errno << 24 |
           (VixError) (uint32) vd_error_to_errno(error) << 32;
}

/* -- failing -------------------------------------------------------------- */

VixError
vix_fail(VixError code, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    keep(code, text);
    vix_log("%s", text);
    return code;
}

static char *
disk_text(const char *doing, const GError *error)
{
    return doing ? g_strdup_printf("%s: %s", doing, error->message)
                 : g_strdup(error->message);
}

VixError
vix_fail_disk_as(VixError code, const char *doing, const GError *error)
{
    g_autofree char *text = disk_text(doing, error);

    code = error_full(code, error);
    keep(code, error->message);
    vix_warn("%s", text);
    return code;
}

VixError
vix_fail_disk(const char *doing, const GError *error)
{
    return vix_fail_disk_as(vix_error_code(error), doing, error);
}

VixError
vix_fail_probe(const char *doing, const GError *error)
{
    return vix_fail_probe_as(vix_error_code(error), doing, error);
}

VixError
vix_fail_probe_as(VixError code, const char *doing, const GError *error)
{
    g_autofree char *text = disk_text(doing, error);

    code = error_full(code, error);
    keep(code, error->message);
    vix_log("%s", text);
    return code;
}

VixError
vix_fail_async(const char *doing, const GError *error)
{
    VixError code = vix_fail_disk(doing, error);

    keep_for_all(code, error->message);
    return code;
}

/* -- telling -------------------------------------------------------------- */

/* What is known about @error beyond its number; NULL = nothing. */
static char *
details_of(VixError error)
{
    const LastError *last = g_private_get(&own_last);
    char *text = NULL;

    if (last && last->error == error)
        return g_strdup(last->text);
    (void) pthread_mutex_lock(&lock);
    if (async_last.error == error)
        text = g_strdup(async_last.text);
    (void) pthread_mutex_unlock(&lock);
    return text;
}

/* The result is of malloc(), because programs are known to free() it. */
char *
VixDiskLib_GetErrorText(VixError err, const char *locale)
{
    const char *general = vix_error_text(err);
    g_autofree char *unknown = NULL;
    g_autofree char *details = VIX_FAILED(err) ? details_of(err) : NULL;
    g_autofree char *text = NULL;

    if (!general)
        general = unknown =
            g_strdup_printf("Unknown error %u", (unsigned) VIX_ERROR_CODE(err));
    text = details ? g_strdup_printf("%s: %s", general, details)
                   : g_strdup(general);
    return strdup(text);
}

void
VixDiskLib_FreeErrorText(char *errMsg)
{
    free(errMsg);
}
