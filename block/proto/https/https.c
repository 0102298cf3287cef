/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/https/https.c - protocol driver "https": files of web servers.
 *
 * They are read in parts, at any place.  They are not changed: a part of a file
 * cannot be replaced in any way that servers agree on.  A new file is sent from
 * its first byte to its last.
 *
 * This file: opening, closing and the table.  See client.h for the rooms.
 *
 * Concurrency: any number of reads may overlap.
 */
#include "block/proto/https/client.h"

#include <errno.h>

#include "block/drivers.h"
#include "block/transaction.h"

#define SECOND_NS UINT64_C(1000000000)
#define LARGEST_TRANSFER (UINT64_C(4) << 20)

/* -- who we are ------------------------------------------------------------ */

/* The answer 401 says the rest. */
static bool
client_co_renew(void *arg, VioHttp *http, VioCancel *cancel)
{
    g_auto(VdTicket) ticket = {0};

    if (!vd_ticket_source_co_get(arg, vio_co_loop(), cancel, &ticket, NULL))
        return false;
    vio_http_set_headers(http, (const char *const *) ticket.headers);
    return true;
}

static VioHttp *
client_new(HttpsTarget *t, VdTicketSource *source, VioLoop *loop,
           GError **error)
{
    VioHttpParams params = {
        .thumbprint = t->thumbprint,
        .ca_file = t->ca_file,
        .insecure = !t->verify,
        .proxy = g_strcmp0(t->proxy, "environment") == 0 ? NULL : t->proxy,
        .proxy_from_env = g_strcmp0(t->proxy, "environment") == 0,
        .user = t->username,
        .password = t->password,
        .cookies = source == NULL, /* it brings its own */
        .connections = (unsigned) t->connections,
        .idle_ns = t->timeout_s * SECOND_NS,
        .co_renew = source ? client_co_renew : NULL,
        .renew_arg = source,
    };
    g_autofree char *cookie =
        t->cookie ? g_strconcat("Cookie: ", t->cookie, NULL) : NULL;
    const char *const headers[] = {cookie, NULL};
    char *why = NULL;
    VioHttp *http = vio_http_new(loop, &params, &why);

    if (!http) {
        (void) https_throw(vio_http_missing() ? -EOPNOTSUPP : -EINVAL,
                           g_strdup_printf("%s: %s", t->name, why), error);
        g_free(why);
        return NULL;
    }
    vio_http_set_headers(http, headers);
    return http;
}

static VioHttp *
client_co_new_admitted(VdNode *node, GError **error)
{
    HttpsState *s = vd_node_state(node);
    HttpsTarget *t = s->target;
    g_auto(VdTicket) ticket = {0};
    VioHttp *http;

    if (!https_admission_co_begin(&s->admission, t->ticket_source, node,
                                  &ticket, error) ||
        !https_target_take_url(t, &ticket, error))
        return NULL;
    http = client_new(t, s->admission.source, vd_node_loop(node), error);
    if (http)
        vio_http_set_headers(http, (const char *const *) ticket.headers);
    return http;
}

bool
https_co_connect(VdNode *node, GError **error)
{
    HttpsState *s = vd_node_state(node);
    VioLoop *loop = vd_node_loop(node);

    if (!https_target_co_load(s->target, loop, error))
        return false;
    s->http = s->target->ticket_source
                  ? client_co_new_admitted(node, error)
                  : client_new(s->target, NULL, loop, error);
    return s->http != NULL;
}

/* -- opening and closing --------------------------------------------------- */

static void
https_co_close(VdNode *node)
{
    HttpsState *s = vd_node_state(node);

    vio_http_co_close(s->stream);
    if (s->kept)
        vio_file_free(s->kept);
    vio_http_co_free(s->http);
    https_admission_clear(&s->admission);
    g_clear_pointer(&s->target, https_target_free);
    g_free(s->head);
    g_free(s->etag);
    g_free(s->modified);
    g_clear_error(&s->failure);
}

static bool
open_co_for_reading(VdNode *node, GError **error)
{
    HttpsState *s = vd_node_state(node);
    VdTransaction *tx = vd_node_env(node)->tx;

    if (tx && vd_tx_kept(tx, s->target->name))
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: cannot be read back before all of it is there",
                        s->target->name);
    if (!https_co_connect(node, error) || !https_co_look(node, error))
        return false;
    vd_node_limits(node)->opt_transfer = LARGEST_TRANSFER;
    return true;
}

static bool
https_co_open(VdNode *node, VdOptions *opts, GError **error)
{
    HttpsState *s = vd_node_state(node);
    bool ok;

    s->target = https_target_new(opts, error);
    if (!s->target)
        return false;
    if (!https_target_check_named(s->target, node, error)) {
        https_co_close(node);
        return false;
    }
    vd_node_set_name(node, s->target->name);
    ok = vd_node_is_writable(node) ? https_co_open_upload(node, error)
                                   : open_co_for_reading(node, error);
    if (!ok)
        https_co_close(node);
    return ok;
}

static const char *const https_schemes[] = {"https", "http", NULL};

const VdDriver vd_https_driver = {
    VD_DRIVER_HEADER,
    .name = "https",
    .kind = VD_DRIVER_PROTOCOL,
    .caps = VD_CAP_STREAM | VD_CAP_FOLDERS,
    .state_size = sizeof(HttpsState),
    .schemes = https_schemes,
    .parse_name = https_parse_name,
    .co_open = https_co_open,
    .co_finish = https_co_finish,
    .co_close = https_co_close,
    .co_preadv = https_co_preadv,
    .co_pwritev = https_co_pwritev,
    .co_truncate = https_co_truncate,
    .co_read_on = https_co_read_on,
    .co_find_end = https_co_find_end,
    .co_await = https_co_await,
};
