/* SPDX-License-Identifier: BSD-3-Clause */
/* io/http-curl-easy.c - one request as libcurl wants it, and what became of
 * it.
 *
 * Concurrency: the runner of the client's loop, outside of coroutines.
 */
#include "io/http-curl.h"

#include <errno.h>
#include <string.h>

#define EASY_BUFFER (128L << 10)
#define EASY_KEEPALIVE 60L /* seconds */

/* -- bytes ---------------------------------------------------------------- */

static size_t
easy_on_head(char *line, size_t size, size_t n, void *opaque)
{
    VioHttpTransfer *transfer = opaque;
    bool ok = transfer->engine->host->on_head(transfer, line, size * n);

    return ok ? size * n : 0;
}

static size_t
easy_on_body(char *bytes, size_t size, size_t n, void *opaque)
{
    VioHttpTransfer *transfer = opaque;
    bool ok = transfer->engine->host->on_body(transfer, bytes, size * n);

    return ok ? size * n : CURL_WRITEFUNC_PAUSE;
}

static size_t
easy_on_source(char *buf, size_t size, size_t n, void *opaque)
{
    VioHttpTransfer *transfer = opaque;
    ssize_t got = transfer->engine->host->on_source(transfer, buf, size * n);

    return got < 0 ? CURL_READFUNC_PAUSE : (size_t) got;
}

static int
easy_on_connected(void *opaque, char *ip, char *local_ip, int port,
                  int local_port)
{
    VioHttpTransfer *transfer = opaque;

    transfer->engine->host->on_connected(transfer);
    return CURL_PREREQFUNC_OK;
}

/* -- options -------------------------------------------------------------- */

#define EASY_SET(easy, option, value)                                          \
    (curl_easy_setopt(easy, option, value) == CURLE_OK)

static bool
easy_set_callbacks(CURL *easy, VioHttpTransfer *transfer)
{
    return EASY_SET(easy, CURLOPT_PRIVATE, transfer) &&
           EASY_SET(easy, CURLOPT_ERRORBUFFER, transfer->error) &&
           EASY_SET(easy, CURLOPT_HEADERFUNCTION, easy_on_head) &&
           EASY_SET(easy, CURLOPT_HEADERDATA, transfer) &&
           EASY_SET(easy, CURLOPT_WRITEFUNCTION, easy_on_body) &&
           EASY_SET(easy, CURLOPT_WRITEDATA, transfer) &&
           EASY_SET(easy, CURLOPT_READFUNCTION, easy_on_source) &&
           EASY_SET(easy, CURLOPT_READDATA, transfer) &&
           EASY_SET(easy, CURLOPT_PREREQFUNCTION, easy_on_connected) &&
           EASY_SET(easy, CURLOPT_PREREQDATA, transfer);
}

/* QUICK_EXIT: whoever stops a request whose name is still being looked up does
 * not wait for that. */
