/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/vmx-spec.c - virtual machines named by their file.
 *
 * PATH?dcPath=DC&dsName=DS, either key alone, in any order.  Nothing of it is
 * encoded, and '?' and '&' may be in each name: only where a key follows they
 * are marks.
 *
 * Concurrency: no state.
 */
#include "vsphere/vmx-spec.h"

#define KEY_LEN 7u /* of both keys */

typedef enum { KEY_NONE, KEY_DATACENTER, KEY_DATASTORE } Key;

/* Which key begins at @text, behind @mark. */
static Key
key_at(const char *text, char mark)
{
    if (*text != mark)
        return KEY_NONE;
    if (g_ascii_strncasecmp(text + 1, "dcPath=", KEY_LEN) == 0)
        return KEY_DATACENTER;
    return g_ascii_strncasecmp(text + 1, "dsName=", KEY_LEN) == 0
               ? KEY_DATASTORE
               : KEY_NONE;
}

/* Where the next key is, or the end. */
static const char *
next_key(const char *text, char mark)
{
    while (*text && !key_at(text, mark))
        text++;
    return text;
}

bool
vs_is_vmx_spec(const char *spec)
{
    return *spec == '[' || *next_key(spec, '?');
}

/* From the two ways of writing it. */
static char *
file_name(const char *path, const char *datastore)
{
    if (*path == '[' || !datastore)
        return g_strdup(path);
    while (*path == '/')
        path++;
    return g_strdup_printf("[%s] %s", datastore, path);
}

char *
vs_vmx_spec_parse(const char *spec, char **datacenter)
{
    const char *at = next_key(spec, '?');
    g_autofree char *path = g_strndup(spec, (gsize) (at - spec));
    g_autofree char *datastore = NULL;
    char mark = '?';
    Key key;

    *datacenter = NULL;
    for (; (key = key_at(at, mark)) != KEY_NONE; mark = '&') {
        const char *value = at + 1 + KEY_LEN;
        char **place = key == KEY_DATACENTER ? datacenter : &datastore;

        at = next_key(value, '&');
        g_free(*place);
        *place = g_strndup(value, (gsize) (at - value));
    }
    return file_name(path, datastore);
}
