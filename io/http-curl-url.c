/* SPDX-License-Identifier: BSD-3-Clause */
/* io/http-curl-url.c - where a redirect may lead: to the same server.
 *
 * Concurrency: any thread.
 */
#include "io/http-curl.h"

#include <string.h>

typedef struct Place {
    CURLU *url;
    char *scheme, *host, *port;
} Place;

static void
place_clear(Place *place)
{
    curl_free(place->scheme);
    curl_free(place->host);
    curl_free(place->port);
    curl_url_cleanup(place->url);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Place, place_clear)

static bool
place_look(Place *place)
{
    return !curl_url_get(place->url, CURLUPART_SCHEME, &place->scheme, 0) &&
           !curl_url_get(place->url, CURLUPART_HOST, &place->host, 0) &&
           !curl_url_get(place->url, CURLUPART_PORT, &place->port,
                         CURLU_DEFAULT_PORT);
}

/* The same server; or the same with TLS, both at their usual ports. */
static bool
place_is_near(const Place *from, const Place *to)
{
    if (g_ascii_strcasecmp(from->host, to->host) != 0)
        return false;
    if (g_str_equal(from->scheme, to->scheme))
        return g_str_equal(from->port, to->port);
    return g_str_equal(from->scheme, "http") &&
           g_str_equal(to->scheme, "https") && g_str_equal(from->port, "80") &&
           g_str_equal(to->port, "443");
}

static bool
place_has_user(const Place *place)
{
    char *user = NULL;
    bool has = curl_url_get(place->url, CURLUPART_USER, &user, 0) == CURLUE_OK;

    curl_free(user);
    return has;
}

char *
vio_curl_redirect(const char *url, const char *location, char **why)
{
    g_auto(Place) from = {.url = curl_url()}, to = {.url = curl_url()};
    char *result = NULL, *copy = NULL;
    unsigned flags = CURLU_URLENCODE | CURLU_NON_SUPPORT_SCHEME;

    if (curl_url_set(from.url, CURLUPART_URL, url, 0) || !place_look(&from) ||
        curl_url_set(to.url, CURLUPART_URL, url, 0) ||
        curl_url_set(to.url, CURLUPART_URL, location, flags) ||
        !place_look(&to)) {
        *why = g_strdup("it is said to be at what is no URL of a server");
    } else if (!place_is_near(&from, &to) || place_has_user(&to)) {
        *why = g_strdup_printf("it is said to be on another server, %s://%s:%s",
                               to.scheme, to.host, to.port);
    } else if (!curl_url_get(to.url, CURLUPART_URL, &result, 0)) {
        copy = g_strdup(result);
        curl_free(result);
    } else {
        *why = g_strdup("no memory");
    }
    return copy;
}
