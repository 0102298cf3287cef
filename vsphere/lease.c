/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/lease.c - disks as streams over HTTPS: exported, or imported.
 *
 * Concurrency: one thread at a time, besides the one that tells the server that
 * the lease is wanted.  That one has what it needs for itself, but for the
 * percentage, which is atomic, and the fate, which is any thread's.
 */
#include "vsphere/lease.h"

#include "block/error.h"
#include "vsphere/fault.h"
#include "vsphere/password.h"
#include "vsphere/patience.h"
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
#define MIN_PATIENCE_S 60
#define MAX_PATIENCE_S 3600
#define MAX_DISKS 1024u
#define HTTPS_PORT 443u

struct VsLease {
    VsSession *session;
    VsRef *ref;
    GPtrArray *disks; /* of VsLeaseDisk */
    VsFate *fate;
    int64_t timeout_s;
    unsigned percent; /* atomic */
    gint64 heard_us;  /* the pulse's: when the server last knew of it */
    VsPulse *pulse;   /* NULL while it is not ready */
};

static void
lease_disk_free(void *opaque)
{
    VsLeaseDisk *disk = opaque;

    vs_wipe(disk->url);
    g_free(disk->key);
    g_free(disk->import_key);
    g_free(disk->thumbprint);
    g_free(disk);
}

static void
lease_free(VsLease *lease)
{
    vs_session_unref(lease->session);
    vs_ref_free(lease->ref);
    g_ptr_array_unref(lease->disks);
    vs_fate_unref(lease->fate);
    g_free(lease);
}

VsFate *
vs_lease_fate(const VsLease *lease)
{
    return lease->fate;
}

