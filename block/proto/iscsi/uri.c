/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/iscsi/uri.c - names of units, turned into options.
 *
 *   iscsi://[USER@]HOST[:PORT]/TARGET/LUN[?KEY=VALUE[&KEY=VALUE]...]
 *
 * As libiscsi and QEMU have it, but that there is no place for a password:
 * names are seen by everybody.
 *
 * Concurrency: no state.
 */
#include "block/proto/iscsi/client.h"

#include <string.h>

#include "block/proto/uri.h"

#define SCHEME "iscsi://"

/* Keys of the query: options of the same name. */
static const char *const uri_keys[] = {
    "connections",     "header-digest",
    "initiator-name",  "locking",
    "login-timeout",   "open-timeout",
    "password-file",   "reconnect-delay",
    "request-timeout", NULL,
};

typedef struct {
    const char *name; /* all of it, for messages */
    VdOptions *opts;
} Uri;

static bool
uri_set(const Uri *u, const char *key, const char *text, GError **error)
{
    return vd_uri_set(u->opts, u->name, key, text, error);
}

/* '%' stands in front of a password there for libiscsi.  The name is not
 * repeated here: it may have one. */
static bool
uri_take_user(const Uri *u, const char *user, GError **error)
{
    g_autofree char *plain = g_uri_unescape_string(user, NULL);

    if (!plain || strchr(user, ':') || !g_utf8_validate(plain, -1, NULL))
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "iscsi: the URL may name a user, and nothing else in "
                        "front of the host; for passwords there is "
                        "password-file");
    vd_options_set(u->opts, "user", plain);
    return true;
}

/* As an option it is "HOST[:PORT]", so that is what it becomes. */
static bool
uri_take_authority(const Uri *u, char *authority, GError **error)
{
    char *at = strrchr(authority, '@');

    if (at) {
        *at = '\0';
        if (!uri_take_user(u, authority, error))
            return false;
        authority = at + 1;
    }
    vd_options_set(u->opts, "portal", authority);
    return true;
}

static bool
uri_take_query(const Uri *u, const char *query, GError **error)
{
    g_auto(GStrv) pairs = g_strsplit(query, "&", -1);

    for (char **pair = pairs; *pair; pair++) {
        char *value = strchr(*pair, '=');

        if (**pair == '\0')
            continue;
        if (value)
            *value++ = '\0';
        if (!g_strv_contains(uri_keys, *pair))
            return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                            "%s: unknown key '%s'", u->name, *pair);
        if (!value)
            return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                            "%s: '%s' has no value", u->name, *pair);
        if (!uri_set(u, *pair, value, error))
            return false;
    }
    return true;
}

/* What of @name may be shown, before it is known what is in there. */
static char *
shown_name(const char *name)
{
    const char *rest = name + strlen(SCHEME);
    const char *at = memrchr(rest, '@', strcspn(rest, "/?"));

    return g_strconcat(SCHEME, at ? at + 1 : rest, NULL);
}

bool
iscsi_parse_name(const char *name, VdOptions *opts, GError **error)
{
    g_autofree char *text = NULL, *shown = NULL;
    char *query, *path, *lun;
    Uri u = {.opts = opts};

    if (g_ascii_strncasecmp(name, SCHEME, strlen(SCHEME)) != 0)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "iscsi: expected " SCHEME "HOST/TARGET/LUN");
    u.name = shown = shown_name(name);
    text = g_strdup(name + strlen(SCHEME));
    query = strchr(text, '?');
    if (query)
        *query++ = '\0';
    path = strchr(text, '/');
    lun = path ? strchr(path + 1, '/') : NULL;
    if (!lun)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "%s: expected " SCHEME "HOST/TARGET/LUN", shown);
    *path++ = '\0';
    *lun++ = '\0';
    return uri_take_authority(&u, text, error) &&
           uri_set(&u, "target", path, error) &&
           uri_set(&u, "lun", lun, error) &&
           uri_take_query(&u, query ? query : "", error);
}
