/* SPDX-License-Identifier: BSD-3-Clause */
/* block/http-access.c - sources of tickets and cookies, by name.
 *
 * Concurrency: one lock over the table, held for moments.
 */
#include "block/http-access.h"

struct VdHttpAccess {
    int refs; /* atomic: the table's and those of disks */
    VdHttpAccessFunc co_get;
    void *arg;
    GDestroyNotify free_arg;
};

static GMutex access_lock;
static GHashTable *access_table; /* name -> VdHttpAccess; made on demand */

void
vd_http_access_unref(VdHttpAccess *access)
{
    if (!access || !g_atomic_int_dec_and_test(&access->refs))
        return;
    if (access->free_arg)
        access->free_arg(access->arg);
    g_free(access);
}

static void
access_unref(gpointer access)
{
    vd_http_access_unref(access);
}

char *
vd_http_access_add(VdHttpAccessFunc co_get, void *arg, GDestroyNotify free_arg)
{
    VdHttpAccess *access = g_new(VdHttpAccess, 1);
    char *name = g_uuid_string_random();

    *access = (VdHttpAccess){
        .refs = 1, .co_get = co_get, .arg = arg, .free_arg = free_arg};
    g_mutex_lock(&access_lock);
    if (!access_table)
        access_table = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                             access_unref);
    g_hash_table_insert(access_table, g_strdup(name), access);
    g_mutex_unlock(&access_lock);
    return name;
}

/* Its end may take a lock of whoever it belongs to. */
void
vd_http_access_remove(const char *name)
{
    VdHttpAccess *access = NULL;
    char *key = NULL;

    g_mutex_lock(&access_lock);
    if (access_table)
        (void) g_hash_table_steal_extended(
            access_table, name, (gpointer *) &key, (gpointer *) &access);
    if (access_table && g_hash_table_size(access_table) == 0)
        g_clear_pointer(&access_table, g_hash_table_unref);
    g_mutex_unlock(&access_lock);
    g_free(key);
    vd_http_access_unref(access);
}

VdHttpAccess *
vd_http_access_ref(const char *name)
{
    VdHttpAccess *access;

    g_mutex_lock(&access_lock);
    access = access_table ? g_hash_table_lookup(access_table, name) : NULL;
    if (access)
        g_atomic_int_inc(&access->refs);
    g_mutex_unlock(&access_lock);
    return access;
}

bool
vd_http_access_co_get(VdHttpAccess *access, VioLoop *loop, char ***headers,
                      GError **error)
{
    return access->co_get(access->arg, loop, headers, error);
}
