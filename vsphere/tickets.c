/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/tickets.c - admission to the disks of a virtual machine, on hosts.
 *
 * Concurrency: no state but what a source was made with, which does not change.
 */
#include "vsphere/tickets.h"

#include "block/error.h"
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

/* A fresh one; blocks. */
static bool
fetch_ticket(VsSession *session, const VsDiskAccess *access, VdTicket *ticket,
             GError **error)
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
    VsRef *vm, *host;
    VsDiskAccess access; /* to these */
} Kept;

static void
kept_free(void *opaque)
{
    Kept *kept = opaque;

    vs_ref_free(kept->vm);
    vs_ref_free(kept->host);
    g_free(kept);
}

static bool
kept_fetch(VsSession *session, const void *arg, VdTicket *ticket,
           GError **error)
{
    return fetch_ticket(session, &((const Kept *) arg)->access, ticket, error);
}

VdTicketSource *
vs_disk_tickets_new(const char *session_name, const VsDiskAccess *access)
{
    Kept *kept = g_new(Kept, 1);

    kept->vm = vs_ref_copy(access->vm);
    kept->host = vs_ref_copy(access->host);
    kept->access = *access;
    kept->access.vm = kept->vm;
    kept->access.host = kept->host;
    return vs_ticket_source_new(session_name, kept_fetch, kept, kept_free);
}
