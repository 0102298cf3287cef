/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/datastore.c - names of files of datastores over HTTPS.
 *
 * vCenter decodes dcPath and dsName twice, so what is special in them has to be
 * encoded twice; the path before them once.  A host decodes once.
 *
 * Concurrency: no state.
 */
#include "vsphere/datastore.h"

#include "block/error.h"
#include "vsphere/disks.h"

static char *
encode_twice(const char *text)
{
    g_autofree char *once = g_uri_escape_string(text, NULL, FALSE);

    return g_uri_escape_string(once, NULL, FALSE);
}

char *
vs_datastore_query(const char *datastore, const char *datacenter)
{
    g_autofree char *store = datacenter
                                 ? encode_twice(datastore)
                                 : g_uri_escape_string(datastore, NULL, FALSE);
    g_autofree char *center = datacenter ? encode_twice(datacenter) : NULL;

    return center ? g_strdup_printf("dcPath=%s&dsName=%s", center, store)
                  : g_strdup_printf("dsName=%s", store);
}

char *
vs_datastore_inside(const char *inside)
{
    return g_uri_escape_string(inside, "/", FALSE);
}

char *
vs_datastore_url(const VsSession *session, const char *path,
                 const char *datacenter, GError **error)
{
    g_autofree char *store = NULL;
    g_autofree char *folder = NULL;
    g_autofree char *query = NULL;
    const char *inside;

    if (!vs_path_split(path, &store, &inside))
        return vd_throw_null(error, VD_ERROR_INVALID_NAME,
                             "'%s' is no file of a datastore", path);
    folder = vs_datastore_inside(inside);
    query = vs_datastore_query(store, datacenter);
    return g_strdup_printf("https://%s/folder/%s?%s", vs_session_name(session),
                           folder, query);
}
