/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/https/target.c - names and options of the driver.
 *
 *   http[s]://[USER@]HOST[:PORT]/PATH[?QUERY][#KEY=VALUE[,KEY=VALUE]...]
 *
 * Behind '#', which no server gets to see, stand options of the driver, so that
 * they can be given wherever there is a name only, and so that what an image
 * names beside itself is opened with the same ones (block/name.c).  Options:
 * url, username, sslverify, timeout (as QEMU has them), connections, ca-file,
 * thumbprint, proxy, password-file, cookie-file, ticket-source, download, post.
 *
 * Concurrency: constant once it is made.
 */
#include "block/proto/https/client.h"

#include <inttypes.h>
#include <string.h>

#include "block/proto/secret.h"
#include "io/offload.h"

#define MAX_CONNECTIONS 16
#define DEFAULT_CONNECTIONS 4
#define MAX_SECONDS 86400
#define DEFAULT_SECONDS 60
#define MAX_SECRET 2048 /* bytes of a password or cookie */

void
https_target_free(HttpsTarget *t)
{
    vd_secret_forget(&t->password);
    vd_secret_forget(&t->cookie);
    vd_secret_forget(&t->url);
    g_free(t->shown);
    g_free(t->name);
    g_free(t->username);
    g_free(t->password_file);
    g_free(t->cookie_file);
    g_free(t->ca_file);
    g_free(t->thumbprint);
    g_free(t->proxy);
    g_free(t->ticket_source);
    g_free(t->post);
    g_free(t);
}

/* -- names ----------------------------------------------------------------- */

/* Everything is in the option "url", for that can be given as well. */
bool
https_parse_name(const char *name, VdOptions *opts, GError **error)
{
    vd_options_set(opts, "url", name);
    return true;
}

/* Options in front of which @opts have others count less. */
static bool
take_fragment(char *url, VdOptions *opts, GError **error)
{
    static const char *const keys[] = {
        "username",   "sslverify",     "timeout",       "connections",
        "ca-file",    "proxy",         "password-file", "cookie-file",
        "thumbprint", "ticket-source", "download",      "post",
        NULL,
    };
    g_autoptr(VdOptions) found = vd_options_new();
    char *fragment = strchr(url, '#');

    if (!fragment)
        return true;
    *fragment++ = '\0';
    if (!vd_options_parse(found, fragment, error))
        return false;
    for (const char *const *key = keys; *key; key++) {
        g_autofree char *value = NULL;

        vd_options_take_string(found, *key, &value);
        if (value && !vd_options_peek(opts, *key))
            vd_options_set(opts, *key, value);
    }
    return vd_options_finish(found, error);
}

/* "USER@" is taken out.  A password there could be read by everybody. */
static bool
take_user(HttpsTarget *t, GError **error)
{
    size_t scheme = (size_t) (strstr(t->url, "://") - t->url) + strlen("://");
    const char *host = t->url + scheme;
    g_auto(GStrv) parts = NULL;
    g_autofree char *authority = g_strndup(host, strcspn(host, "/?"));
    g_autofree char *user = NULL;
    char *url;

    if (!strchr(authority, '@'))
        return true;
    parts = g_strsplit(authority, "@", -1);
    user = g_uri_unescape_string(parts[0], NULL);
    if (!user || strchr(parts[0], ':') || g_strv_length(parts) != 2)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "https: the URL may name a user, and nothing else in "
                        "front of the host; for passwords there is "
                        "password-file");
    if (!t->username)
        t->username = g_steal_pointer(&user);
    url = g_strdup_printf("%.*s%s%s", (int) scheme, t->url, parts[1],
                          host + strlen(authority));
    g_free(t->url);
    t->url = url;
    return true;
}

static bool
check_url(const HttpsTarget *t, GError **error)
{
    static const char *const schemes[] = {"http://", "https://"};

    for (size_t i = 0; t->url && i < G_N_ELEMENTS(schemes); i++) {
        size_t len = strlen(schemes[i]);

        if (g_ascii_strncasecmp(t->url, schemes[i], len) == 0 &&
            t->url[len] != '\0' && t->url[len] != '/')
            return true;
    }
    return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                    "https: expected http://HOST/... or https://HOST/...");
}

/* Keys whose values are names of places, and no secrets: those of datastores.
 * Signed URLs are the opposite. */
static bool
query_is_plain(const char *query)
{
    g_auto(GStrv) pairs = g_strsplit(query, "&", -1);

    for (char **pair = pairs; *pair; pair++)
        if (!g_str_has_prefix(*pair, "dcPath=") &&
            !g_str_has_prefix(*pair, "dsName="))
            return false;
    return true;
}

static void
name_add(GString *name, const char *key, const char *value)
{
    if (!value)
        return;
    g_string_append_printf(name, "%c%s=", strchr(name->str, '#') ? ',' : '#',
                           key);
    for (; *value; value++)
        g_string_append_len(name, *value == ',' ? ",," : value,
                            *value == ',' ? 2 : 1);
}

/* What of the options counts for its neighbours, too, belongs to the name. */
static char *
make_name(const HttpsTarget *t)
{
    g_autofree char *shown = vio_http_shown(t->url);
    g_autofree char *download =
        t->download > 0 ? g_strdup_printf("%" PRIu64, t->download) : NULL;
    GString *name = g_string_new(shown);
    const char *query = strchr(t->url, '?');

    if (query && query_is_plain(query + 1))
        g_string_append(name, query);
    name_add(name, "username", t->username);
    name_add(name, "password-file", t->password_file);
    name_add(name, "cookie-file", t->cookie_file);
    name_add(name, "ca-file", t->ca_file);
    name_add(name, "thumbprint", t->thumbprint);
    name_add(name, "proxy", t->proxy);
    name_add(name, "ticket-source", t->ticket_source);
    name_add(name, "download", download);
    name_add(name, "post", t->post);
    name_add(name, "sslverify", t->verify ? NULL : "off");
    return g_string_free(name, FALSE);
}

