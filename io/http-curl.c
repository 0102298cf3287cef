/* SPDX-License-Identifier: BSD-3-Clause */
/* io/http-curl.c - the module that knows libcurl: one multi handle a client.
 *
 * Nothing here waits: libcurl says which sockets and which time it waits for,
 * the client tells when they have come.
 *
 * Concurrency: the runner of the client's loop, outside of coroutines.
 */
#include "io/http-curl.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#define CURL_CONNECTIONS 4

/* -- what libcurl waits for ----------------------------------------------- */

static int
engine_on_socket(CURL *easy, curl_socket_t fd, int what, void *opaque,
                 void *unused)
{
    VioHttpEngine *engine = opaque;
    short events = 0;

    if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
        events |= POLLIN;
    if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
        events |= POLLOUT;
    engine->host->watch(engine->client, fd, events);
    return 0;
}

static int
engine_on_timer(CURLM *multi, long ms, void *opaque)
{
    VioHttpEngine *engine = opaque;

    engine->host->timer(engine->client, ms);
    return 0;
}

/* -- life ----------------------------------------------------------------- */

/* Why this libcurl will not do, or NULL. */
static const char *
engine_unfit(void)
{
    const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);

    if (!(info->features & CURL_VERSION_ASYNCHDNS))
        return "this libcurl looks names up while everybody waits";
    if (!info->ssl_version || !g_str_has_prefix(info->ssl_version, "OpenSSL/"))
        return "this libcurl does not use OpenSSL";
    return NULL;
}

static void
engine_clear_secret(char **secret)
{
    if (*secret)
        explicit_bzero(*secret, strlen(*secret));
    g_clear_pointer(secret, g_free);
}

static void
engine_free(VioHttpEngine *engine)
{
    if (engine->multi)
        (void) curl_multi_cleanup(engine->multi);
    if (engine->cookies)
        (void) curl_share_cleanup(engine->cookies);
    engine_clear_secret(&engine->password);
    engine_clear_secret(&engine->proxy); /* may have a password */
    g_free(engine->user);
    g_free(engine->ca_file);
    g_free(engine->refusal);
    g_free(engine);
}

static bool
engine_set_up(VioHttpEngine *engine, const VioHttpParams *params)
{
    long connections =
        params->connections ? (long) params->connections : CURL_CONNECTIONS;
    CURLM *multi = curl_multi_init();

    engine->multi = multi;
    if (params->cookies) {
        engine->cookies = curl_share_init();
        if (!engine->cookies ||
            curl_share_setopt(engine->cookies, CURLSHOPT_SHARE,
                              CURL_LOCK_DATA_COOKIE) != CURLSHE_OK)
            return false;
    }
    return multi &&
           !curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION,
                              engine_on_socket) &&
           !curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, engine) &&
           !curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, engine_on_timer) &&
           !curl_multi_setopt(multi, CURLMOPT_TIMERDATA, engine) &&
           !curl_multi_setopt(multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING) &&
           !curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, connections);
}

static VioHttpEngine *
engine_new(const VioHttpHost *host, void *client, const VioHttpParams *params,
           char **why)
{
    VioHttpEngine *engine = g_new0(VioHttpEngine, 1);
    const char *unfit = NULL;

    engine->host = host;
    engine->client = client;
    engine->ca_file = g_strdup(params->ca_file);
    engine->insecure = params->insecure;
    engine->proxy = g_strdup(params->proxy);
    engine->proxy_from_env = params->proxy_from_env;
    engine->user = g_strdup(params->user);
    engine->password = g_strdup(params->password);
    engine->connect_ms = (long) (params->connect_ns / 1000000);
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        unfit = "libcurl does not start";
    else
        unfit = engine_unfit();
    if (!unfit && params->thumbprint &&
        !vio_thumbprint_parse(params->thumbprint, &engine->pin))
        unfit = "a thumbprint has 40 or 64 hexadecimal digits";
    if (!unfit && !engine_set_up(engine, params))
        unfit = "libcurl refuses its set-up";
    if (!unfit)
        return engine;
    *why = g_strdup(unfit);
    engine_free(engine);
    return NULL;
}

/* -- transfers ------------------------------------------------------------ */

/* Whatever has been done, or cannot be: the connection stays if the exchange
 * was whole. */
static void
transfer_drop(VioHttpTransfer *transfer)
{
    CURL *easy = g_steal_pointer(&transfer->easy);

    if (!easy)
        return;
    (void) curl_multi_remove_handle(transfer->engine->multi, easy);
    curl_easy_cleanup(easy);
    curl_slist_free_all(g_steal_pointer(&transfer->header_list));
}

static void
engine_reap(VioHttpEngine *engine)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(engine->multi, &left)) != NULL) {
        CURLcode code = message->data.result;
        VioHttpTransfer *transfer = NULL;
        const char *why = NULL;
        int ret;

        if (message->msg != CURLMSG_DONE)
            continue;
        (void) curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE,
                                 (char **) &transfer);
        ret = vio_curl_error(transfer, code, &why);
        transfer_drop(transfer);
        engine->host->on_over(transfer, ret, why);
    }
}

static void
engine_act(VioHttpEngine *engine, int fd, short revents)
{
    int running, bits = 0;

    if (revents & (POLLIN | POLLHUP))
        bits |= CURL_CSELECT_IN;
    if (revents & POLLOUT)
        bits |= CURL_CSELECT_OUT;
    if (revents & (POLLERR | POLLNVAL))
        bits |= CURL_CSELECT_ERR;
    (void) curl_multi_socket_action(
        engine->multi, fd < 0 ? CURL_SOCKET_TIMEOUT : fd, bits, &running);
    engine_reap(engine);
}

static int
transfer_start(VioHttpTransfer *transfer, const char **why)
{
    VioHttpEngine *engine = transfer->engine;

    transfer->easy = vio_curl_easy_new(transfer);
    if (transfer->easy &&
        curl_multi_add_handle(engine->multi, transfer->easy) == CURLM_OK)
        return 0;
    transfer_drop(transfer);
    *why = "libcurl does not take the request";
    return -EINVAL;
}

static void
transfer_resume(VioHttpTransfer *transfer)
{
    VioHttpEngine *engine = transfer->engine;

    (void) curl_easy_pause(transfer->easy, CURLPAUSE_CONT);
    engine_act(engine, -1, 0);
}

extern const VioHttpOps vio_http_curl; /* VIO_HTTP_SYMBOL */

__attribute__((visibility("default"))) const VioHttpOps vio_http_curl = {
    .transfer_size = sizeof(VioHttpTransfer),
    .engine_new = engine_new,
    .engine_free = engine_free,
    .act = engine_act,
    .start = transfer_start,
    .stop = transfer_drop,
    .resume = transfer_resume,
    .redirect = vio_curl_redirect,
};
