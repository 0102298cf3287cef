/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/serve/run.c - images are opened, shown and closed again.
 *
 * Concurrency: main thread only, but for the one of tools/serve/child.c.
 */
#include "tools/serve/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/images.h"
#include "tools/json.h"
#include "tools/output.h"
#include "tools/requests.h"
#include "tools/signals.h"

/* Half of it is for what clients send and get: one payload may have 64 MiB. */
#define SERVE_BUFFERS (UINT64_C(256) << 20)
#define SERVE_FIRST_FD 3
#define SERVE_ANY_CID UINT32_MAX

/* -- exports --------------------------------------------------------------- */

static bool
export_image(VdNbdServer *server, const ServeJob *job, const ServeImage *image)
{
    g_autoptr(GError) error = NULL;
    VdNbdExport what = {
        .name = image->export_name,
        .description = job->description,
        .disk = image->disk,
        .read_only = job->read_only,
        .depth = job->depth,
        .bitmaps = (const char *const *) job->bitmaps->pdata,
        .changes = job->changes,
    };

    if (vd_nbd_server_add_export(server, &what, &error))
        return true;
    out_failure(image->file, error, "Could not export '%s': %s", image->file,
                error->message);
    return false;
}

static bool
open_images(VdContext *ctx, VdNbdServer *server, ServeJob *job)
{
    unsigned flags = job->flags | (job->read_only ? 0 : VD_OPEN_RDWR);

    for (unsigned i = 0; i < job->images->len; i++) {
        ServeImage *image = job->images->pdata[i];
        ImageSpec spec = image_spec(job->common, image->file, flags);

        image->disk = image_open(ctx, &spec);
        if (!image->disk || !export_image(server, job, image))
            return false;
    }
    return true;
}

static bool
close_images(ServeJob *job)
{
    bool ok = true;

    for (unsigned i = 0; i < job->images->len; i++) {
        ServeImage *image = job->images->pdata[i];

        if (image->disk && job->common->stats)
            requests_add_disk(image->disk, image->file);
        if (image->disk && job->read_only)
            image_close_quietly(image->disk);
        else if (image->disk)
            ok = image_close(image->disk, image->file) && ok;
    }
    return ok;
}

/* -- addresses ------------------------------------------------------------- */

static bool
listen_vsock(VdNbdServer *server, const char *text, GError **error)
{
    const char *colon = strchr(text, ':');
    g_autofree char *cid_text =
        colon ? g_strndup(text, (size_t) (colon - text)) : NULL;
    unsigned cid = SERVE_ANY_CID, port;

    if ((cid_text && !opts_parse_number(cid_text, 0, UINT32_MAX, &cid)) ||
        !opts_parse_number(colon ? colon + 1 : text, 0, UINT32_MAX, &port)) {
        g_set_error(error, VD_ERROR, VD_ERROR_INVALID_ARGUMENT,
                    "--vsock expects [CID:]PORT, not '%s'", text);
        return false;
    }
    return vd_nbd_server_listen_vsock(server, cid, port, error);
}

/* --run without an address: a socket in a folder of its own. */
static bool
listen_for_run(VdNbdServer *server, ServeJob *job, char **socket,
               GError **error)
{
    job->run_folder = g_dir_make_tmp("vdisk-nbd-XXXXXX", error);
    if (!job->run_folder)
        return false;
    *socket = g_build_filename(job->run_folder, "socket", NULL);
    return vd_nbd_server_listen_unix(server, *socket, error);
}

static bool
listen_inherited(VdNbdServer *server, const ServeJob *job, GError **error)
{
    for (unsigned i = 0; i < job->inherited; i++)
        if (!vd_nbd_server_listen_fd(server, SERVE_FIRST_FD + (int) i, error))
            return false;
    return true;
}

/* The client has our standard streams; whatever else is printed is no part of
 * its connection. */
static bool
add_single(VdNbdServer *server, GError **error)
{
    int in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, SERVE_FIRST_FD);
    int out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, SERVE_FIRST_FD);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    if (in < 0 || out < 0 || null < 0 || dup2(null, STDIN_FILENO) < 0 ||
        dup2(STDERR_FILENO, STDOUT_FILENO) < 0) {
        g_set_error(error, VD_ERROR, VD_ERROR_FAILED, "standard streams: %s",
                    g_strerror(errno));
        return false;
    }
    (void) close(null);
    return vd_nbd_server_add_client(server, in, out, error);
}

