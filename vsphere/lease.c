/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/lease.c - exporting disks as streams over HTTPS.
 *
 * Concurrency: one thread at a time.
 */
#include "vsphere/lease.h"

#include "block/error.h"
#include "vsphere/fault.h"
#include "vsphere/properties.h"
#include "vsphere/reply.h"
#include "vsphere/request.h"

#include <string.h>

#define WAIT_MS 100u
#define MAX_WAITS 3000u /* five minutes in all */

struct VsLease {
    VsSession *session;
    VsRef *ref;
    GPtrArray *disks;
};

static void
lease_disk_free(void *opaque)
{
    VsLeaseDisk *disk = opaque;

    g_free(disk->key);
    g_free(disk->url);
    g_free(disk->thumbprint);
    g_free(disk->target);
    g_free(disk);
}

static void
lease_free(VsLease *lease)
{
    vs_session_unref(lease->session);
    vs_ref_free(lease->ref);
    g_ptr_array_unref(lease->disks);
    g_free(lease);
}

/* The host of a URL is "*" where it is the one that was asked. */
static char *
url_with_host(const VsSession *session, const char *url)
{
    const char *star = strstr(url, "://*");

    if (!star)
        return g_strdup(url);
    return g_strdup_printf("%.*s://%s%s", (int) (star - url), url,
                           star[4] == ':' ? vs_session_host(session)
                                          : vs_session_name(session),
                           star + 4);
}

static void
take_disks(VsLease *lease, const VsXml *info)
{
    const VsXml *e = vs_xml_child(info, "deviceUrl");

    for (; e; e = vs_xml_next(e)) {
        const char *url = vs_xml_text(e, "url");
        VsLeaseDisk *disk;

        if (!url || !vs_xml_bool(e, "disk"))
            continue;
        disk = g_new(VsLeaseDisk, 1);
        *disk = (VsLeaseDisk){
            .key = g_strdup(vs_xml_text(e, "key")),
            .url = url_with_host(lease->session, url),
            .thumbprint = g_strdup(vs_xml_text(e, "sslThumbprint")),
            .target = g_strdup(vs_xml_text(e, "targetId")),
        };
        g_ptr_array_add(lease->disks, disk);
    }
}

/* True if there is an end to the waiting: *@ok. */
static bool
look(VsLease *lease, bool *ok, GError **error)
{
    static const char *const paths[] = {"state", "info", "error", NULL};
    g_autoptr(VsProperties) p =
        vs_properties_fetch(lease->session, lease->ref, paths, error);
    const char *state = p ? vs_properties_text(p, "state") : NULL;
    g_autoptr(VsFault) fault = NULL;

    *ok = false;
    if (!p)
        return true;
    if (g_strcmp0(state, "initializing") == 0)
        return false;
    if (g_strcmp0(state, "ready") == 0) {
        take_disks(lease, vs_properties_get(p, "info"));
        *ok = true;
        return true;
    }
    fault = vs_fault_of_task(vs_properties_get(p, "error"));
    (void) vs_session_throw(lease->session, fault, "HttpNfcLease", error);
    return true;
}

static bool
wait_ready(VsLease *lease, GError **error)
{
    bool ok;

    for (unsigned i = 0; i < MAX_WAITS; i++) {
        if (look(lease, &ok, error))
            return ok;
        g_usleep(WAIT_MS * 1000);
    }
    return vd_throw(error, VD_ERROR_TIMED_OUT,
                    "%s: HttpNfcLease: the server does not get ready",
                    vs_session_name(lease->session));
}

VsLease *
vs_lease_export(VsSession *session, const VsRef *object, GError **error)
{
    bool is_vm = strcmp(object->type, "VirtualMachine") == 0;
    VsRequest *request =
        vs_request_new(is_vm ? "ExportVm" : "ExportSnapshot", object);
    VsRef *ref = vs_session_call_ref(session, request, error);
    VsLease *lease;

    if (!ref)
        return NULL;
    lease = g_new(VsLease, 1);
    *lease = (VsLease){
        .session = vs_session_ref(session),
        .ref = ref,
        .disks = g_ptr_array_new_with_free_func(lease_disk_free),
    };
    if (wait_ready(lease, error))
        return lease;
    vs_lease_abort(lease);
    return NULL;
}

const GPtrArray *
vs_lease_disks(const VsLease *lease)
{
    return lease->disks;
}

bool
vs_lease_progress(VsLease *lease, unsigned percent, GError **error)
{
    VsRequest *request = vs_request_new("HttpNfcLeaseProgress", lease->ref);

    vs_request_int(request, "percent", MIN(percent, 100u));
    return vs_session_do(lease->session, request, error);
}

bool
vs_lease_complete(VsLease *lease, GError **error)
{
    bool ok = vs_session_do(lease->session,
                            vs_request_new("HttpNfcLeaseComplete", lease->ref),
                            error);

    lease_free(lease);
    return ok;
}

void
vs_lease_abort(VsLease *lease)
{
    if (!lease)
        return;
    /* A lease that cannot be ended ends by itself, by its time. */
    (void) vs_session_do(lease->session,
                         vs_request_new("HttpNfcLeaseAbort", lease->ref), NULL);
    lease_free(lease);
}
