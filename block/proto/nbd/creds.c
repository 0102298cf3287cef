/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/nbd/creds.c - who we are and whom we trust, as the options say.
 *
 * Concurrency: files are read on a worker; the rest is constant.
 */
#include "block/proto/nbd/target.h"

#include "block/error.h"
#include "block/proto/creds.h"

/* The name that the server's certificate must have. */
static const char *
server_name(const NbdTarget *t)
{
    if (t->tls_hostname)
        return t->tls_hostname;
    return t->address.kind == VIO_NET_TCP ? t->address.host : NULL;
}

static bool
verifies(const NbdTarget *t)
{
    return t->tls_verify_peer && !t->tls_psk_file;
}

bool
nbd_target_co_load_creds(NbdTarget *t, VioLoop *loop, GError **error)
{
    VioTlsParams params = {
        .dir = t->tls_certificates,
        .psk_file = t->tls_psk_file,
        .psk_user = t->tls_psk_user,
        .verify_peer = verifies(t),
    };
    g_autofree char *why = NULL;

    if (!t->tls || t->creds)
        return true;
    if (verifies(t) && !server_name(t))
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "%s: which name the server's certificate must have is "
                        "not known: give tls-hostname, or tls-verify-peer=0 to "
                        "trust anybody",
                        t->name);
    t->creds = vd_co_load_creds(loop, &params, &why);
    return t->creds || vd_throw(error, VD_ERROR_INVALID_ARGUMENT, "%s: TLS: %s",
                                t->name, why);
}

VioTlsSession *
nbd_target_tls_session(const NbdTarget *t)
{
    return vio_tls_session_new(t->creds, server_name(t));
}
