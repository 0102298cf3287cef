/* SPDX-License-Identifier: BSD-3-Clause */
/* block/tickets.c - where a driver gets admission to a server from.
 *
 * Concurrency: one lock over the table and the counts, held for moments.
 */
#include "block/tickets.h"

#include <string.h>

struct VdTicketSource {
    unsigned refs; /* under the lock */
    char *name;
    VdTicketFunc co_get;
    void *arg;
    GDestroyNotify free_arg;
};

static GMutex sources_lock;
static GHashTable *sources; /* name -> VdTicketSource, without a reference */

/* -- tickets --------------------------------------------------------------- */

static void
wipe(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret));
    g_free(secret);
}

void
vd_ticket_clear(VdTicket *ticket)
{
    g_free(ticket->host);
    g_free(ticket->service);
    g_free(ticket->thumbprint);
    wipe(ticket->session_id);
    wipe(ticket->url);
    g_clear_pointer(&ticket->cancel, vio_cancel_unref);
    for (char **line = ticket->headers; line && *line; line++)
        wipe(*line);
    g_free(ticket->headers);
    *ticket = (VdTicket){0};
}

/* -- sources --------------------------------------------------------------- */

VdTicketSource *
vd_ticket_source_new(VdTicketFunc co_get, void *arg, GDestroyNotify free_arg)
{
    VdTicketSource *source = g_new0(VdTicketSource, 1);

    source->refs = 1;
    source->name = g_uuid_string_random();
    source->co_get = co_get;
    source->arg = arg;
    source->free_arg = free_arg;
    g_mutex_lock(&sources_lock);
    if (!sources)
        sources = g_hash_table_new(g_str_hash, g_str_equal);
    g_hash_table_insert(sources, source->name, source);
    g_mutex_unlock(&sources_lock);
    return source;
}

const char *
vd_ticket_source_name(const VdTicketSource *source)
{
    return source->name;
}

static void
forget_locked(const VdTicketSource *source)
{
    if (!g_hash_table_remove(sources, source->name) ||
        g_hash_table_size(sources) > 0)
        return;
    g_clear_pointer(&sources, g_hash_table_unref);
}

void
vd_ticket_source_close(VdTicketSource *source)
{
    g_mutex_lock(&sources_lock);
    if (sources)
        forget_locked(source);
    g_mutex_unlock(&sources_lock);
    vd_ticket_source_unref(source);
}

VdTicketSource *
vd_ticket_source_find(const char *name)
{
    VdTicketSource *source;

    g_mutex_lock(&sources_lock);
    source = sources ? g_hash_table_lookup(sources, name) : NULL;
    if (source)
        source->refs++;
    g_mutex_unlock(&sources_lock);
    return source;
}

bool
vd_ticket_source_co_get(VdTicketSource *source, VioLoop *loop,
                        VioCancel *cancel, VdTicket *ticket, GError **error)
{
    return source->co_get(source->arg, loop, cancel, ticket, error);
}

void
vd_ticket_source_unref(VdTicketSource *source)
{
    bool last;

    g_mutex_lock(&sources_lock);
    last = --source->refs == 0;
    g_mutex_unlock(&sources_lock);
    if (!last)
        return;
    if (source->free_arg)
        source->free_arg(source->arg);
    g_free(source->name);
    g_free(source);
}