static bool
easy_set_manners(CURL *easy, const VioHttpEngine *engine)
{
    return EASY_SET(easy, CURLOPT_NOSIGNAL, 1L) &&
           EASY_SET(easy, CURLOPT_QUICK_EXIT, 1L) &&
           EASY_SET(easy, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1) &&
           EASY_SET(easy, CURLOPT_PROTOCOLS_STR, "http,https") &&
           EASY_SET(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https") &&
           EASY_SET(easy, CURLOPT_FOLLOWLOCATION, 0L) &&
           EASY_SET(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L) &&
           EASY_SET(easy, CURLOPT_NETRC, (long) CURL_NETRC_IGNORED) &&
           EASY_SET(easy, CURLOPT_PATH_AS_IS, 1L) &&
           EASY_SET(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L) &&
           EASY_SET(easy, CURLOPT_CONNECTTIMEOUT_MS, engine->connect_ms) &&
           EASY_SET(easy, CURLOPT_BUFFERSIZE, EASY_BUFFER) &&
           EASY_SET(easy, CURLOPT_UPLOAD_BUFFERSIZE, EASY_BUFFER) &&
           EASY_SET(easy, CURLOPT_TCP_KEEPALIVE, 1L) &&
           EASY_SET(easy, CURLOPT_TCP_KEEPIDLE, EASY_KEEPALIVE) &&
           EASY_SET(easy, CURLOPT_TCP_KEEPINTVL, EASY_KEEPALIVE);
}

/* An empty proxy is none, whatever the environment says; and of one that was
 * named it makes no exceptions. */
static bool
easy_set_proxy(CURL *easy, const VioHttpEngine *engine)
{
    if (engine->proxy_from_env && !engine->proxy)
        return true;
    return EASY_SET(easy, CURLOPT_PROXY, engine->proxy ? engine->proxy : "") &&
           EASY_SET(easy, CURLOPT_NOPROXY, "");
}

static bool
easy_set_identity(CURL *easy, const VioHttpEngine *engine)
{
    if (engine->cookies && !(EASY_SET(easy, CURLOPT_COOKIEFILE, "") &&
                             EASY_SET(easy, CURLOPT_SHARE, engine->cookies)))
        return false;
    if (!engine->user)
        return true;
    return EASY_SET(easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC) &&
           EASY_SET(easy, CURLOPT_USERNAME, engine->user) &&
           EASY_SET(easy, CURLOPT_PASSWORD,
                    engine->password ? engine->password : "");
}

/* A connection that was kept may turn out to be closed: an upload, which cannot
 * begin again, gets a new one. */
static bool
easy_set_upload(CURL *easy, const VioHttpTransfer *transfer)
{
    return EASY_SET(easy, CURLOPT_UPLOAD, 1L) &&
           EASY_SET(easy, CURLOPT_FRESH_CONNECT, 1L) &&
           EASY_SET(easy, CURLOPT_INFILESIZE_LARGE,
                    (curl_off_t) transfer->upload_len) &&
           EASY_SET(easy, CURLOPT_CUSTOMREQUEST, transfer->method);
}

static bool
easy_set_method(CURL *easy, const VioHttpTransfer *transfer)
{
    if (transfer->upload)
        return easy_set_upload(easy, transfer);
    if (g_str_equal(transfer->method, "HEAD"))
        return EASY_SET(easy, CURLOPT_NOBODY, 1L);
    if (g_str_equal(transfer->method, "GET") && !transfer->body)
        return EASY_SET(easy, CURLOPT_HTTPGET, 1L);
    return EASY_SET(easy, CURLOPT_POST, 1L) &&
           EASY_SET(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                    (curl_off_t) transfer->body_len) &&
           EASY_SET(easy, CURLOPT_POSTFIELDS,
                    transfer->body ? transfer->body : "") &&
           EASY_SET(easy, CURLOPT_CUSTOMREQUEST, transfer->method);
}

static bool
easy_add_header(VioHttpTransfer *transfer, const char *line)
{
    struct curl_slist *list = transfer->header_list;

    list = curl_slist_append(list, line);
    if (!list)
        return false;
    transfer->header_list = list;
    return true;
}

/* What is in memory is sent without asking whether it may.  libcurl would call
 * it a form. */
static bool
easy_set_headers(CURL *easy, VioHttpTransfer *transfer)
{
    for (guint i = 0; i < transfer->headers->len; i++)
        if (!easy_add_header(transfer, g_ptr_array_index(transfer->headers, i)))
            return false;
    if (!transfer->upload && !easy_add_header(transfer, "Expect:"))
        return false;
    return EASY_SET(easy, CURLOPT_HTTPHEADER,
                    (struct curl_slist *) transfer->header_list);
}

CURL *
vio_curl_easy_new(VioHttpTransfer *transfer)
{
    VioHttpEngine *engine = transfer->engine;
    CURL *easy = curl_easy_init();

    transfer->error[0] = 0;
    if (easy && EASY_SET(easy, CURLOPT_URL, transfer->url) &&
        easy_set_callbacks(easy, transfer) && easy_set_manners(easy, engine) &&
        easy_set_proxy(easy, engine) && easy_set_identity(easy, engine) &&
        vio_curl_set_trust(engine, easy) && easy_set_method(easy, transfer) &&
        easy_set_headers(easy, transfer))
        return easy;
    curl_easy_cleanup(easy);
    curl_slist_free_all(g_steal_pointer(&transfer->header_list));
    return NULL;
}

/* -- results -------------------------------------------------------------- */

static int
error_connect(CURL *easy)
{
    long err = 0;

    (void) curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &err);
    switch (err) {
    case 0:
        return -ECONNREFUSED;
    case ENETUNREACH:
    case EHOSTDOWN:
        return -EHOSTUNREACH;
    default:
        return (int) -err;
    }
}

/* What is no HTTP looks like a protocol that was not asked for. */
static int
error_protocol(CURL *easy)
{
    long port = 0;

    (void) curl_easy_getinfo(easy, CURLINFO_PRIMARY_PORT, &port);
    return port > 0 ? -EPROTO : -EINVAL;
}

static int
error_code(const VioHttpTransfer *transfer, CURLcode code)
{
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return -EHOSTUNREACH;
    case CURLE_COULDNT_CONNECT:
        return error_connect(transfer->easy);
    case CURLE_OPERATION_TIMEDOUT:
        return -ETIMEDOUT;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
        return -EKEYREJECTED;
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_SEND_FAIL_REWIND:
        return -ECONNRESET;
    case CURLE_UNSUPPORTED_PROTOCOL:
        return error_protocol(transfer->easy);
    case CURLE_URL_MALFORMAT:
    case CURLE_LOGIN_DENIED:
    case CURLE_SSL_CACERT_BADFILE:
        return -EINVAL;
    default:
        return -EPROTO;
    }
}

int
vio_curl_error(VioHttpTransfer *transfer, CURLcode code, const char **why)
{
    VioHttpEngine *engine = transfer->engine;

    if (code == CURLE_OK)
        return 0;
    if (engine->refusal && (code == CURLE_SSL_CONNECT_ERROR ||
                            code == CURLE_PEER_FAILED_VERIFICATION)) {
        (void) g_strlcpy(transfer->error, engine->refusal,
                         sizeof(transfer->error));
        g_clear_pointer(&engine->refusal, g_free);
        *why = transfer->error;
        return -EKEYREJECTED;
    }
    if (code == CURLE_LOGIN_DENIED)
        *why = "a user does not belong into the URL";
    else if (code == CURLE_OUT_OF_MEMORY) /* said of endless lines, too */
        *why = "a line of the answer is too long, or memory is short";
    else
        *why = transfer->error[0] ? transfer->error : curl_easy_strerror(code);
    return error_code(transfer, code);
}
