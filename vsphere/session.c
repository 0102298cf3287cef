/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/session.c - a session with a vCenter or an ESXi host.
 *
 * Concurrency: what vs_session_open() has found out does not change; calls go
 * one after another, in turn (vsphere/turn.c).
 */
#include "vsphere/session-internal.h"

#include "block/error.h"
#include "vsphere/reply.h"
#include "vsphere/request.h"

#include <string.h>

#define HTTPS_PORT 443u
/* Spoken until the server has said which version it speaks. */
#define FIRST_VERSION "6.5"
#define MAX_VERSION 32
#define DEFAULT_TIMEOUT_MS 120000u

/* -- making and freeing -----------------------------------------------------
 */

static char *
server_name(const char *host, unsigned port)
{
    return strchr(host, ':') ? g_strdup_printf("[%s]:%u", host, port)
                             : g_strdup_printf("%s:%u", host, port);
}

static bool
is_host(const char *text)
{
    if (strchr(text, ':'))
        return g_hostname_is_ip_address(text);
    return *text && !text[strcspn(text, "/?#@[] \t\r\n\"<>\\")] &&
           g_utf8_validate(text, -1, NULL);
}

static VsSession *
session_new(const VsSessionParams *params)
{
    VsSession *session = g_new0(VsSession, 1);

    session->refs = 1;
    session->host = g_strdup(params->server);
    session->port = params->port ? params->port : HTTPS_PORT;
    session->name = server_name(session->host, session->port);
    session->url = g_strdup_printf("https://%s/sdk", session->name);
    session->timeout_ms =
        params->timeout_ms ? params->timeout_ms : DEFAULT_TIMEOUT_MS;
    /* A cookie alone is no way to begin another session. */
    if (!params->cookie || (params->password && *params->password))
        session->user = g_strdup(params->user);
    session->password = g_strdup(params->password ? params->password : "");
    session->trust = (VsTrust){
        .thumbprint = g_strdup(params->thumbprint),
        .ca_file = g_strdup(params->ca_file),
        .proxy = g_strdup(params->proxy),
        .insecure = params->insecure,
    };
    session->foreign = params->cookie != NULL;
    session->services = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                              (GDestroyNotify) vs_ref_free);
    g_mutex_init(&session->lock);
    g_cond_init(&session->given);
    return session;
}

/* coroutine entry */
static void
free_http(void *opaque)
{
    vio_http_co_free(opaque);
}

static void
session_free(VsSession *session)
{
    vs_pulse_stop(session->keep_alive);
    if (session->http) {
        vs_logout_in_turn(session); /* nobody else has the session */
        vio_loop_run_sync(session->loop, free_http, session->http);
    }
    if (session->loop)
        vio_loop_free(session->loop);
    g_hash_table_unref(session->services);
    g_mutex_clear(&session->lock);
    g_cond_clear(&session->given);
    vs_wipe(session->password);
    vs_wipe(session->cookie);
    vs_ref_free(session->nfc);
    g_free(session->trust.thumbprint);
    g_free(session->trust.ca_file);
    g_free(session->trust.proxy);
    g_free(session->user);
    g_free(session->host);
    g_free(session->name);
    g_free(session->url);
    g_free(session->api_type);
    g_free(session->product);
    g_free(session->instance);
    g_free(session->action);
    g_free(session);
}

VsSession *
vs_session_ref(VsSession *session)
{
    __atomic_add_fetch(&session->refs, 1, __ATOMIC_RELAXED);
    return session;
}

void
vs_session_unref(VsSession *session)
{
    if (session && __atomic_sub_fetch(&session->refs, 1, __ATOMIC_ACQ_REL) == 0)
        session_free(session);
}

/* -- opening ----------------------------------------------------------------
 */

