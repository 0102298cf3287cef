/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/https/status.c - what failures and answers mean.
 *
 * Concurrency: no state.
 */
#include "block/proto/https/client.h"

#include <errno.h>

static VdErrorCode
code_of_failure(int ret)
{
    switch (-ret) {
    case ECANCELED:
        return VD_ERROR_CANCELLED;
    case ETIMEDOUT:
        return VD_ERROR_TIMED_OUT;
    case EHOSTUNREACH:
        return VD_ERROR_HOST_NOT_FOUND;
    case ECONNREFUSED:
        return VD_ERROR_CONNECTION_REFUSED;
    case ECONNRESET:
        return VD_ERROR_CONNECTION_LOST;
    case EKEYREJECTED:
        return VD_ERROR_PERMISSION;
    case EINVAL:
        return VD_ERROR_INVALID_ARGUMENT;
    case EOPNOTSUPP:
        return VD_ERROR_NOT_SUPPORTED;
    case ENOMEM:
        return VD_ERROR_NO_MEMORY;
    default:
        return VD_ERROR_IO;
    }
}

bool
https_throw(int ret, char *why, GError **error)
{
    (void) vd_throw(error, code_of_failure(ret), "%s", why);
    g_free(why);
    return false;
}

static VdErrorCode
code_of_status(int status)
{
    switch (status) {
    case 401:
    case 403:
    case 407:
        return VD_ERROR_PERMISSION;
    case 404:
    case 410:
        return VD_ERROR_NOT_FOUND;
    case 405:
    case 501:
        return VD_ERROR_NOT_SUPPORTED;
    case 413:
        return VD_ERROR_FILE_TOO_BIG;
    case 423:
        return VD_ERROR_IN_USE;
    case 507:
        return VD_ERROR_NO_SPACE;
    default:
        return VD_ERROR_IO;
    }
}

static const char *
words_of_status(int status)
{
    switch (status) {
    case 401:
        return "the server wants to know who asks";
    case 403:
        return "the server does not allow it";
    case 404:
    case 410:
        return "the server has no such file";
    case 405:
        return "the server does not do that with files";
    case 411:
        return "the server wants to know in advance how long it is";
    case 413:
        return "too large for the server";
    case 416:
        return "the file on the server is shorter than it was";
    case 423:
        return "locked on the server";
    case 507:
        return "the server has no space";
    default:
        return status >= 500                   ? "the server has failed"
               : status >= 300 && status < 400 ? "it is elsewhere"
                                               : "the server does not do that";
    }
}

bool
https_throw_status(const char *name, int status, GError **error)
{
    return vd_throw(error, code_of_status(status), "%s: %s (HTTP status %d)",
                    name, words_of_status(status), status);
}

bool
https_throw_reply(const char *name, const char *what, GError **error)
{
    return vd_throw(error, VD_ERROR_IO, "%s: %s", name, what);
}

bool
https_check_encoding(const char *name, const VioHttpReply *reply,
                     GError **error)
{
    const char *how = vio_http_header(reply, "Content-Encoding", 0);

    return !how || g_ascii_strcasecmp(how, "identity") == 0 ||
           https_throw_reply(name,
                             "the server sends it packed, although it was "
                             "asked not to",
                             error);
}
