/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/folder.c - disks as files of their datastores, read over HTTPS.
 *
 * The server gives the files as they are, so that what they mean is our own
 * driver's business: descriptors, extents, parents.  Files that a host has
 * locked are refused by the server.
 *
 * Concurrency: no state.
 */
#include "vsphere/folder.h"

#include "block/error.h"
#include "vsphere/datastore.h"
#include "vsphere/inventory.h"
#include "vsphere/web.h"

/* The place of the disk's datacenter, which the URL has to name: *@path; NULL
 * for hosts. */
static bool
find_datacenter(const VsPrepare *how, char **path, GError **error)
{
    g_autoptr(VsRef) datacenter = NULL;

    *path = NULL;
    if (!vs_session_is_vcenter(how->session))
        return true;
    datacenter =
        vs_inventory_datacenter_of(how->session, how->target->vm, path, error);
    return datacenter != NULL;
}

VdOptions *
vs_folder_prepare(const VsPrepare *how, VsAttachment *attachment,
                  GError **error)
{
    VsWebFile file = {.with_cookie = true};
    g_autofree char *datacenter = NULL;
    g_autofree char *url = NULL;

    if (how->write)
        return vd_throw_null(error, VD_ERROR_READ_ONLY,
                             "files of datastores are only read");
    if (!vs_target_need_vm(how->target,
                           "its datacenter is known by that of its machine",
                           error) ||
        !find_datacenter(how, &datacenter, error))
        return NULL;
    url = vs_datastore_url(how->session, how->target->file, datacenter, error);
    if (!url)
        return NULL;
    file.url = url;
    attachment->tickets = vs_web_tickets_new(how->session_name, &file);
    return vs_web_options(how->session, &file, attachment->tickets);
}
