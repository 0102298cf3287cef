/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/fcd.c - first class disks.
 *
 * Concurrency: the result does not change.
 */
#include "vsphere/fcd.h"

#include "block/error.h"
#include "vsphere/disks.h"
#include "vsphere/inventory.h"
#include "vsphere/reply.h"
#include "vsphere/request.h"

#include <string.h>

#define MIB (1024 * 1024)

static VsFcd *
read_fcd(const VsXml *config)
{
    const char *path = vs_xml_text(vs_xml_child(config, "backing"), "filePath");
    const char *consumer =
        vs_xml_text(vs_xml_child(config, "consumerId"), "id");
    int64_t mib = vs_xml_int(config, "capacityInMB", 0);
    VsFcd *fcd;

    if (!path || !*path || strlen(path) > VS_PATH_MAX_BYTES || mib < 0 ||
        mib > G_MAXINT64 / MIB)
        return NULL;
    fcd = g_new(VsFcd, 1);
    *fcd = (VsFcd){
        .name = g_strdup(vs_xml_text(config, "name")),
        .path = g_strdup(path),
        .consumer = consumer && *consumer ? g_strdup(consumer) : NULL,
        .capacity = (uint64_t) mib * MIB,
    };
    return fcd;
}

VsFcd *
vs_fcd_fetch(VsSession *session, const char *id, const char *datastore,
             GError **error)
{
    const VsRef *manager =
        vs_session_need_service(session, "vStorageObjectManager", error);
    const VsRef store = {(char *) "Datastore", (char *) datastore};
    bool vcenter = vs_session_is_vcenter(session);
    g_autoptr(VsReply) reply = NULL;
    VsRequest *request;
    VsFcd *fcd;

    if (!manager)
        return NULL;
    request = vs_request_new(vcenter ? "RetrieveVStorageObject"
                                     : "HostRetrieveVStorageObject",
                             manager);
    vs_request_open(request, "id");
    vs_request_text(request, "id", id);
    vs_request_close(request);
    vs_request_ref(request, "datastore", &store);
    reply = vs_session_call(session, request, error);
    if (!reply)
        return vd_prefix_null(error, "first class disk '%s': ", id);
    fcd = read_fcd(vs_xml_child(vs_reply_value(reply), "config"));
    return fcd ? fcd
               : vd_throw_null(error, VD_ERROR_CORRUPT,
                               "%s: first class disk '%s': the answer names no "
                               "file",
                               vs_session_name(session), id);
}

void
vs_fcd_free(VsFcd *fcd)
{
    if (!fcd)
        return;
    g_free(fcd->name);
    g_free(fcd->path);
    g_free(fcd->consumer);
    g_free(fcd);
}

VsRef *
vs_fcd_find_vm(VsSession *session, const VsFcd *fcd, GError **error)
{
    g_autoptr(GError) cause = NULL;
    g_autofree char *shown = vs_xml_shown(fcd->consumer);
    VsRef *vm = NULL;

    vm = vs_inventory_find_vm_by_uuid(session, fcd->consumer, true, &cause);
    if (!vm && !cause)
        vm =
            vs_inventory_find_vm_by_uuid(session, fcd->consumer, false, &cause);
    if (cause) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return NULL;
    }
    return vm ? vm
              : vd_throw_null(error, VD_ERROR_VM_NOT_FOUND,
                              "%s: first class disk '%s' is said to belong to "
                              "'%s', which is no virtual machine there",
                              vs_session_name(session), fcd->path, shown);
}
