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

#include <string.h>

typedef struct {
    char *url; /* or NULL */
    bool with_cookie;
    VsFate *fate; /* or NULL */
    const char *header;
} Admission;

static void
admission_free(void *opaque)
{
    Admission *a = opaque;

    vs_wipe(a->url);
    vs_fate_unref(a->fate);
    g_free(a);
}

static bool
add_cookie(VsSession *session, GPtrArray *headers, GError **error)
{
    char *cookie = vs_session_fresh_cookie(session, error);

    if (!cookie)
        return false;
    g_ptr_array_add(
        headers, g_strdup_printf("Cookie: " VS_SESSION_COOKIE "=%s", cookie));
    vs_wipe(cookie);
    return true;
}

static bool
admission_fetch(VsSession *session, const void *arg, VdTicket *ticket,
                GError **error)
{
    const Admission *a = arg;
    g_autoptr(GPtrArray) headers = g_ptr_array_new_with_free_func(g_free);

    if ((a->fate && !vs_fate_check(a->fate, error)) ||
        (a->with_cookie && !add_cookie(session, headers, error)))
        return false;
    if (a->header)
        g_ptr_array_add(headers, g_strdup(a->header));
    g_ptr_array_add(headers, NULL);
    ticket->headers = (char **) g_ptr_array_steal(headers, NULL);
    ticket->url = g_strdup(a->url);
    if (a->fate)
        ticket->cancel = vio_cancel_ref(vs_fate_cancel(a->fate));
    return true;
}

VdTicketSource *
vs_web_tickets_new(const char *session_name, const VsWebFile *file)
{
    Admission *a = g_new(Admission, 1);

    *a = (Admission){
        .url = g_strdup(file->secret_url),
        .with_cookie = file->with_cookie,
        .fate = file->fate ? vs_fate_ref(file->fate) : NULL,
        .header = file->header,
    };
    return vs_ticket_source_new(session_name, admission_fetch, a,
                                admission_free);
}

/* -- options of "https" ------------------------------------------------------
 */

typedef struct {
    const char *key, *value; /* NULL = is not said */
} Pair;

#define N_PAIRS 6

static void
collect(const VsSession *session, const VsWebFile *file,
        const VdTicketSource *tickets, Pair pairs[N_PAIRS])
{
    const VsTrust *trust = vs_session_trust(session);
    const Pair all[N_PAIRS] = {
        {"ticket-source", vd_ticket_source_name(tickets)},
        {"thumbprint", file->thumbprint ? file->thumbprint : trust->thumbprint},
        {"ca-file", trust->ca_file},
        {"proxy", trust->proxy},
        {"sslverify", trust->insecure ? "off" : NULL},
        {"timeout", file->timeout},
    };

    memcpy(pairs, all, sizeof(all));
}

VdOptions *
vs_web_options(const VsSession *session, const VsWebFile *file,
               const VdTicketSource *tickets)
{
    VdOptions *opts = vd_options_new();
    Pair pairs[N_PAIRS];

    collect(session, file, tickets, pairs);
    vd_options_set(opts, "driver", "vmdk");
    vd_options_set(opts, "file.driver", "https");
    vd_options_set(opts, "file.url", file->url);
    for (unsigned i = 0; i < N_PAIRS; i++) {
        g_autofree char *key = g_strconcat("file.", pairs[i].key, NULL);

        if (pairs[i].value)
            vd_options_set(opts, key, pairs[i].value);
    }
    return opts;
}

/* In a list of options a comma that is none of the list's stands twice. */
static void
add_option(GString *name, const char *key, const char *value)
{
    g_auto(GStrv) parts = g_strsplit(value, ",", -1);
    g_autofree char *text = g_strjoinv(",,", parts);

    g_string_append_printf(name, ",%s=%s", key, text);
}

char *
vs_web_new_name(const VsSession *session, const VsWebFile *file,
                const VdTicketSource *tickets, const char *type)
{
    GString *name = g_string_new(file->url);
    Pair pairs[N_PAIRS];

    collect(session, file, tickets, pairs);
    g_string_append_printf(name, "#post=%s", type);
    for (unsigned i = 0; i < N_PAIRS; i++)
        if (pairs[i].value)
            add_option(name, pairs[i].key, pairs[i].value);
    return g_string_free(name, FALSE);
}