void
vs_lease_set_percent(VsLease *lease, unsigned percent)
{
    __atomic_store_n(&lease->percent, percent, __ATOMIC_RELAXED);
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
    disk->import_key = g_strdup(vs_xml_text(e, "importKey"));
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

static bool
is_at(const VsLeaseDisk *disk, const char *place)
{
    return vs_lease_key_is(disk->key, place) ||
           (disk->import_key && vs_lease_key_is(disk->import_key, place));
}

static const VsLeaseDisk *
with_url(const VsLease *lease, const VsLeaseDisk *disk, const char *place,
         GError **error)
{
    return disk->url
               ? disk
               : vd_throw_null(error, VD_ERROR_CORRUPT,
                               "%s: HttpNfcLease: the address of disk %s is "
                               "none",
                               vs_session_name(lease->session), place);
}

const VsLeaseDisk *
vs_lease_find_disk(const VsLease *lease, const char *place, GError **error)
{
    for (unsigned i = 0; i < lease->disks->len; i++) {
        const VsLeaseDisk *disk = g_ptr_array_index(lease->disks, i);

        if (vs_lease_key_is(disk->key, place))
            return with_url(lease, disk, place, error);
    }
    return vd_throw_null(error, VD_ERROR_CORRUPT,
                         "%s: HttpNfcLease: disk %s is not among the %u that "
                         "the server exports",
                         vs_session_name(lease->session), place,
                         lease->disks->len);
}

const VsLeaseDisk *
vs_lease_only_disk(const VsLease *lease, const char *place, GError **error)
{
    const VsLeaseDisk *disk =
        lease->disks->len == 1 ? g_ptr_array_index(lease->disks, 0) : NULL;

    if (disk && is_at(disk, place))
        return with_url(lease, disk, place, error);
    return vd_throw_null(error, VD_ERROR_CORRUPT,
                         "%s: HttpNfcLease: the server wants %u disks, not one "
                         "at %s alone",
                         vs_session_name(lease->session), lease->disks->len,
                         place);
}

/* -- getting one ------------------------------------------------------------
 */

typedef enum {
    LOOK_UNKNOWN, /* the server could not be asked: an error */
    LOOK_WAITING,
    LOOK_READY,
    LOOK_OVER, /* an error */
} Look;

/* Done, or gone to where it ends. */
static Look
throw_over(const VsLease *lease, const char *state, const VsXml *cause,
           GError **error)
{
    g_autoptr(VsFault) fault = cause ? vs_fault_of_task(cause) : NULL;
    g_autofree char *shown = vs_xml_shown(state ? state : "unknown");

    if (fault)
        (void) vs_session_throw(lease->session, fault, "HttpNfcLease", error);
    else
        (void) vd_throw(error, VD_ERROR_FAILED,
                        "%s: HttpNfcLease: its state is %s",
                        vs_session_name(lease->session), shown);
    return LOOK_OVER;
}

/* @info: take it, if it is ready. */
static Look
look(VsLease *lease, bool info, GError **error)
{
    static const char *const paths[] = {"state", "error", "info", NULL};
    static const char *const few[] = {"state", "error", NULL};
    g_autoptr(VsProperties) p = vs_properties_fetch(lease->session, lease->ref,
                                                    info ? paths : few, error);
    const char *state = p ? vs_properties_text(p, "state") : NULL;

    if (!p)
        return LOOK_UNKNOWN;
    if (g_strcmp0(state, "initializing") == 0)
        return LOOK_WAITING;
    if (g_strcmp0(state, "ready") != 0)
        return throw_over(lease, state, vs_properties_get(p, "error"), error);
    if (info)
        take_info(lease, vs_properties_get(p, "info"));
    return LOOK_READY;
}

static bool
wait_ready(VsLease *lease, GError **error)
{
    for (unsigned i = 0; i < MAX_WAITS; i++) {
        Look found = look(lease, true, error);

        if (found != LOOK_WAITING)
            return found == LOOK_READY;
        g_usleep(WAIT_MS * 1000);
    }
    return vd_throw(error, VD_ERROR_TIMED_OUT,
                    "%s: HttpNfcLease: the server does not get ready",
                    vs_session_name(lease->session));
}

/* For the server's reasons, or because it is away. */
static void
lease_ended(const VsLease *lease, const GError *cause)
{
    GError *why = NULL;

    /* Nobody here has asked for an end. */
    (void) vd_throw(&why,
                    vd_error_is(cause, VD_ERROR_CANCELLED)
                        ? VD_ERROR_CONNECTION_LOST
                        : (VdErrorCode) cause->code,
                    "the server has ended the lease: %s", cause->message);
    vs_fate_end(lease->fate, why);
}

/* Whoever did not wait for the answer knows as little. */
static bool
is_unanswered(const GError *error)
{
    return vd_error_is(error, VD_ERROR_CANCELLED) ||
           vs_session_is_out_of_reach(error);
}

/* The server did not like to hear of it.  Has it ended?  A server that is away
 * may keep it as long as it has said. */
static void
lease_examine(VsLease *lease)
{
    g_autoptr(GError) cause = NULL;
    gint64 patience_s = CLAMP(lease->timeout_s, MIN_PATIENCE_S, MAX_PATIENCE_S);
    Look found = look(lease, false, &cause);
    gint64 now = g_get_monotonic_time();

    if (found == LOOK_READY)
        lease->heard_us = now;
    else if (found == LOOK_OVER ||
             (found == LOOK_UNKNOWN &&
              (!is_unanswered(cause) ||
               now - lease->heard_us > patience_s * G_USEC_PER_SEC)))
        lease_ended(lease, cause);
}

bool
vs_lease_check(VsLease *lease, GError **error)
{
    g_autoptr(GError) cause = NULL;

    if (look(lease, false, &cause) == LOOK_OVER)
        lease_ended(lease, cause);
    return vs_fate_check(lease->fate, error);
}

static void
lease_beat(void *opaque)
{
    VsLease *lease = opaque;
    VsRequest *request = vs_request_new("HttpNfcLeaseProgress", lease->ref);

    vs_request_int(request, "percent",
                   __atomic_load_n(&lease->percent, __ATOMIC_RELAXED));
    if (vs_session_do(lease->session, request, NULL))
        lease->heard_us = g_get_monotonic_time();
    else
        lease_examine(lease);
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
    lease->heard_us = g_get_monotonic_time();
    lease->pulse = vs_pulse_start(beat_ms(lease), lease_beat, lease, error);
    return lease->pulse ||
           vd_prefix(error, "%s: HttpNfcLease: it cannot be kept alive: ",
                     vs_session_name(lease->session));
}

/* What was made of it before its answer has come could not be given back. */
static VsRef *
request_lease(VsSession *session, VsRequest *request, GError **error)
{
    VsPatience patience;
    VsRef *ref;

    vs_patience_begin(&patience);
    ref = vs_session_call_ref(session, request, error);
    vs_patience_end(&patience);
    return ref;
}

VsLease *
vs_lease_open(VsSession *session, VsRequest *request, VioCancel *cancel,
              GError **error)
{
    VsRef *ref = request_lease(session, request, error);
    VsLease *lease;

    if (!ref)
        return NULL;
    lease = g_new0(VsLease, 1);
    lease->session = vs_session_ref(session);
    lease->ref = ref;
    lease->disks = g_ptr_array_new_with_free_func(lease_disk_free);
    lease->fate = vs_fate_new(cancel);
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

static bool
lease_complete_once(const VsLease *lease, GError **error)
{
    return lease_end(lease, "HttpNfcLeaseComplete", error);
}

/* No answer has come, because of *@cause, which stays or is another one.  It
 * may have been done all the same. */
static bool
lease_complete_again(VsLease *lease, GError **cause)
{
    static const char *const paths[] = {"state", NULL};
    g_autoptr(VsProperties) p =
        vs_properties_fetch(lease->session, lease->ref, paths, NULL);
    const char *state = p ? vs_properties_text(p, "state") : NULL;
    bool known = state != NULL;

    if (g_strcmp0(state, "done") == 0)
        return true;
    if (g_strcmp0(state, "ready") == 0 &&
        !vd_error_is(*cause, VD_ERROR_CANCELLED)) {
        g_clear_error(cause);
        if (lease_complete_once(lease, cause))
            return true;
        known = !is_unanswered(*cause);
    }
    if (!known)
        (void) vd_prefix(cause,
                         "%s: HttpNfcLease: nobody can tell whether the server "
                         "has completed it: ",
                         vs_session_name(lease->session));
    return false;
}

static bool
lease_complete(VsLease *lease, GError **error)
{
    g_autoptr(GError) cause = NULL;
    VsPatience patience;
    bool ok;

    vs_patience_begin(&patience);
    ok = lease_complete_once(lease, &cause) ||
         (is_unanswered(cause) && lease_complete_again(lease, &cause));
    vs_patience_end(&patience);
    if (!ok)
        g_propagate_error(error, g_steal_pointer(&cause));
    return ok;
}

bool
vs_lease_complete(VsLease *lease, GError **error)
{
    vs_pulse_stop(g_steal_pointer(&lease->pulse));
    if (!lease_complete(lease, error)) {
        vs_lease_abort(lease);
        return false;
    }
    lease_free(lease);
    return true;
}

void
vs_lease_abort(VsLease *lease)
{
    VsPatience patience;

    if (!lease)
        return;
    vs_pulse_stop(lease->pulse);
    /* Whoever has been stopped does not leave it behind.  One that cannot be
     * ended ends by itself, by its time. */
    vs_patience_begin(&patience);
    (void) lease_end(lease, "HttpNfcLeaseAbort", NULL);
    vs_patience_end(&patience);
    lease_free(lease);
}
