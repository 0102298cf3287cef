/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/lease.c - exporting disks as streams over HTTPS.
 *
 * Concurrency: one thread at a time, besides the one that tells the server that
 * it is wanted, which touches nothing that changes.
 */
#include "vsphere/lease.h"

#include "block/error.h"
#include "vsphere/fault.h"
#include "vsphere/password.h"
#include "vsphere/properties.h"
#include "vsphere/pulse.h"
#include "vsphere/reply.h"
#include "vsphere/request.h"

#include <string.h>

#define WAIT_MS 100u
#define MAX_WAITS 3000u /* five minutes in all */
#define BEAT_MS 2000u   /* or sooner, so often while a lease may be silent: */
#define BEATS 4u
#define MIN_BEAT_MS 100u
#define MAX_DISKS 1024u
#define HTTPS_PORT 443u

struct VsLease {
    VsSession *session;
    VsRef *ref;
    GPtrArray *disks; /* of VsLeaseDisk */
    int64_t timeout_s;
    VsPulse *pulse; /* NULL while it is not ready */
};

static void
lease_disk_free(void *opaque)
{
    VsLeaseDisk *disk = opaque;

    vs_wipe(disk->url);
    g_free(disk->key);
    g_free(disk->thumbprint);
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

/* -- what it says -----------------------------------------------------------
 */

static bool
is_at_server(const VsSession *session, const char *url)
{
    const char *place = url + strlen("https://");
    const char *name = vs_session_name(session); /* with a port */
    size_t len = strcspn(place, "/");
    size_t host = (size_t) (strrchr(name, ':') - name);

    return (len == strlen(name) ||
            (len == host && vs_session_port(session) == HTTPS_PORT)) &&
           g_ascii_strncasecmp(place, name, len) == 0;
}

static VsLeaseDisk *
disk_new(const VsSession *session, const VsXml *e)
{
    VsLeaseDisk *disk = g_new0(VsLeaseDisk, 1);
    const char *name = vs_session_name(session);
    const char *print = vs_xml_text(e, "sslThumbprint");

    disk->key = g_strdup(vs_xml_text(e, "key"));
    disk->url =
        vs_lease_url(vs_xml_text(e, "url"), name, vs_session_host(session));
    disk->thumbprint = g_strdup(print && *print ? print : NULL);
    disk->on_server = disk->url && is_at_server(session, disk->url);
    return disk;
}

static void
take_info(VsLease *lease, const VsXml *info)
{
    const VsXml *e = vs_xml_child(info, "deviceUrl");

    lease->timeout_s = vs_xml_int(info, "leaseTimeout", 0);
    for (; e && lease->disks->len < MAX_DISKS; e = vs_xml_next(e))
        if (vs_xml_bool(e, "disk") && vs_xml_text(e, "key") &&
            vs_xml_text(e, "url"))
            g_ptr_array_add(lease->disks, disk_new(lease->session, e));
}

const VsLeaseDisk *
vs_lease_find_disk(const VsLease *lease, const char *place, GError **error)
{
    for (unsigned i = 0; i < lease->disks->len; i++) {
        const VsLeaseDisk *disk = g_ptr_array_index(lease->disks, i);

        if (!vs_lease_key_is(disk->key, place))
            continue;
        if (disk->url)
            return disk;
        return vd_throw_null(error, VD_ERROR_CORRUPT,
                             "%s: HttpNfcLease: the address of disk %s is none",
                             vs_session_name(lease->session), place);
    }
    return vd_throw_null(error, VD_ERROR_CORRUPT,
                         "%s: HttpNfcLease: disk %s is not among the %u that "
                         "the server exports",
                         vs_session_name(lease->session), place,
                         lease->disks->len);
}

/* -- getting one ------------------------------------------------------------
 */

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
        take_info(lease, vs_properties_get(p, "info"));
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

/* How far it is nobody here knows.  The server does not mind, and if it does
 * not want to hear of the lease any more its end will tell. */
static void
lease_beat(void *opaque)
{
    const VsLease *lease = opaque;
    VsRequest *request = vs_request_new("HttpNfcLeaseProgress", lease->ref);

    vs_request_int(request, "percent", 0);
    (void) vs_session_do(lease->session, request, NULL);
}

static unsigned
beat_ms(const VsLease *lease)
{
    int64_t most = CLAMP(lease->timeout_s, 0, BEATS * BEAT_MS / 1000) * 1000;

    return most > 0 ? (unsigned) MAX(most / BEATS, MIN_BEAT_MS) : BEAT_MS;
}

/* A lease that nobody speaks for would end in the middle of the disk. */
static bool
start_pulse(VsLease *lease, GError **error)
{
    lease->pulse = vs_pulse_start(beat_ms(lease), lease_beat, lease, error);
    return lease->pulse ||
           vd_prefix(error, "%s: HttpNfcLease: it cannot be kept alive: ",
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
    lease = g_new0(VsLease, 1);
    lease->session = vs_session_ref(session);
    lease->ref = ref;
    lease->disks = g_ptr_array_new_with_free_func(lease_disk_free);
    if (!wait_ready(lease, error) || !start_pulse(lease, error)) {
        vs_lease_abort(lease);
        return NULL;
    }
    return lease;
}

/* -- the end ----------------------------------------------------------------
 */

static bool
lease_end(const VsLease *lease, const char *op, GError **error)
{
    return vs_session_do(lease->session, vs_request_new(op, lease->ref), error);
}

bool
vs_lease_complete(VsLease *lease, GError **error)
{
    vs_pulse_stop(g_steal_pointer(&lease->pulse));
    if (!lease_end(lease, "HttpNfcLeaseComplete", error)) {
        vs_lease_abort(lease);
        return false;
    }
    lease_free(lease);
    return true;
}

void
vs_lease_abort(VsLease *lease)
{
    if (!lease)
        return;
    vs_pulse_stop(lease->pulse);
    /* Whoever has been stopped does not leave it behind.  One that cannot be
     * ended ends by itself, by its time. */
    vs_session_set_thread_cancel(NULL);
    (void) lease_end(lease, "HttpNfcLeaseAbort", NULL);
    lease_free(lease);
}