/* -- options --------------------------------------------------------------- */

static bool
take_number(VdOptions *opts, const char *key, uint64_t most, uint64_t *value,
            GError **error)
{
    if (!vd_options_take_uint(opts, key, value, error))
        return false;
    return (*value >= 1 && *value <= most) ||
           vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                    "Parameter '%s' is %" PRIu64 ", 1 to %" PRIu64
                    " is possible",
                    key, *value, most);
}

static bool
take_all(HttpsTarget *t, VdOptions *opts, GError **error)
{
    vd_options_take_string(opts, "username", &t->username);
    vd_options_take_string(opts, "password-file", &t->password_file);
    vd_options_take_string(opts, "cookie-file", &t->cookie_file);
    vd_options_take_string(opts, "ca-file", &t->ca_file);
    vd_options_take_string(opts, "thumbprint", &t->thumbprint);
    vd_options_take_string(opts, "proxy", &t->proxy);
    vd_options_take_string(opts, "ticket-source", &t->ticket_source);
    vd_options_take_string(opts, "post", &t->post);
    t->verify = true;
    t->connections = DEFAULT_CONNECTIONS;
    t->timeout_s = DEFAULT_SECONDS;
    return vd_options_take_bool(opts, "sslverify", &t->verify, error) &&
           vd_options_take_size(opts, "download", &t->download, error) &&
           take_number(opts, "connections", MAX_CONNECTIONS, &t->connections,
                       error) &&
           take_number(opts, "timeout", MAX_SECONDS, &t->timeout_s, error);
}

/* It belongs to the name, and so stands in messages. */
static bool
check_proxy(const HttpsTarget *t, GError **error)
{
    return !t->proxy || !strchr(t->proxy, '@') ||
           vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                    "https: the proxy may not have a user in front of its "
                    "host; with proxy=environment it may");
}

/* "application/x-something": it goes into a header. */
static bool
check_post(const HttpsTarget *t, GError **error)
{
    const char *slash = t->post ? strchr(t->post, '/') : NULL;
    bool ok = slash && slash > t->post && slash[1] != '\0';

    for (const char *p = t->post; ok && *p; p++)
        ok = p == slash || g_ascii_isalnum(*p) || strchr("!#$&-^_.+", *p);
    return ok || !t->post ||
           vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                    "https: Parameter 'post' expects a kind of contents, "
                    "TYPE/SUBTYPE");
}

HttpsTarget *
https_target_new(VdOptions *opts, GError **error)
{
    g_autoptr(HttpsTarget) t = g_new0(HttpsTarget, 1);

    vd_options_take_string(opts, "url", &t->url);
    if (!check_url(t, error) || !take_fragment(t->url, opts, error) ||
        !take_all(t, opts, error) || !take_user(t, error) ||
        !check_proxy(t, error) || !check_post(t, error))
        return NULL;
    if ((t->password_file || t->password) && !t->username)
        return vd_throw_null(error, VD_ERROR_INVALID_ARGUMENT,
                             "https: a password needs a username");
    t->name = make_name(t);
    return g_steal_pointer(&t);
}

/* Up to the end of the host. */
static size_t
origin_length(const char *name)
{
    const char *host = strstr(name, "://");

    host = host ? host + strlen("://") : name;
    return (size_t) (host - name) + strcspn(host, "/?#");
}

/* Its own server knows our secrets, if an image on one names a parent.  Sources
 * of tickets have names that no image knows. */
bool
https_target_check_named(const HttpsTarget *t, const VdNode *node,
                         GError **error)
{
    const char *image = vd_node_named_by(node);
    size_t len = origin_length(t->name);
    const char *ours = strchr(t->name, '#');
    const char *theirs = image ? strchr(image, '#') : NULL;

    if (!t->password_file && !t->cookie_file)
        return true;
    return (theirs && g_str_equal(ours, theirs) &&
            len == origin_length(image) && strncmp(t->name, image, len) == 0) ||
           vd_policy_check_secret(node, t->name, error);
}

/* -- secrets --------------------------------------------------------------- */

/* What messages say is not what is asked for any more. */
bool
https_target_take_url(HttpsTarget *t, VdTicket *ticket, GError **error)
{
    if (!ticket->url)
        return true;
    t->shown = vio_http_shown(t->url);
    g_free(t->url);
    t->url = g_steal_pointer(&ticket->url);
    return check_url(t, error);
}

typedef struct {
    HttpsTarget *target;
    GError *error;
} LoadSecrets;

static void
load_work(void *opaque)
{
    LoadSecrets *work = opaque;
    HttpsTarget *t = work->target;

    if (t->password_file)
        t->password =
            vd_secret_read(t->password_file, MAX_SECRET, &work->error);
    if (t->cookie_file && !work->error)
        t->cookie = vd_secret_read(t->cookie_file, MAX_SECRET, &work->error);
}

bool
https_target_co_load(HttpsTarget *t, VioLoop *loop, GError **error)
{
    LoadSecrets work = {.target = t};

    if (!t->password_file && !t->cookie_file)
        return true;
    vio_co_offload(loop, load_work, &work);
    if (!work.error)
        return true;
    g_propagate_error(error, work.error);
    return false;
}
