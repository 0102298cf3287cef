/* SPDX-License-Identifier: BSD-3-Clause */
/* api/nbd/server.c - an NBD server: what it shows, its beginning and its end.
 *
 * To stop: listeners and memory waiters are sent home, clients hear it from
 * their token, answer what is under way and leave; those that do not take their
 * answers are cut off after a while; then what was written to is flushed.
 *
 * Concurrency: coroutines of the context's loop; the public functions go there.
 */
#include "api/nbd/server.h"

#include "io/fd.h"
#include "io/net.h"
#include "io/op.h"

#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>

#define SERVER_CLIENTS 100u
#define SERVER_REQUESTS 128u
#define SERVER_PAYLOAD (UINT64_C(64) << 20)
#define SERVER_HANDSHAKE_MS 10000u
#define SERVER_STOP_NS (UINT64_C(5) * 1000 * 1000 * 1000)

/* -- life ------------------------------------------------------------------ */

static void
export_free(NbdExport *export)
{
    g_free(export->name);
    g_free(export->description);
    g_ptr_array_unref(export->contexts);
    g_free(export);
}

static VdNbdServerParams
server_params(const VdNbdServerParams *asked)
{
    VdNbdServerParams params = asked != NULL ? *asked : (VdNbdServerParams){0};

    params.tls_dir = params.tls_psk_file = NULL;
    if (params.max_clients == 0)
        params.max_clients = SERVER_CLIENTS;
    if (params.max_requests == 0)
        params.max_requests = SERVER_REQUESTS;
    if (params.max_payload == 0)
        params.max_payload = SERVER_PAYLOAD;
    if (params.handshake_ms == 0)
        params.handshake_ms = SERVER_HANDSHAKE_MS;
    return params;
}

VdNbdServer *
vd_nbd_server_new(VdContext *ctx, const VdNbdServerParams *params,
                  GError **error)
{
    VdNbdServer *server = g_new0(VdNbdServer, 1);

    server->ctx = ctx;
    server->loop = ctx->loop;
    server->params = server_params(params);
    server->exports =
        g_ptr_array_new_with_free_func((GDestroyNotify) export_free);
    server->listeners =
        g_ptr_array_new_with_free_func((GDestroyNotify) vd_nbd_listener_free);
    server->cancel = vio_cancel_new();
    server->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    vd_nbd_memory_init(server);
    if (server->event_fd < 0)
        (void) vd_throw_errno(error, errno, "eventfd");
    else if (params == NULL || vd_nbd_tls_load(server, params, error))
        return server;
    vd_nbd_server_free(server);
    return NULL;
}

void
vd_nbd_server_free(VdNbdServer *server)
{
    if (server == NULL)
        return;
    (void) vd_nbd_server_stop(server, NULL); /* told by whoever stops it */
    g_return_if_fail(server->stopped || server->listeners->len == 0);
    g_ptr_array_unref(server->listeners);
    g_ptr_array_unref(server->exports);
    vio_cancel_unref(server->cancel);
    vd_nbd_tls_unload(server);
    vio_fd_cleanup(&server->event_fd);
    g_free(server);
}

/* -- exports --------------------------------------------------------------- */

NbdExport *
vd_nbd_server_find(const VdNbdServer *server, const char *name, size_t len)
{
    for (unsigned i = 0; i < server->exports->len; i++) {
        NbdExport *export = g_ptr_array_index(server->exports, i);

        if (strlen(export->name) == len &&
            (len == 0 || memcmp(export->name, name, len) == 0))
            return export;
    }
    return NULL;
}

static bool
export_check_text(const char *what, const char *text, GError **error)
{
    if (strlen(text) <= NBD_MAX_STRING && g_utf8_validate(text, -1, NULL))
        return true;
    return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                    "the %s of an export has to be UTF-8 of up to %u bytes",
                    what, NBD_MAX_STRING);
}

static bool
export_check(const VdNbdServer *server, const VdNbdExport *what,
             const char *name, GError **error)
{
    if (!export_check_text("name", name, error) ||
        (what->description != NULL &&
         !export_check_text("description", what->description, error)))
        return false;
    if (vd_nbd_server_find(server, name, strlen(name)) != NULL)
        return vd_throw(error, VD_ERROR_EXISTS,
                        "there is an export '%s' already", name);
    if (what->disk->ctx != server->ctx)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "%s: is a disk of another context", what->disk->name);
    if (vd_disk_is_open_ended(what->disk))
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "%s: nobody knows its size", what->disk->name);
    return true;
}

/* Tables in memory tell holes; asking a file system costs more than the bytes.
 */
static bool
export_knows_holes(const VdDisk *disk)
{
    const VdDriver *driver = vd_node_driver(disk->node);

    return driver->kind == VD_DRIVER_FORMAT && !(driver->caps & VD_CAP_RAW);
}

bool
vd_nbd_server_add_export(VdNbdServer *server, const VdNbdExport *what,
                         GError **error)
{
    const char *name = what->name != NULL ? what->name : "";
    NbdExport *export;

    if (!export_check(server, what, name, error))
        return false;
    export = g_new0(NbdExport, 1);
    export->name = g_strdup(name);
    export->description = g_strdup(what->description);
    export->disk = what->disk;
    export->read_only =
        what->read_only || !vd_node_is_writable(what->disk->node);
    export->sparse_reads = export_knows_holes(what->disk);
    export->contexts =
        g_ptr_array_new_with_free_func((GDestroyNotify) vd_nbd_context_free);
    if (!vd_nbd_contexts_add(export, what, error)) {
        export_free(export);
        return false;
    }
    g_ptr_array_add(server->exports, export);
    return true;
}

