/* SPDX-License-Identifier: BSD-3-Clause */
/* api/nbd/listen.c - where clients come in.
 *
 * Concurrency: one coroutine for each socket.
 */
#include "api/nbd/server.h"

#include "io/fd.h"
#include "io/net.h"
#include "io/op.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define LISTEN_BACKLOG 128u
#define LISTEN_PORT G_STRINGIFY(NBD_PORT)
/* After a failure to accept: too many files, usually. */
#define LISTEN_PAUSE_NS (UINT64_C(100) * 1000 * 1000)

void
vd_nbd_listener_free(NbdListener *listener)
{
    if (listener->fd >= 0)
        (void) close(listener->fd); /* nothing was written through it */
    if (listener->path != NULL)
        (void) unlink(listener->path); /* may be gone already */
    g_free(listener->authority);
    g_free(listener->socket);
    g_free(listener->path);
    g_free(listener);
}

/* Coroutine entry. */
static void
listen_co_accept(void *opaque)
{
    NbdListener *listener = opaque;
    VdNbdServer *server = listener->server;

    while (!server->stopping) {
        int fd = vio_co_accept(server->loop, listener->fd, server->cancel);

        if (fd >= 0)
            (void) vd_nbd_server_admit(server, fd, fd);
        else if (vio_co_sleep(server->loop, LISTEN_PAUSE_NS, server->cancel) <
                 0)
            break;
    }
    server->helpers--;
    vio_co_queue_wake_all(&server->changed);
}

typedef struct {
    VdNbdServer *server;
    GPtrArray *listeners; /* of NbdListener, to be taken over */
} ListenCall;

static bool
listen_co_start(void *arg, GError **error)
{
    const ListenCall *call = arg;

    for (unsigned i = 0; i < call->listeners->len; i++) {
        NbdListener *listener = g_ptr_array_index(call->listeners, i);

        listener->server = call->server;
        g_ptr_array_add(call->server->listeners, listener);
        call->server->helpers++;
        vio_co_start(call->server->loop, listen_co_accept, listener);
    }
    return true;
}

static bool
listen_start(VdNbdServer *server, GPtrArray *listeners, GError **error)
{
    ListenCall call = {server, listeners};

    if (vd_context_run(server->ctx, listen_co_start, &call, error))
        return true;
    for (unsigned i = 0; i < listeners->len; i++)
        vd_nbd_listener_free(g_ptr_array_index(listeners, i));
    return false;
}

/* -- URIs ------------------------------------------------------------------ */

static bool
host_is_any(const char *host)
{
    return host == NULL || *host == '\0' || strcmp(host, "0.0.0.0") == 0 ||
           strcmp(host, "::") == 0;
}

/* "host:port" of what clients on this machine are to connect to. */
static void
listener_name(NbdListener *listener)
{
    g_auto(VioNetAddress) addr = {0};

    if (vio_net_local(listener->fd, &addr) < 0)
        return;
    if (addr.kind == VIO_NET_UNIX && addr.path != NULL && addr.path[0] == '/')
        listener->socket = g_strdup(addr.path);
    if (addr.kind == VIO_NET_TCP && host_is_any(addr.host)) {
        g_free(addr.host);
        addr.host = g_strdup("localhost");
    }
    if (addr.kind == VIO_NET_TCP)
        listener->authority = vio_net_name(&addr);
    else if (addr.kind == VIO_NET_VSOCK)
        listener->authority = g_strdup_printf("%u:%u", addr.cid, addr.vport);
    listener->scheme = addr.kind == VIO_NET_VSOCK ? "+vsock" : "";
}

char *
vd_nbd_server_get_uri(const VdNbdServer *server, const char *name)
{
    const char *tls = server->params.tls == VD_NBD_TLS_REQUIRE ? "s" : "";
    g_autofree char *path =
        g_uri_escape_string(name != NULL ? name : "", "/", FALSE);

    for (unsigned i = 0; i < server->listeners->len; i++) {
        const NbdListener *l = g_ptr_array_index(server->listeners, i);

        if (l->socket != NULL) {
            g_autofree char *socket =
                g_uri_escape_string(l->socket, "/", FALSE);
            return g_strdup_printf("nbd%s+unix:///%s?socket=%s", tls, path,
                                   socket);
        }
        if (l->authority != NULL)
            return g_strdup_printf("nbd%s%s://%s%s%s", tls, l->scheme,
                                   l->authority, *path ? "/" : "", path);
    }
    return NULL;
}

/* -- public ---------------------------------------------------------------- */

static bool
listen_at(VdNbdServer *server, const VioNetAddress *addr, GError **error)
{
    g_autoptr(GArray) fds = g_array_new(FALSE, FALSE, sizeof(int));
    g_autoptr(GPtrArray) listeners = g_ptr_array_new();
    g_autofree char *why = NULL;
    int ret = vio_net_listen(addr, LISTEN_BACKLOG, fds, &why);

    if (ret < 0)
        return vd_throw_errno(error, -ret, "%s", why);
    for (unsigned i = 0; i < fds->len; i++) {
        NbdListener *listener = g_new0(NbdListener, 1);

        listener->fd = g_array_index(fds, int, i);
        listener_name(listener);
        if (addr->kind == VIO_NET_UNIX && addr->path[0] != '@') {
            listener->path = g_strdup(addr->path);
            g_free(listener->socket);
            listener->socket = g_canonicalize_filename(addr->path, NULL);
        }
        g_ptr_array_add(listeners, listener);
    }
    return listen_start(server, listeners, error);
}

bool
vd_nbd_server_listen_tcp(VdNbdServer *server, const char *host,
                         const char *port, GError **error)
{
    VioNetAddress addr = {.kind = VIO_NET_TCP,
                          .host = (char *) host,
                          .port = (char *) (port ? port : LISTEN_PORT)};

    return listen_at(server, &addr, error);
}

bool
vd_nbd_server_listen_unix(VdNbdServer *server, const char *path, GError **error)
{
    VioNetAddress addr = {.kind = VIO_NET_UNIX, .path = (char *) path};

    return listen_at(server, &addr, error);
}

bool
vd_nbd_server_listen_vsock(VdNbdServer *server, unsigned cid, unsigned port,
                           GError **error)
{
    VioNetAddress addr = {.kind = VIO_NET_VSOCK, .cid = cid, .vport = port};

    return listen_at(server, &addr, error);
}

static bool
listen_is_socket(int fd)
{
    int listens = 0;
    socklen_t len = sizeof(listens);

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 &&
           listens;
}

bool
vd_nbd_server_listen_fd(VdNbdServer *server, int fd, GError **error)
{
    g_autoptr(GPtrArray) listeners = g_ptr_array_new();
    NbdListener *listener;

    if (!listen_is_socket(fd))
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "descriptor %d is no socket that listens", fd);
    listener = g_new0(NbdListener, 1);
    listener->fd = fd;
    (void) fcntl(fd, F_SETFD, FD_CLOEXEC);
    listener_name(listener);
    g_ptr_array_add(listeners, listener);
    return listen_start(server, listeners, error);
}
