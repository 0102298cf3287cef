/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/nbd/target.c - the options of the driver.
 *
 * Their names are those of QEMU where it has them: server.type (inet, unix or
 * vsock), server.host, server.port, server.path, server.cid, export,
 * tls-hostname, reconnect-delay, open-timeout, x-dirty-bitmap; besides tls,
 * tls-certificates, tls-psk-file, tls-username, tls-verify-peer, connections,
 * handshake-timeout.
 *
 * Concurrency: constant once it is made.
 */
#include "block/proto/nbd/target.h"

#include "block/error.h"
#include "block/proto/nbd/wire.h"

#include <inttypes.h>
#include <string.h>

#define HANDSHAKE_SECONDS 30
#define MAX_SECONDS 86400
#define DEFAULT_CONNECTIONS 4u
#define VSOCK_HOST 2u

void
nbd_target_free(NbdTarget *t)
{
    vio_net_address_clear(&t->address);
    g_free(t->export);
    g_free(t->tls_certificates);
    g_free(t->tls_psk_file);
    g_free(t->tls_psk_user);
    g_free(t->tls_hostname);
    g_free(t->context);
    g_clear_pointer(&t->creds, vio_tls_creds_unref);
    g_free(t->name);
    g_free(t);
}

/* -- where ----------------------------------------------------------------- */

/* The short forms are those of old QEMU. */
static void
take_place(VdOptions *opts, VioNetAddress *address)
{
    vd_options_take_string(opts, "host", &address->host);
    vd_options_take_string(opts, "port", &address->port);
    vd_options_take_string(opts, "path", &address->path);
    vd_options_take_string(opts, "server.host", &address->host);
    vd_options_take_string(opts, "server.port", &address->port);
    vd_options_take_string(opts, "server.path", &address->path);
}

static bool
set_inet(VioNetAddress *address, GError **error)
{
    if (address->path)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "nbd: 'path' belongs to a unix socket");
    if (!address->host || *address->host == '\0') {
        g_free(address->host);
        address->host = g_strdup("localhost");
    }
    if (!address->port)
        address->port = g_strdup_printf("%d", NBD_PORT);
    return true;
}

static bool
set_unix(VioNetAddress *address, GError **error)
{
    if (!address->path || *address->path == '\0')
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "nbd: the path of the unix socket is missing");
    return (!address->host && !address->port) ||
           vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                    "nbd: a unix socket has neither host nor port");
}

static bool
set_vsock(VioNetAddress *address, VdOptions *opts, GError **error)
{
    uint64_t cid = VSOCK_HOST, port = NBD_PORT;

    if (address->path || address->host)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "nbd: a vsock address has neither path nor host");
    if (address->port)
        vd_options_set(opts, "server.port", address->port);
    if (!vd_options_take_uint_upto(opts, "server.cid", UINT32_MAX, &cid,
                                   error) ||
        !vd_options_take_uint_upto(opts, "server.port", UINT32_MAX, &port,
                                   error))
        return false;
    address->cid = (unsigned) cid;
    address->vport = (unsigned) port;
    return true;
}

static bool
take_address(VdOptions *opts, VioNetAddress *address, GError **error)
{
    static const char *const types[] = {"inet", "unix", "vsock", NULL};
    unsigned type = UINT32_MAX;

    take_place(opts, address);
    if (!vd_options_take_enum(opts, "server.type", types, &type, error))
        return false;
    if (type == UINT32_MAX && !address->host && !address->path)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "NBD server address missing");
    if (type == UINT32_MAX)
        type = address->path ? 1 : 0;
    address->kind = type == 0   ? VIO_NET_TCP
                    : type == 1 ? VIO_NET_UNIX
                                : VIO_NET_VSOCK;
    switch (address->kind) {
    case VIO_NET_TCP:
        return set_inet(address, error);
    case VIO_NET_UNIX:
        return set_unix(address, error);
    case VIO_NET_VSOCK:
        return set_vsock(address, opts, error);
    }
    g_assert_not_reached();
}

/* -- how ------------------------------------------------------------------- */

