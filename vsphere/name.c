/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/name.c - names of disks on servers, turned into options.
 *
 *   vsphere://[USER@]HOST[:PORT]/?vm=VM&disk=DISK[&KEY=VALUE]...
 *   vsphere://[USER@]HOST[:PORT]/?new-vm=VM&datastore=DS[&KEY=VALUE]...
 *
 * The latter is a machine that is to be made, another driver's business.
 * Everything is percent-encoded.  There is no place for a password.
 *
 * Concurrency: no state.
 */
#include "vsphere/open-params.h"

#include "block/error.h"
#include "vsphere/driver.h"

#include <string.h>

#define SCHEME "vsphere://"

/* Keys that are options; "transport" is one of another name. */
static const char *const keys[] = {
    "vm",       "snapshot",     "disk",          "thumbprint",
    "ca-file",  "password-env", "password-file", "proxy",
    "insecure", "fcd",          "fcd-datastore", "transport",
    "session",  "new-vm",       "datastore",     "pool",
    NULL,
};

static bool
refuse(GError **error, const char *problem)
{
    return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                    "a name of vSphere " SCHEME
                    "[USER@]HOST[:PORT]/?vm=VM&disk=DISK: %s",
                    problem);
}

/* @len bytes of @text, decoded. */
static bool
set(VdOptions *opts, const char *key, const char *text, size_t len,
    GError **error)
{
    g_autofree char *plain = g_uri_unescape_segment(text, text + len, NULL);

    if (!plain || !g_utf8_validate(plain, -1, NULL))
        return refuse(error, "something is not well encoded");
    vd_options_set(opts, key, plain);
    return true;
}

static bool
take_place(VdOptions *opts, const char *place, size_t len, GError **error)
{
    const char *end = place + len;
    const char *at = memrchr(place, '@', len); /* users have one, too */
    const char *host = at ? at + 1 : place, *host_end = end, *port;

    if (at && memchr(place, ':', (size_t) (at - place)))
        return refuse(error, "a password does not belong there");
    if (at && !set(opts, "user", place, (size_t) (at - place), error))
        return false;
    if (*host == '[') {
        host_end = memchr(host, ']', (size_t) (end - host));
        if (!host_end)
            return refuse(error, "the address has no end");
        host++;
        port = host_end + 1;
    } else {
        port = memchr(host, ':', (size_t) (end - host));
        if (port)
            host_end = port;
        else
            port = end;
    }
    if (host == host_end)
        return true; /* a session says it */
    if (port < end && *port != ':')
        return refuse(error, "the address goes on behind its end");
    if (port + 1 < end &&
        !set(opts, "port", port + 1, (size_t) (end - port - 1), error))
        return false;
    return set(opts, "server", host, (size_t) (host_end - host), error);
}

static bool
take_pair(VdOptions *opts, const char *pair, GError **error)
{
    const char *equals = strchr(pair, '=');
    g_autofree char *key =
        equals ? g_strndup(pair, (gsize) (equals - pair)) : NULL;

    if (!key)
        return refuse(error, "a key has no value");
    if (!g_strv_contains(keys, key))
        return refuse(error, "there is an unknown key");
    return set(opts, strcmp(key, "transport") == 0 ? "transports" : key,
               equals + 1, strlen(equals + 1), error);
}

bool
vs_name_parse(const char *name, VdOptions *opts, GError **error)
{
    const char *place = name + strlen(SCHEME), *query;
    g_auto(GStrv) pairs = NULL;
    size_t len;

    if (g_ascii_strncasecmp(name, SCHEME, strlen(SCHEME)) != 0)
        return refuse(error, "it begins otherwise");
    len = strcspn(place, "/?");
    query = place + len;
    if (!take_place(opts, place, len, error))
        return false;
    if (*query == '/')
        query++;
    if (*query && *query != '?')
        return refuse(error, "there is no path in it");
    pairs = g_strsplit(*query ? query + 1 : "", "&", -1);
    for (char **pair = pairs; *pair; pair++)
        if (**pair && !take_pair(opts, *pair, error))
            return false;
    return vd_options_peek(opts, "new-vm") ||
           (!vd_options_peek(opts, "datastore") &&
            !vd_options_peek(opts, "pool")) ||
           refuse(error, "'datastore' and 'pool' go with 'new-vm'");
}

bool
vs_name_parse_to_open(const char *name, VdOptions *opts, GError **error)
{
    static const char *const logging_in[] = {
        "server",     "port",    "user",  "password-file", "password-env",
        "thumbprint", "ca-file", "proxy", "insecure",
    };
    g_autofree char *session = vs_session_lent(name);

    if (!vs_name_parse(name, opts, error))
        return false;
    for (size_t i = 0; session && i < G_N_ELEMENTS(logging_in); i++) {
        g_autofree char *unused = NULL;

        vd_options_take_string(opts, logging_in[i], &unused);
    }
    if (session)
        vd_options_set(opts, "session", session);
    if (vd_options_peek(opts, "new-vm"))
        vd_options_set(opts, "driver", VS_IMPORT_DRIVER);
    return true;
}