/* *@socket: the unix socket, if that is where it listens. */
static bool
start_listening(VdNbdServer *server, ServeJob *job, char **socket,
                GError **error)
{
    bool tcp = job->bind || job->port;

    if (job->single)
        return add_single(server, error);
    if (job->inherited)
        return listen_inherited(server, job, error);
    if (job->run && !job->socket && !tcp && !job->vsock)
        return listen_for_run(server, job, socket, error);
    *socket = job->socket ? g_canonicalize_filename(job->socket, NULL) : NULL;
    if (job->socket && !vd_nbd_server_listen_unix(server, job->socket, error))
        return false;
    if (job->vsock && !listen_vsock(server, job->vsock, error))
        return false;
    return (!tcp && (job->socket || job->vsock)) ||
           vd_nbd_server_listen_tcp(server, job->bind, job->port, error);
}

/* -- serving --------------------------------------------------------------- */

static void
tell_uris(const VdNbdServer *server, const ServeJob *job)
{
    g_auto(GVariantBuilder) object = JSON_BUILDER_INIT;

    if (job->single || (!job->common->json && (job->run || job->inherited)) ||
        job->common->quiet)
        return;
    for (unsigned i = 0; i < job->images->len; i++) {
        const ServeImage *image = job->images->pdata[i];
        g_autofree char *uri =
            vd_nbd_server_get_uri(server, image->export_name);

        if (job->common->json)
            json_add_string(&object, image->export_name, uri ? uri : "");
        else if (uri)
            puts(uri);
    }
    if (job->common->json)
        json_print(g_variant_builder_end(&object), JSON_AS_GIVEN);
    fflush(stdout);
}

static VdNbdServer *running;

static void
quit_running(void)
{
    vd_nbd_server_quit(running);
}

/* A signal is no reason to break off what the images do. */
static bool
serve_until_end(VdNbdServer *server)
{
    g_autoptr(GError) error = NULL;
    bool ok;

    running = server;
    signals_end_gently(quit_running);
    ok = vd_nbd_server_run(server, &error);
    signals_end_gently(NULL);
    if (ok)
        return true;
    out_failure(NULL, error, "Could not finish: %s", error->message);
    return false;
}

static int
serve_with_child(VdNbdServer *server, const ServeJob *job, const char *socket)
{
    const ServeImage *image = job->images->pdata[job->images->len - 1];
    g_autofree char *uri = vd_nbd_server_get_uri(server, image->export_name);
    ServeChild *child =
        serve_child_start(server, job->run, uri ? uri : "", socket);
    bool ok = child && serve_until_end(server);
    int status = serve_child_finish(child);

    return ok ? status : 1;
}

static int
serve_in_server(VdContext *ctx, VdNbdServer *server, ServeJob *job)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *socket = NULL;

    if (!open_images(ctx, server, job))
        return 1;
    if (!start_listening(server, job, &socket, &error)) {
        out_failure(NULL, error, "Could not listen: %s", error->message);
        return 1;
    }
    tell_uris(server, job);
    if (!serve_tell_ready(job))
        return 1;
    if (job->run)
        return serve_with_child(server, job, socket);
    return serve_until_end(server) ? 0 : 1;
}

static int
serve_in_context(VdContext *ctx, ServeJob *job)
{
    g_autoptr(GError) error = NULL;
    VdNbdServer *server = vd_nbd_server_new(ctx, &job->params, &error);
    int status = 1;

    if (server)
        status = serve_in_server(ctx, server, job);
    else
        out_failure(NULL, error, "Could not start the server: %s",
                    error->message);
    vd_nbd_server_free(server);
    return close_images(job) ? status : 1;
}

int
serve_run(ServeJob *job)
{
    int status;

    if (job->run) /* it ends with the command, whoever comes and goes */
        job->params.until_unused = false;
    /* The background has no terminal to ask at. */
    if (!serve_take_inherited(job) || !vi_ask(job->common->vi))
        return 1;
    if (!serve_fork(job, &status))
        return status;
    VdContext *ctx = image_context_new_sized(job->common, SERVE_BUFFERS);
    if (!ctx)
        return 1;
    signals_watch(ctx);
    status = serve_in_context(ctx, job);
    serve_forget(job);
    signals_watch(NULL);
    vd_context_free(ctx);
    g_free(job->run_folder);
    return status;
}
