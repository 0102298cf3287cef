/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/web.c - VMDK files over HTTPS, opened in a session.
 *
 * The cookie that lets the session in lets its owner read files, too.  When a
 * server does not know it any more (401) the driver asks for another one, and
 * the session is logged in again if it has to be.
 *
 * Concurrency: no state but what a source was made with, which does not change.
 */
#include "vsphere/web.h"

#include "vsphere/password.h"

typedef struct {
    char *url; /* or NULL */
    bool with_cookie;
} Admission;

static void
admission_free(void *opaque)
{
    Admission *a = opaque;

    vs_wipe(a->url);
    g_free(a);
}

static bool
add_cookie(VsSession *session, VdTicket *ticket, GError **error)
{
    char *cookie = vs_session_fresh_cookie(session, error);

    if (!cookie)
        return false;
    ticket->headers = g_new0(char *, 2);
    ticket->headers[0] =
        g_strdup_printf("Cookie: " VS_SESSION_COOKIE "=%s", cookie);
    vs_wipe(cookie);
    return true;
}

static bool
admission_fetch(VsSession *session, const void *arg, VdTicket *ticket,
                GError **error)
{
    const Admission *a = arg;

    ticket->url = g_strdup(a->url);
    return !a->with_cookie || add_cookie(session, ticket, error);
}

VdTicketSource *
vs_web_tickets_new(const char *session_name, const VsWebFile *file)
{
    Admission *a = g_new(Admission, 1);

    *a = (Admission){
        .url = g_strdup(file->secret_url),
        .with_cookie = file->with_cookie,
    };
    return vs_ticket_source_new(session_name, admission_fetch, a,
                                admission_free);
}

static void
set(VdOptions *opts, const char *key, const char *value)
{
    if (value)
        vd_options_set(opts, key, value);
}

VdOptions *
vs_web_options(const VsSession *session, const VsWebFile *file,
               const VdTicketSource *tickets)
{
    const VsTrust *trust = vs_session_trust(session);
    VdOptions *opts = vd_options_new();

    set(opts, "driver", "vmdk");
    set(opts, "file.driver", "https");
    set(opts, "file.url", file->url);
    set(opts, "file.ticket-source", vd_ticket_source_name(tickets));
    set(opts, "file.thumbprint",
        file->thumbprint ? file->thumbprint : trust->thumbprint);
    set(opts, "file.ca-file", trust->ca_file);
    set(opts, "file.proxy", trust->proxy);
    set(opts, "file.sslverify", trust->insecure ? "off" : NULL);
    return opts;
}
