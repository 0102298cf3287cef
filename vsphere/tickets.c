/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/tickets.c - admission to hosts.
 *
 * Concurrency: no state but what a source was made with, which does not change.
 */
#include "vsphere/tickets.h"

#include "block/error.h"
#include "io/offload.h"
#include "vsphere/reply.h"
#include "vsphere/request.h"

/* Where hosts listen, unless a ticket or an option says otherwise, is the
 * driver's to know. */

static VsRequest *
ticket_request(VsSession *session, const VsDiskAccess *access, GError **error)
{
    g_autoptr(VsRef) nfc = vs_session_find_nfc(session, error);
    VsRequest *request;

    if (!nfc)
        return NULL;
    request = vs_request_new(
        access->write ? "NfcRandomAccessOpenDisk" : "NfcGetVmFiles", nfc);
    vs_request_ref(request, "vm", access->vm);
    if (access->write) {
        vs_request_int(request, "diskDeviceKey", access->disk_key);
        vs_request_ref(request, "hostForAccess", access->host);
    }
    return request;
}

static bool
read_ticket(VsSession *session, const VsDiskAccess *access, const VsXml *value,
            VdTicket *ticket, GError **error)
{
    const char *host = vs_xml_text(value, "host");
    const char *id = vs_xml_text(value, "sessionId");
    const char *service = vs_xml_text(value, "service");
    int64_t port = vs_xml_int(value, "port", 0);

    if (!id || !*id || !service || !*service || port < 0 || port > G_MAXUINT16)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: the ticket for the disk is none",
                        vs_session_name(session));
    *ticket = (VdTicket){
        .host = g_strdup(host && *host ? host : vs_session_host(session)),
        .port = access->port ? access->port : (unsigned) port,
        .service = g_strdup(service),
        .session_id = g_strdup(id),
        .thumbprint = g_strdup(vs_xml_text(value, "sslThumbprint")),
    };
    return true;
}

bool
vs_ticket_fetch(VsSession *session, const VsDiskAccess *access,
                VdTicket *ticket, GError **error)
{
    VsRequest *request = ticket_request(session, access, error);
    g_autoptr(VsReply) reply =
        request ? vs_session_call(session, request, error) : NULL;

    return reply &&
           read_ticket(session, access, vs_reply_value(reply), ticket, error);
}

/* -- for drivers ------------------------------------------------------------
 */

typedef struct {
    char *session_name;
    VsRef *vm, *host;
    int disk_key;
    unsigned port;
    bool write;
} Source;

typedef struct {
    const Source *source;
    VioCancel *cancel;
    VdTicket *ticket;
    bool ok;
    GError *error;
} Job;

static void
source_free(void *opaque)
{
    Source *source = opaque;

    g_free(source->session_name);
    vs_ref_free(source->vm);
    vs_ref_free(source->host);
    g_free(source);
}

static void
job_work(void *opaque)
{
    Job *job = opaque;
    const Source *source = job->source;
    g_autoptr(VsSession) session = vs_session_find(source->session_name);
    const VsDiskAccess access = {
        .vm = source->vm,
        .host = source->host,
        .disk_key = source->disk_key,
        .port = source->port,
        .write = source->write,
    };

    vs_session_set_thread_cancel(job->cancel);
    job->ok = session
                  ? vs_ticket_fetch(session, &access, job->ticket, &job->error)
                  : vd_throw(&job->error, VD_ERROR_DISCONNECTED,
                             "the session for the disk has ended");
    vs_session_set_thread_cancel(NULL);
}

static bool
source_co_get(void *arg, VioLoop *loop, VioCancel *cancel, VdTicket *ticket,
              GError **error)
{
    Job job = {.source = arg, .cancel = cancel, .ticket = ticket};

    vio_co_offload(loop, job_work, &job);
    if (!job.ok)
        g_propagate_error(error, job.error);
    return job.ok;
}

VdTicketSource *
vs_ticket_source_new(const char *session_name, const VsDiskAccess *access)
{
    Source *source = g_new(Source, 1);

    *source = (Source){
        .session_name = g_strdup(session_name),
        .vm = vs_ref_copy(access->vm),
        .host = vs_ref_copy(access->host),
        .disk_key = access->disk_key,
        .port = access->port,
        .write = access->write,
    };
    return vd_ticket_source_new(source_co_get, source, source_free);
}

/* -- files ------------------------------------------------------------------
 */

char *
vs_ticket_fetch_http(VsSession *session, const char *method, const char *url,
                     char **thumbprint, GError **error)
{
    const VsRef *manager =
        vs_session_need_service(session, "sessionManager", error);
    g_autoptr(VsReply) reply = NULL;
    VsRequest *request;
    const char *id;

    if (!manager)
        return NULL;
    request = vs_request_new("AcquireGenericServiceTicket", manager);
    vs_request_open_as(request, "spec", "SessionManagerHttpServiceRequestSpec");
    vs_request_text(request, "method", method);
    vs_request_text(request, "url", url);
    vs_request_close(request);
    reply = vs_session_call(session, request, error);
    if (!reply)
        return NULL;
    id = vs_xml_text(vs_reply_value(reply), "id");
    if (!id || !*id)
        return vd_throw_null(error, VD_ERROR_CORRUPT,
                             "%s: the ticket for a file is none",
                             vs_session_name(session));
    *thumbprint = g_strdup(vs_xml_text(vs_reply_value(reply), "sslThumbprint"));
    return g_strdup(id);
}