/* -- clients --------------------------------------------------------------- */

/* Nothing was written through them. */
static void
server_close_ends(int in_fd, int out_fd)
{
    (void) close(in_fd);
    if (out_fd != in_fd)
        (void) close(out_fd);
}

bool
vd_nbd_server_admit(VdNbdServer *server, int in_fd, int out_fd)
{
    if (!server->stopping &&
        server->stats.clients < server->params.max_clients) {
        vio_net_tune(in_fd);
        if (out_fd != in_fd)
            vio_net_tune(out_fd);
        vd_nbd_client_start(server, in_fd, out_fd);
        return true;
    }
    server->stats.refused++;
    server_close_ends(in_fd, out_fd);
    return false;
}

void
vd_nbd_server_quit(VdNbdServer *server)
{
    uint64_t one = 1;

    (void) !write(server->event_fd, &one, sizeof(one)); /* full is set, too */
}

void
vd_nbd_server_client_left(VdNbdServer *server, bool chosen)
{
    if (chosen)
        server->chosen--;
    if ((chosen && server->chosen == 0 && server->params.until_unused) ||
        (server->stats.clients == 0 && server->listeners->len == 0))
        vd_nbd_server_quit(server);
}

typedef struct {
    VdNbdServer *server;
    int in_fd, out_fd;
    bool taken; /* the descriptors, for better or worse */
} ClientCall;

static bool
server_co_add_client(void *arg, GError **error)
{
    ClientCall *call = arg;

    call->taken = true;
    return vd_nbd_server_admit(call->server, call->in_fd, call->out_fd) ||
           vd_throw(error, VD_ERROR_LIMIT, "the server takes no more clients");
}

bool
vd_nbd_server_add_client(VdNbdServer *server, int in_fd, int out_fd,
                         GError **error)
{
    ClientCall call = {.server = server, .in_fd = in_fd, .out_fd = out_fd};
    bool ok = vd_context_run(server->ctx, server_co_add_client, &call, error);

    if (!call.taken)
        server_close_ends(in_fd, out_fd);
    return ok;
}

void
vd_nbd_server_get_stats(const VdNbdServer *server, VdNbdStats *stats)
{
    *stats = server->stats;
    stats->payload_bytes = server->memory.used;
    stats->payload_bytes_peak = server->memory.peak;
}

/* -- the end --------------------------------------------------------------- */

typedef struct {
    VdNbdServer *server;
    VioCancel *all_gone;
} StopWatch;

/* Coroutine entry. */
static void
server_co_watch_stop(void *opaque)
{
    StopWatch *watch = opaque;
    VdNbdServer *server = watch->server;

    if (vio_co_sleep(server->loop, SERVER_STOP_NS, watch->all_gone) == 0)
        for (GList *l = server->clients.head; l != NULL; l = l->next)
            vio_stream_abort(((NbdClient *) l->data)->stream);
    server->helpers--;
    vio_co_queue_wake_all(&server->changed);
}

static void
server_co_send_home(VdNbdServer *server)
{
    g_autoptr(VioCancel) all_gone = vio_cancel_new();
    StopWatch watch = {server, all_gone};

    server->stopping = true;
    vio_cancel_fire(server->cancel);
    vd_nbd_memory_stop(server);
    for (GList *l = server->clients.head; l != NULL; l = l->next)
        vio_cancel_fire(((NbdClient *) l->data)->cancel);
    server->helpers++;
    vio_co_start(server->loop, server_co_watch_stop, &watch);
    while (!g_queue_is_empty(&server->clients))
        vio_co_queue_wait(&server->changed);
    vio_cancel_fire(all_gone);
    while (server->helpers > 0)
        vio_co_queue_wait(&server->changed);
}

static bool
server_co_flush(VdNbdServer *server, GError **error)
{
    bool ok = true;

    for (unsigned i = 0; i < server->exports->len; i++) {
        NbdExport *export = g_ptr_array_index(server->exports, i);

        if (export->written &&
            !vd_node_co_flush(export->disk->node, ok ? error : NULL))
            ok = false;
    }
    return ok;
}

static bool
server_co_stop(void *arg, GError **error)
{
    VdNbdServer *server = arg;

    if (server->stopping)
        return true;
    server_co_send_home(server);
    server->stopped = true;
    g_ptr_array_set_size(server->listeners, 0);
    return server_co_flush(server, error);
}

bool
vd_nbd_server_stop(VdNbdServer *server, GError **error)
{
    return vd_context_run(server->ctx, server_co_stop, server, error);
}

/* A token that ends the run is spent before the rest is done: that is not to be
 * cancelled.  Later ones are for the rest. */
static bool
server_co_run(void *arg, GError **error)
{
    VdNbdServer *server = arg;

    if (vio_co_poll(server->loop, server->event_fd, POLLIN,
                    server->ctx->cancel) < 0)
        vd_context_cancel_reset(server->ctx);
    return server_co_stop(server, error);
}

bool
vd_nbd_server_run(VdNbdServer *server, GError **error)
{
    return vd_context_run(server->ctx, server_co_run, server, error);
}
