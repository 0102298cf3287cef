/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/lease-url.c - what leases say of their disks.
 *
 * Concurrency: no state.
 */
#include "vsphere/lease.h"

#include <string.h>

#define SCHEME "https://"
#define MAX_URL 2048u

static bool
is_plain(const char *url)
{
    if (strlen(url) > MAX_URL || strchr(url, '#'))
        return false;
    for (; *url; url++)
        if (!g_ascii_isgraph(*url) || *url == '"' || *url == '\\')
            return false;
    return true;
}

char *
vs_lease_url(const char *url, const char *host_with_port, const char *host)
{
    const char *place, *rest;
    size_t len;

    if (g_ascii_strncasecmp(url, SCHEME, strlen(SCHEME)) != 0 || !is_plain(url))
        return NULL;
    place = url + strlen(SCHEME);
    len = strcspn(place, "/?");
    rest = place + len;
    if (len == 0 || *rest != '/' || memchr(place, '@', len))
        return NULL;
    if (*place != '*')
        return g_strdup(url);
    if (len == 1)
        return g_strconcat(SCHEME, host_with_port, rest, NULL);
    if (place[1] != ':')
        return NULL;
    return strchr(host, ':') ? g_strdup_printf(SCHEME "[%s]%s", host, place + 1)
                             : g_strdup_printf(SCHEME "%s%s", host, place + 1);
}

char *
vs_lease_shown(const VsLeaseDisk *disk)
{
    size_t host = strcspn(disk->url + strlen(SCHEME), "/");

    return g_strdup_printf("%.*s/lease", (int) (strlen(SCHEME) + host),
                           disk->url);
}

bool
vs_lease_key_is(const char *key, const char *place)
{
    const char *slash = strrchr(key, '/');

    return strcmp(slash ? slash + 1 : key, place) == 0;
}