static bool
start_http(VsSession *session, const VsSessionParams *params, GError **error)
{
    g_autofree char *why = NULL;
    const VioHttpParams http = {
        .thumbprint = params->thumbprint,
        .ca_file = params->ca_file,
        .insecure = params->insecure,
        .proxy = params->proxy,
        .connections = 1,
        /* Whoever takes long to answer is silent meanwhile. */
        .idle_ns = session->timeout_ms * UINT64_C(1000000),
    };
    int err = vio_loop_new(&(VioLoopParams){.workers = 1}, &session->loop);

    if (err != 0)
        return vd_throw_errno(error, -err, "%s: event loop", session->name);
    session->http = vio_http_new(session->loop, &http, &why);
    if (!session->http)
        return vd_throw(error,
                        vio_http_missing() ? VD_ERROR_NOT_SUPPORTED
                                           : VD_ERROR_INVALID_ARGUMENT,
                        "%s: %s", session->name, why);
    return true;
}

/* It goes into a header. */
static bool
is_version(const char *text)
{
    return text && g_ascii_isdigit(*text) &&
           strspn(text, "0123456789.") == strlen(text) &&
           strlen(text) <= MAX_VERSION;
}

static void
speak(VsSession *session, const char *version)
{
    g_free(session->action);
    session->action = g_strdup_printf(VS_NS_VIM "%s%s", version ? "/" : "",
                                      version ? version : "");
}

static void
take_content(VsSession *session, const VsXml *content)
{
    const VsXml *about = vs_xml_child(content, "about");
    const char *version = vs_xml_text(about, "apiVersion");

    for (const VsXml *e = content->first; e; e = e->next) {
        VsRef *ref = vs_ref_from_xml(e);

        if (ref)
            g_hash_table_insert(session->services, g_strdup(e->name), ref);
    }
    session->api_type = g_strdup(vs_xml_text(about, "apiType"));
    session->product = g_strdup(vs_xml_text(about, "fullName"));
    session->instance = g_strdup(vs_xml_text(about, "instanceUuid"));
    speak(session, is_version(version) ? version : FIRST_VERSION);
}

/* Without a session.  A server that is older than the version refuses it, but
 * every one tells of itself to whoever names none. */
static VsReply *
request_content(VsSession *session, GError **error)
{
    const VsRef self = {(char *) "ServiceInstance", (char *) "ServiceInstance"};
    g_autoptr(VsRequest) request =
        vs_request_new("RetrieveServiceContent", &self);
    g_autoptr(VsFault) fault = NULL;
    VsReply *reply;

    speak(session, FIRST_VERSION);
    vs_exchange_set_cookie(session, NULL);
    reply = vs_exchange_in_turn(session, request, &fault, error);
    if (!fault)
        return reply;
    speak(session, NULL);
    vs_exchange_set_cookie(session, NULL);
    return vs_exchange_or_throw_in_turn(session, request, error);
}

/* It tells where all the rest is. */
static bool
fetch_content(VsSession *session, GError **error)
{
    g_autoptr(VsReply) reply = request_content(session, error);
    const VsXml *content;

    if (!reply)
        return false;
    content = vs_reply_value(reply);
    if (content)
        take_content(session, content);
    if (!vs_session_service(session, "propertyCollector") ||
        !vs_session_service(session, "sessionManager"))
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: this is no vSphere server: it has no service "
                        "content",
                        session->name);
    return true;
}

/* -- the server -------------------------------------------------------------
 */

const char *
vs_session_host(const VsSession *session)
{
    return session->host;
}

unsigned
vs_session_port(const VsSession *session)
{
    return session->port;
}

const char *
vs_session_name(const VsSession *session)
{
    return session->name;
}

bool
vs_session_is_vcenter(const VsSession *session)
{
    return g_strcmp0(session->api_type, "VirtualCenter") == 0;
}

const char *
vs_session_product(const VsSession *session)
{
    return session->product ? session->product : "unknown server";
}

const VsTrust *
vs_session_trust(const VsSession *session)
{
    return &session->trust;
}

const char *
vs_session_instance(const VsSession *session)
{
    return session->instance;
}

const VsRef *
vs_session_service(const VsSession *session, const char *name)
{
    return g_hash_table_lookup(session->services, name);
}

const VsRef *
vs_session_need_service(const VsSession *session, const char *name,
                        GError **error)
{
    const VsRef *ref = vs_session_service(session, name);

    return ref ? ref
               : vd_throw_null(error, VD_ERROR_NOT_IMPLEMENTED,
                               "%s: the server has no %s", session->name, name);
}

