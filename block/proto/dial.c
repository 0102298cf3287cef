/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/dial.c - a connection to a server.
 *
 * Concurrency: no state.
 */
#include "block/proto/dial.h"

#include <errno.h>

VdErrorCode
vd_dial_code(int errnum)
{
    switch (errnum) {
    case ENOENT:
        return VD_ERROR_NOT_FOUND;
    case EHOSTUNREACH:
        return VD_ERROR_HOST_NOT_FOUND;
    case ECONNREFUSED:
        return VD_ERROR_CONNECTION_REFUSED;
    case EACCES:
    case EPERM:
        return VD_ERROR_PERMISSION;
    case ETIMEDOUT:
        return VD_ERROR_TIMED_OUT;
    case ECANCELED:
        return VD_ERROR_CANCELLED;
    default:
        return VD_ERROR_IO;
    }
}

VioStream *
vd_co_dial(const VdEnv *env, const char *name, const VioNetAddress *address,
           VioCancel *cancel, GError **error)
{
    g_autofree char *why = NULL;
    int fd = -1;
    int r = vio_net_co_connect(env->loop, address, cancel, &fd, &why);

    if (r == 0)
        return vio_stream_new(env->loop, fd, fd);
    return vd_throw_null(error, vd_dial_code(-r), "%s: cannot connect: %s",
                         name, why ? why : g_strerror(-r));
}
