/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/published.c - sessions by name, so that options can mean one, and
 * names of disks, too.
 *
 * Concurrency: any thread; one lock, held for moments.
 */
#include "vsphere/session.h"

static GMutex lock;
static GHashTable *published; /* name -> VsSession, with a reference */
static GHashTable *lent;      /* name of a disk -> name of a session */

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

static gboolean
is_lent_by(gpointer disk, gpointer session, gpointer name)
{
    return g_str_equal(session, name);
}

/* Lock held. */
static void
take_back(const char *name)
{
    if (!lent)
        return;
    (void) g_hash_table_foreach_remove(lent, is_lent_by, (gpointer) name);
    if (g_hash_table_size(lent) == 0)
        g_clear_pointer(&lent, g_hash_table_unref);
}

void
vs_session_forget(const char *name)
{
    VsSession *session = NULL;

    g_mutex_lock(&lock);
    take_back(name);
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

void
vs_session_lend(const char *name, const char *disk)
{
    g_mutex_lock(&lock);
    if (!lent)
        lent = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_hash_table_insert(lent, g_strdup(disk), g_strdup(name));
    g_mutex_unlock(&lock);
}

char *
vs_session_lent(const char *disk)
{
    char *name;

    g_mutex_lock(&lock);
    name = lent ? g_strdup(g_hash_table_lookup(lent, disk)) : NULL;
    g_mutex_unlock(&lock);
    return name;
}