/* -- beginning --------------------------------------------------------------
 */

/* A session that the caller has got elsewhere: is it one?  If it has ended and
 * we may, another one is begun. */
static bool
check_cookie(VsSession *session, const char *cookie, GError **error)
{
    const VsRef *collector = vs_session_service(session, "propertyCollector");
    const VsRef *root = vs_session_service(session, "rootFolder");
    g_autoptr(VsRequest) request =
        vs_request_new("RetrievePropertiesEx", collector);
    g_autoptr(VsReply) reply = NULL;

    vs_exchange_set_cookie(session, cookie);
    if (!root)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: the server has no inventory", session->name);
    vs_request_open(request, "specSet");
    vs_request_open(request, "propSet");
    vs_request_text(request, "type", root->type);
    vs_request_text(request, "pathSet", "name");
    vs_request_close(request);
    vs_request_open(request, "objectSet");
    vs_request_ref(request, "obj", root);
    vs_request_close(request);
    vs_request_close(request);
    vs_request_empty(request, "options");
    reply = vs_call_in_turn(session, request, error);
    return reply != NULL;
}

/* Nobody else has the session yet. */
static bool
session_begin(VsSession *session, const VsSessionParams *params, GError **error)
{
    return fetch_content(session, error) &&
           (params->cookie ? check_cookie(session, params->cookie, error)
                           : vs_login_in_turn(session, error));
}

/* A cookie goes into a header as it is. */
static bool
check_params(const VsSessionParams *params, GError **error)
{
    if (!params->server || !is_host(params->server))
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "'%s' is no name of a server",
                        params->server ? params->server : "");
    if (params->port > G_MAXUINT16)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT, "%s: no port %u",
                        params->server, params->port);
    if (params->cookie &&
        (!*params->cookie || params->cookie[strcspn(params->cookie, "\r\n;")]))
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "%s: the session id is none", params->server);
    if (!params->cookie && (!params->user || !*params->user))
        return vd_throw(error, VD_ERROR_LOGIN, "%s: no user name",
                        params->server);
    return true;
}

VsSession *
vs_session_open(const VsSessionParams *params, GError **error)
{
    VsSession *session;

    if (!check_params(params, error))
        return NULL;
    session = session_new(params);
    if (!start_http(session, params, error) ||
        !session_begin(session, params, error)) {
        session_free(session);
        return NULL;
    }
    session->keep_alive = vs_keep_alive_start(session);
    return session;
}

/* -- for tickets and files --------------------------------------------------
 */

/* Not in the service content but in that which servers have for their own
 * parts; asked for once. */
VsRef *
vs_session_find_nfc(VsSession *session, GError **error)
{
    const VsRef self = {(char *) "ServiceInstance", (char *) "ServiceInstance"};
    g_autoptr(VsReply) reply = NULL;
    VsRef *nfc;

    g_mutex_lock(&session->lock);
    nfc = vs_ref_copy(session->nfc);
    g_mutex_unlock(&session->lock);
    if (nfc)
        return nfc;
    reply = vs_session_call(
        session, vs_request_new("RetrieveInternalContent", &self), error);
    if (!reply)
        return NULL;
    nfc = vs_ref_from_xml(vs_xml_child(vs_reply_value(reply), "nfcService"));
    if (!nfc)
        return vd_throw_null(error, VD_ERROR_NOT_IMPLEMENTED,
                             "%s: the server has no NFC service",
                             session->name);
    g_mutex_lock(&session->lock);
    if (!session->nfc)
        session->nfc = vs_ref_copy(nfc);
    g_mutex_unlock(&session->lock);
    return nfc;
}

char *
vs_session_fresh_cookie(VsSession *session, GError **error)
{
    char *cookie;

    if (!vs_session_touch(session, error))
        return NULL;
    g_mutex_lock(&session->lock);
    cookie = g_strdup(session->cookie);
    g_mutex_unlock(&session->lock);
    return cookie ? cookie
                  : vd_throw_null(error, VD_ERROR_LOGIN,
                                  "%s: the session has ended", session->name);
}
