/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/nbd/uri.c - names of exports, turned into options.
 *
 *   nbd[s]://[USER@][HOST][:PORT][/EXPORT][?KEY=VALUE[&KEY=VALUE]...]
 *   nbd[s]+tcp://...                 the same
 *   nbd[s]+unix://[/EXPORT]?socket=PATH
 *   nbd[s]+vsock://[CID][:PORT][/EXPORT]
 *   nbd:HOST:PORT[:exportname=EXPORT]            (old form of QEMU)
 *   nbd:unix:PATH[:exportname=EXPORT]
 *
 * Source: the URI document of the NBD project; what of it QEMU and libnbd
 * differ in is told in docs/FORMATS.md.
 *
 * Concurrency: no state.
 */
#include "block/proto/nbd/target.h"

#include "block/error.h"
#include "block/proto/uri.h"

#include <string.h>

#define EXPORT_KEY ":exportname="

typedef enum UriKind { URI_TCP, URI_UNIX, URI_VSOCK } UriKind;

typedef struct {
    const char *name; /* all of it, for messages */
    UriKind kind;
    bool tls;
    VdOptions *opts;
} Uri;

/* Keys of the query that are options of the same name. */
static const char *const uri_plain_keys[] = {
    "tls-certificates", "tls-psk-file",
    "tls-hostname",     "tls-verify-peer",
    "connections",      "reconnect-delay",
    "open-timeout",     "x-dirty-bitmap",
    "request-timeout",  NULL,
};

G_GNUC_PRINTF(3, 4)
static bool
uri_refuse(const Uri *u, GError **error, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    return vd_throw(error, VD_ERROR_INVALID_ARGUMENT, "%s: %s", u->name, text);
}

/* -- pieces ---------------------------------------------------------------- */

static bool
uri_set(const Uri *u, const char *key, const char *text, GError **error)
{
    return vd_uri_set(u->opts, u->name, key, text, error);
}

/* An abstract socket is "%00NAME" in a URI and "@NAME" in options. */
static bool
uri_set_socket(const Uri *u, const char *text, GError **error)
{
    g_autofree char *abstract = NULL;

    if (u->kind != URI_UNIX)
        return uri_refuse(u, error, "'socket' belongs to nbd+unix");
    if (g_str_has_prefix(text, "%00"))
        abstract = g_strconcat("@", text + strlen("%00"), NULL);
    return uri_set(u, "server.path", abstract ? abstract : text, error);
}

/* 0 and 1 are how URIs say it. */
static const char *
uri_bool(const char *text)
{
    return !strcmp(text, "0") ? "off" : !strcmp(text, "1") ? "on" : text;
}

static bool
uri_take_pair(const Uri *u, char *pair, GError **error)
{
    char *value = strchr(pair, '=');

    if (!value)
        return uri_refuse(u, error, "'%s' has no value", pair);
    *value++ = '\0';
    if (strcmp(pair, "socket") == 0)
        return uri_set_socket(u, value, error);
    if (!g_strv_contains(uri_plain_keys, pair))
        return uri_refuse(u, error, "unknown key '%s'", pair);
    if (strcmp(pair, "tls-verify-peer") == 0)
        return uri_set(u, pair, uri_bool(value), error);
    return uri_set(u, pair, value, error);
}

static bool
uri_take_query(const Uri *u, const char *query, GError **error)
{
    g_auto(GStrv) pairs = g_strsplit_set(query, "&;", -1);

    for (char **pair = pairs; *pair; pair++)
        if (**pair && !uri_take_pair(u, *pair, error))
            return false;
    return u->kind != URI_UNIX || vd_options_peek(u->opts, "server.path") ||
           uri_refuse(u, error, "the key 'socket' is missing");
}

static bool
uri_take_place(const Uri *u, char *place, GError **error)
{
    const char *host_key = u->kind == URI_VSOCK ? "server.cid" : "server.host";
    char *host, *port;

    if (!vd_uri_split_place(u->name, place, &host, &port, error) ||
        (*port && !uri_set(u, "server.port", port, error)))
        return false;
    return *host == '\0' || uri_set(u, host_key, host, error);
}

static bool
uri_take_authority(const Uri *u, char *authority, GError **error)
{
    char *at = strrchr(authority, '@');

    if (at) {
        *at = '\0';
        if (!uri_set(u, "tls-username", authority, error))
            return false;
        authority = at + 1;
    }
    if (u->kind == URI_UNIX)
        return *authority == '\0' ||
               uri_refuse(u, error, "'%s' cannot be reached by a unix socket",
                          authority);
    return uri_take_place(u, authority, error);
}

/* -- whole names ----------------------------------------------------------- */

static bool
uri_take_scheme(Uri *u, const char *scheme, GError **error)
{
    const char *transport = scheme + strlen("nbd");

    u->tls = g_ascii_tolower(*transport) == 's';
    transport += u->tls;
    if (*transport == '\0' || !g_ascii_strcasecmp(transport, "+tcp"))
        u->kind = URI_TCP;
    else if (!g_ascii_strcasecmp(transport, "+unix"))
        u->kind = URI_UNIX;
    else if (!g_ascii_strcasecmp(transport, "+vsock"))
        u->kind = URI_VSOCK;
    else
        return uri_refuse(u, error, "'%s' is no way to reach a server", scheme);
    return true;
}

static void
uri_set_kind(const Uri *u)
{
    static const char *const types[] = {"inet", "unix", "vsock"};

    vd_options_set(u->opts, "server.type", types[u->kind]);
    if (u->tls)
        vd_options_set(u->opts, "tls", "on");
}

static bool
uri_parse(Uri *u, GError **error)
{
    g_autofree char *text = g_strdup(u->name);
    char *rest = strstr(text, "://"), *query, *path;

    *rest = '\0';
    rest += strlen("://");
    if (!uri_take_scheme(u, text, error))
        return false;
    uri_set_kind(u);
    if (strchr(rest, '#'))
        return uri_refuse(u, error, "'#' has to be written as %%23");
    query = strchr(rest, '?');
    if (query)
        *query++ = '\0';
    path = strchr(rest, '/');
    if (path)
        *path++ = '\0';
    return uri_take_authority(u, rest, error) &&
           (!path || uri_set(u, "export", path, error)) &&
           uri_take_query(u, query ? query : "", error);
}

/* Nothing is encoded there; an export may have colons, a path may not. */
static bool
uri_parse_old(Uri *u, GError **error)
{
    g_autofree char *text = g_strdup(u->name + strlen("nbd:"));
    char *export = strstr(text, EXPORT_KEY), *port;

    if (export) {
        *export = '\0';
        vd_options_set(u->opts, "export", export + strlen(EXPORT_KEY));
    }
    if (g_str_has_prefix(text, "unix:")) {
        u->kind = URI_UNIX;
        vd_options_set(u->opts, "server.path", text + strlen("unix:"));
        uri_set_kind(u);
        return true;
    }
    uri_set_kind(u);
    port = strrchr(text, ':');
    if (!port || port == text || port[1] == '\0')
        return uri_refuse(u, error, "expected nbd:HOST:PORT");
    *port++ = '\0';
    vd_options_set(u->opts, "server.host", text);
    vd_options_set(u->opts, "server.port", port);
    return true;
}

bool
nbd_parse_name(const char *name, VdOptions *opts, GError **error)
{
    Uri u = {.name = name, .opts = opts};

    if (strstr(name, "://"))
        return uri_parse(&u, error);
    if (g_str_has_prefix(name, "nbd:"))
        return uri_parse_old(&u, error);
    return uri_refuse(&u, error, "expected SCHEME://...");
}
