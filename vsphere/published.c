/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/published.c - sessions by name, so that options can mean one.
 *
 * Concurrency: any thread; one lock, held for moments.
 */
#include "vsphere/session.h"

static GMutex lock;
static GHashTable *published; /* name -> VsSession, with a reference */

char *
vs_session_publish(VsSession *session)
{
    char *name = g_uuid_string_random();

    g_mutex_lock(&lock);
    if (!published)
        published =
            g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_hash_table_insert(published, g_strdup(name), vs_session_ref(session));
    g_mutex_unlock(&lock);
    return name;
}

void
vs_session_forget(const char *name)
{
    VsSession *session = NULL;

    g_mutex_lock(&lock);
    if (published) {
        session = g_hash_table_lookup(published, name);
        g_hash_table_remove(published, name);
        if (g_hash_table_size(published) == 0)
            g_clear_pointer(&published, g_hash_table_unref);
    }
    g_mutex_unlock(&lock);
    vs_session_unref(session); /* may log out: not under the lock */
}

VsSession *
vs_session_find(const char *name)
{
    VsSession *session = NULL;

    g_mutex_lock(&lock);
    if (published)
        session = g_hash_table_lookup(published, name);
    if (session)
        (void) vs_session_ref(session);
    g_mutex_unlock(&lock);
    return session;
}