static bool
take_tls(VdOptions *opts, NbdTarget *t, GError **error)
{
    vd_options_take_string(opts, "tls-certificates", &t->tls_certificates);
    vd_options_take_string(opts, "tls-psk-file", &t->tls_psk_file);
    vd_options_take_string(opts, "tls-username", &t->tls_psk_user);
    vd_options_take_string(opts, "tls-hostname", &t->tls_hostname);
    t->tls_verify_peer = true;
    if (!vd_options_take_bool(opts, "tls", &t->tls, error) ||
        !vd_options_take_bool(opts, "tls-verify-peer", &t->tls_verify_peer,
                              error))
        return false;
    if (!t->tls && (t->tls_certificates || t->tls_psk_file || t->tls_hostname ||
                    t->tls_psk_user || !t->tls_verify_peer))
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "nbd: options of TLS were given, but TLS was not asked "
                        "for: use nbds:// or tls=on");
    if (t->tls_certificates && t->tls_psk_file)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "nbd: tls-certificates and tls-psk-file exclude each "
                        "other");
    return true;
}

/* A server on this machine needs processors, too: more of its threads than
 * there is room for only get in each other's way. */
static unsigned
default_connections(const NbdTarget *t)
{
    unsigned processors = g_get_num_processors();

    if (t->address.kind == VIO_NET_UNIX)
        processors /= 2;
    return CLAMP(processors, 1, DEFAULT_CONNECTIONS);
}

static bool
take_manners(VdOptions *opts, NbdTarget *t, GError **error)
{
    vd_options_take_string(opts, "x-dirty-bitmap", &t->context);
    vd_options_take_string(opts, "export", &t->export);
    if (g_strcmp0(t->context, NBD_CONTEXT_ALLOCATION) == 0)
        g_clear_pointer(&t->context, g_free); /* asked for anyway */
    if (!t->export)
        t->export = g_strdup("");
    t->connections = default_connections(t);
    t->handshake_timeout = HANDSHAKE_SECONDS;
    if (!vd_options_take_uint_upto(opts, "reconnect-delay", MAX_SECONDS,
                                   &t->reconnect_delay, error) ||
        !vd_options_take_uint_upto(opts, "open-timeout", MAX_SECONDS,
                                   &t->open_timeout, error) ||
        !vd_options_take_uint_upto(opts, "handshake-timeout", MAX_SECONDS,
                                   &t->handshake_timeout, error) ||
        !vd_options_take_uint_upto(opts, "request-timeout", MAX_SECONDS,
                                   &t->request_timeout, error) ||
        !vd_options_take_uint_upto(opts, "connections", NBD_MAX_CONNECTIONS,
                                   &t->connections, error))
        return false;
    t->connections = MAX(t->connections, 1);
    if (strlen(t->export) > NBD_MAX_STRING ||
        (t->context && strlen(t->context) > NBD_MAX_STRING))
        return vd_throw(error, VD_ERROR_LIMIT,
                        "nbd: names have at most %u bytes", NBD_MAX_STRING);
    return true;
}

/* -- its name -------------------------------------------------------------- */

static char *
make_name(const NbdTarget *t)
{
    const char *s = t->tls ? "s" : "";
    g_autofree char *export = g_uri_escape_string(t->export, "/", TRUE);
    g_autofree char *place = NULL, *path = NULL;

    switch (t->address.kind) {
    case VIO_NET_TCP:
        place = vio_net_name(&t->address);
        return g_strdup_printf("nbd%s://%s/%s", s, place, export);
    case VIO_NET_VSOCK:
        return g_strdup_printf("nbd%s+vsock://%u:%u/%s", s, t->address.cid,
                               t->address.vport, export);
    case VIO_NET_UNIX:
        path = g_uri_escape_string(t->address.path, "/", TRUE);
        return g_strdup_printf("nbd%s+unix:///%s?socket=%s", s, export, path);
    }
    g_assert_not_reached();
}

NbdTarget *
nbd_target_new(VdOptions *opts, GError **error)
{
    g_autoptr(NbdTarget) t = g_new0(NbdTarget, 1);

    if (!take_address(opts, &t->address, error) || !take_tls(opts, t, error) ||
        !take_manners(opts, t, error))
        return NULL;
    t->name = make_name(t);
    return g_steal_pointer(&t);
}
