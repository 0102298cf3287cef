/* SPDX-License-Identifier: BSD-3-Clause */
/* api/nbd/tls.c - STARTTLS at the server.
 *
 * Concurrency: credentials do not change; the rest is the coroutine of the
 * client.
 */
#include "api/nbd/server.h"

#include "io/tls.h"

bool
vd_nbd_tls_load(VdNbdServer *server, const VdNbdServerParams *params,
                GError **error)
{
    VioTlsParams tls = {.server = true,
                        .dir = params->tls_dir,
                        .psk_file = params->tls_psk_file,
                        .verify_peer = params->tls_verify_peer};
    g_autofree char *why = NULL;

    if (params->tls == VD_NBD_TLS_OFF)
        return true;
    if (!vio_tls_available())
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED, "this build has no TLS");
    if ((params->tls_dir == NULL) == (params->tls_psk_file == NULL))
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "TLS takes certificates or a file of keys");
    server->creds = vio_tls_creds_new(&tls, &why);
    return server->creds != NULL ||
           vd_throw(error, VD_ERROR_INVALID_ARGUMENT, "%s", why);
}

void
vd_nbd_tls_unload(VdNbdServer *server)
{
    if (server->creds != NULL)
        vio_tls_creds_unref(server->creds);
}

/* What was settled in clear text may have been settled by somebody between. */
static void
tls_forget(NbdClient *client)
{
    client->tls = true;
    client->headers = NBD_HEADERS_SIMPLE;
    client->context_export = NULL;
    g_array_set_size(client->contexts, 0);
}

static bool
tls_co_refuse(NbdClient *client)
{
    if (client->tls)
        return vd_nbd_option_co_fail(client, NBD_OPT_STARTTLS,
                                     NBD_REP_ERR_INVALID, "TLS runs already");
    return vd_nbd_option_co_fail(client, NBD_OPT_STARTTLS,
                                 vio_tls_available() ? NBD_REP_ERR_POLICY
                                                     : NBD_REP_ERR_UNSUP,
                                 "the server does not use TLS");
}

bool
vd_nbd_tls_co_start(NbdClient *client)
{
    VdNbdServer *server = client->server;
    VioTlsSession *session;
    const char *why;

    if (client->tls || server->creds == NULL)
        return tls_co_refuse(client);
    /* Clear text behind the option would become part of what is trusted. */
    if (vio_stream_buffered(client->stream) > 0 ||
        !vd_nbd_option_co_reply(client, NBD_OPT_STARTTLS, NBD_REP_ACK, NULL, 0))
        return false;
    session = vio_tls_session_new(server->creds, NULL);
    if (vio_stream_co_start_tls(client->stream, session, client->cancel) == 0) {
        tls_forget(client);
        return true;
    }
    why = vio_stream_tls_why(client->stream);
    vd_context_warn(server->ctx, "NBD: a client could not start TLS: %s",
                    why != NULL ? why : "it left");
    return false;
}
