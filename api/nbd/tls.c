/* SPDX-License-Identifier: BSD-3-Clause */
/* api/nbd/tls.c - STARTTLS at the server: there is no TLS in this build.
 *
 * Concurrency: the coroutine of the client.
 */
#include "api/nbd/server.h"

bool
vd_nbd_tls_load(VdNbdServer *server, const VdNbdServerParams *params,
                GError **error)
{
    return params->tls == VD_NBD_TLS_OFF ||
           vd_throw(error, VD_ERROR_NOT_SUPPORTED, "this build has no TLS");
}

void
vd_nbd_tls_unload(VdNbdServer *server)
{
}

bool
vd_nbd_tls_co_start(NbdClient *client)
{
    return vd_nbd_option_co_fail(client, NBD_OPT_STARTTLS, NBD_REP_ERR_UNSUP,
                                 "the server has no TLS");
}
