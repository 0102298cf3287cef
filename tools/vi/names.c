/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/vi/names.c - what the options --vi-* say, and what a word on the
 * command line means with them.
 *
 * "[DATASTORE] FOLDER/DISK.vmdk" is short for a name vsphere://..., which is
 * what it is called from here on.
 *
 * Concurrency: main thread only.
 */
#include "tools/vi/internal.h"

#include <string.h>

#include "tools/output.h"

#define SCHEME "vsphere://"

void
vi_take(Vi *vi, ViOption option, const char *arg)
{
    vi->words[option] = arg ? arg : "";
}

static bool
is_url(const char *word)
{
    return g_ascii_strncasecmp(word, SCHEME, strlen(SCHEME)) == 0;
}

/* "[DATASTORE] PATH"; local files called so have a "./" in front of them. */
static bool
is_on_datastore(const char *word)
{
    const char *end = *word == '[' ? strchr(word, ']') : NULL;

    return end && end > word + 1 && end[1] == ' ' && end[2];
}

/* -- from one to the other ------------------------------------------------ */

static void
add_pair(GString *url, const char *key, const char *value)
{
    if (!value)
        return;
    g_string_append_c(url, strchr(url->str, '?') ? '&' : '?');
    g_string_append_printf(url, "%s=", key);
    g_string_append_uri_escaped(url, value, "/[]:,@=", TRUE);
}

static char *
url_new(const Vi *vi, const char *disk)
{
    GString *url = g_string_new(SCHEME);

    if (vi->words[VI_USER]) {
        g_string_append_uri_escaped(url, vi->words[VI_USER], NULL, TRUE);
        g_string_append_c(url, '@');
    }
    g_string_append(url, vi->words[VI_SERVER]);
    g_string_append_c(url, '/');
    add_pair(url, "vm", vi->words[VI_VM]);
    add_pair(url, "snapshot", vi->words[VI_SNAPSHOT]);
    add_pair(url, "disk", disk);
    add_pair(url, "transport", vi->words[VI_TRANSPORT]);
    return g_string_free(url, FALSE);
}

/* It goes into a name as it stands. */
static bool
server_is_one(const char *server)
{
    return *server && !server[strcspn(server, "/?#@&% ")];
}

static const char *
find_problem(const Vi *vi)
{
    const char *server = vi->words[VI_SERVER];

    if (!server)
        return "--vi-server has to tell where the machine is";
    if (!vi->words[VI_VM])
        return "--vi-vm has to tell whose disk it is";
    return server_is_one(server) ? NULL : "--vi-server expects HOST[:PORT]";
}

/* As it is among the names of @vi, or will be from now on. */
static const char *
note(Vi *vi, const char *name)
{
    for (unsigned i = 0; i < vi->names->len; i++)
        if (!strcmp(vi->names->pdata[i], name))
            return vi->names->pdata[i];
    g_ptr_array_add(vi->names, g_strdup(name));
    return vi->names->pdata[vi->names->len - 1];
}

const char *
vi_name(Vi *vi, const char *word)
{
    const char *problem;
    g_autofree char *url = NULL;

    if (is_url(word))
        return note(vi, word);
    if ((!vi->words[VI_SERVER] && !vi->words[VI_VM]) || !is_on_datastore(word))
        return word;
    problem = find_problem(vi);
    if (problem) {
        out_failure(word, NULL, "'%s': %s", word, problem);
        return NULL;
    }
    url = url_new(vi, word);
    return note(vi, url);
}
