/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/uri.c - pieces of URIs that name servers.
 *
 * Concurrency: no state.
 */
#include "block/proto/uri.h"

#include <string.h>

#include "block/error.h"

char *
vd_uri_decode(const char *name, const char *what, const char *text,
              GError **error)
{
    char *plain = g_uri_unescape_string(text, NULL);

    if (plain && g_utf8_validate(plain, -1, NULL))
        return plain;
    g_free(plain);
    return vd_throw_null(error, VD_ERROR_INVALID_ARGUMENT,
                         "%s: %s '%s' is not well encoded", name, what, text);
}

bool
vd_uri_set(VdOptions *opts, const char *name, const char *key, const char *text,
           GError **error)
{
    g_autofree char *plain = vd_uri_decode(name, key, text, error);

    if (!plain)
        return false;
    vd_options_set(opts, key, plain);
    return true;
}

bool
vd_uri_split_place(const char *name, char *place, char **host, char **port,
                   GError **error)
{
    char *colon = strrchr(place, ':');

    *host = place;
    if (*place == '[') {
        char *close = strchr(place, ']');

        if (!close || (close[1] && close[1] != ':'))
            return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                            "%s: '%s' is no address", name, place);
        colon = close[1] ? close + 1 : NULL;
        *close = '\0';
        *host = place + 1;
    }
    if (colon)
        *colon++ = '\0';
    *port = colon ? colon : place + strlen(place);
    return true;
}
