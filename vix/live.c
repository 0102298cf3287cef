/* SPDX-License-Identifier: BSD-3-Clause */
/* vix/live.c - what is alive: the library, connections, disk handles.
 *
 * Concurrency: everything under one lock, which is held for moments only, and
 * never while functions of the program are called.  Leaving a disk does without
 * it, unless somebody waits for that.
 */
#include "vix/live.h"

#include "vix/disk.h"
#include "vix/error.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned starts, n_closing;
static GHashTable *connections, *disks; /* sets; made by the first start */

/* -- the library ---------------------------------------------------------- */

bool
vix_live_start(void)
{
    bool first;

    (void) pthread_mutex_lock(&lock);
    first = starts++ == 0;
    if (!disks) {
        connections = g_hash_table_new(NULL, NULL);
        disks = g_hash_table_new(NULL, NULL);
    }
    (void) pthread_mutex_unlock(&lock);
    return first;
}

bool
vix_live_stop(void)
{
    bool last;

    (void) pthread_mutex_lock(&lock);
    last = starts == 1;
    if (starts > 0)
        starts--;
    (void) pthread_mutex_unlock(&lock);
    return last;
}

static VixError
fail_not_started(const char *function)
{
    return vix_fail(VIX_E_DISK_NOINIT,
                    "%s: VixDiskLib_InitEx() has not been called", function);
}

VixError
vix_live_check(const char *function)
{
    bool started;

    (void) pthread_mutex_lock(&lock);
    started = starts > 0;
    (void) pthread_mutex_unlock(&lock);
    return started ? VIX_OK : fail_not_started(function);
}

/* -- connections ---------------------------------------------------------- */

void
vix_live_add_connection(VixDiskLibConnection connection)
{
    (void) pthread_mutex_lock(&lock);
    g_hash_table_add(connections, connection);
    (void) pthread_mutex_unlock(&lock);
}

static VixError
fail_connection(const char *function, VixError code, const void *connection)
{
    if (code == VIX_E_DISK_NOINIT)
        return fail_not_started(function);
    if (code != VIX_OK)
        return vix_fail(code, "%s: %p is no connection", function, connection);
    return VIX_OK;
}

static VixError
look_connection_locked(const VixDiskLibConnection connection)
{
    if (starts == 0)
        return VIX_E_DISK_NOINIT;
    return g_hash_table_contains(connections, connection)
               ? VIX_OK
               : VIX_E_DISK_INVALID_CONNECTION;
}

VixError
vix_live_with_connection(const char *function,
                         const VixDiskLibConnection connection,
                         void (*fn)(VixDiskLibConnection connection, void *arg),
                         void *arg)
{
    VixError code;

    (void) pthread_mutex_lock(&lock);
    code = look_connection_locked(connection);
    if (code == VIX_OK && fn)
        fn(connection, arg);
    (void) pthread_mutex_unlock(&lock);
    return fail_connection(function, code, connection);
}

VixError
vix_live_check_connection(const char *function,
                          const VixDiskLibConnection connection)
{
    return vix_live_with_connection(function, connection, NULL, NULL);
}

VixError
vix_live_remove_connection(const char *function,
                           VixDiskLibConnection connection)
{
    VixError code;

    (void) pthread_mutex_lock(&lock);
    code = look_connection_locked(connection);
    if (code == VIX_OK)
        g_hash_table_remove(connections, connection);
    (void) pthread_mutex_unlock(&lock);
    return fail_connection(function, code, connection);
}

VixDiskLibConnection
vix_live_any_connection(void)
{
    VixDiskLibConnection found = NULL;
    GHashTableIter iter;
    gpointer key;

    (void) pthread_mutex_lock(&lock);
    if (connections) {
        g_hash_table_iter_init(&iter, connections);
        if (g_hash_table_iter_next(&iter, &key, NULL)) {
            found = key;
            g_hash_table_iter_remove(&iter);
        }
    }
    (void) pthread_mutex_unlock(&lock);
    return found;
}

/* -- entering disks ------------------------------------------------------- */

VixError
vix_live_add_disk(const char *function, VixDisk *disk,
                  VixDiskLibConnection connection)
{
    VixError code;

    (void) pthread_mutex_lock(&lock);
    code = look_connection_locked(connection);
    if (code == VIX_OK) {
        disk->gate.connection = connection;
        g_hash_table_add(disks, disk);
    }
    (void) pthread_mutex_unlock(&lock);
    return fail_connection(function, code, connection);
}

/* @disk is only looked into once it is known to be one. */
static VixError
look_locked(const VixDisk *disk)
{
    if (starts == 0)
        return VIX_E_DISK_NOINIT;
    if (!g_hash_table_contains(disks, disk))
        return VIX_E_INVALID_HANDLE;
    return VIX_OK;
}

static VixError
fail_disk(const char *function, VixError code, const void *disk)
{
    if (code == VIX_E_DISK_NOINIT)
        return fail_not_started(function);
    if (code == VIX_E_INVALID_HANDLE)
        return vix_fail(code, "%s: %p is no handle of an open disk", function,
                        disk);
    if (code == VIX_E_OBJECT_IS_BUSY)
        return vix_fail(code,
                        "%s: an operation on this disk is waiting for the "
                        "function that calls this",
                        function);
    return code;
}

/* Most threads have no disk of their own: NULL, which is no handle. */
static bool
is_callback_of(const VixDisk *disk)
{
    return disk && vix_async_own_disk() == disk;
}

static bool
is_alone_here(const VixDisk *disk)
{
    return disk->gate.occupied &&
           pthread_equal(disk->gate.alone, pthread_self());
}

/* @disk is one: until nobody is alone in there, or it is no disk any more. */
static VixError
wait_for_gate_locked(VixDisk *disk)
{
    while (disk->gate.occupied) {
        if (is_alone_here(disk))
            return VIX_E_OBJECT_IS_BUSY;
        (void) pthread_cond_wait(&changed, &lock);
        if (!g_hash_table_contains(disks, disk))
            return VIX_E_INVALID_HANDLE;
    }
    return VIX_OK;
}

/* Its own disk lives as long as a callback runs, and whoever is alone in there
 * waits for that: nothing to ask, nothing to count. */
static bool
is_in_callback(const VixDisk *disk)
{
    return is_callback_of(disk) && !g_atomic_int_get(&disk->gate.taken);
}

VixError
vix_live_enter(const char *function, VixDisk *disk)
{
    VixError code;

    if (is_in_callback(disk))
        return VIX_OK;
    (void) pthread_mutex_lock(&lock);
    code = look_locked(disk);
    if (code == VIX_OK)
        code = wait_for_gate_locked(disk);
    if (code == VIX_OK && disk->gate.consumed)
        code = VIX_E_INVALID_HANDLE;
    if (code == VIX_OK)
        (void) __atomic_add_fetch(&disk->gate.users, 1, __ATOMIC_SEQ_CST);
    (void) pthread_mutex_unlock(&lock);
    return code == VIX_OK ? VIX_OK : fail_disk(function, code, disk);
}

void
vix_live_leave(VixDisk *disk)
{
    vix_async_look_after(disk);
    if (is_callback_of(disk))
        return;
    /* From here on it may be gone. */
    if (__atomic_fetch_sub(&disk->gate.users, 1, __ATOMIC_SEQ_CST) !=
        (1 | VIX_GATE_AWAITED))
        return;
    (void) pthread_mutex_lock(&lock);
    (void) pthread_cond_broadcast(&changed);
    (void) pthread_mutex_unlock(&lock);
}

/* -- being alone ---------------------------------------------------------- */

/* Nobody enters meanwhile. */
static void
wait_left_locked(VixDisk *disk)
{
    unsigned *users = &disk->gate.users;

    while ((__atomic_fetch_or(users, VIX_GATE_AWAITED, __ATOMIC_SEQ_CST) &
            ~VIX_GATE_AWAITED) > 0)
        (void) pthread_cond_wait(&changed, &lock);
    (void) __atomic_fetch_and(users, ~VIX_GATE_AWAITED, __ATOMIC_SEQ_CST);
}

/* @disk is one. */
static VixError
enter_alone_locked(VixDisk *disk)
{
    VixError code = VIX_E_OBJECT_IS_BUSY;

    if (!is_callback_of(disk))
        code = wait_for_gate_locked(disk);
    if (code == VIX_OK && disk->gate.consumed)
        code = VIX_E_INVALID_HANDLE;
    if (code != VIX_OK)
        return code;
    disk->gate.occupied = true;
    disk->gate.alone = pthread_self();
    wait_left_locked(disk);
    return VIX_OK;
}

VixError
vix_live_enter_alone(const char *function, VixDisk *disk)
{
    VixError code;

    (void) pthread_mutex_lock(&lock);
    code = look_locked(disk);
    if (code == VIX_OK)
        code = enter_alone_locked(disk);
    (void) pthread_mutex_unlock(&lock);
    if (code != VIX_OK)
        return fail_disk(function, code, disk);
    vix_async_drain(disk);
    return VIX_OK;
}

void
vix_live_leave_alone(VixDisk *disk)
{
    (void) pthread_mutex_lock(&lock);
    disk->gate.occupied = false;
    (void) pthread_cond_broadcast(&changed);
    (void) pthread_mutex_unlock(&lock);
}

void
vix_live_consume(VixDisk *disk)
{
    (void) pthread_mutex_lock(&lock);
    disk->gate.consumed = true;
    (void) pthread_mutex_unlock(&lock);
}

static VixDisk *
find_locked(const VixDiskLibConnection connection)
{
    GHashTableIter iter;
    gpointer key;

    g_hash_table_iter_init(&iter, disks);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        VixDisk *disk = key;

        if (disk->gate.connection == connection && !disk->gate.consumed &&
            !is_alone_here(disk) && !is_callback_of(disk))
            return disk;
    }
    return NULL;
}

VixDisk *
vix_live_enter_any(const VixDiskLibConnection connection)
{
    VixDisk *disk;

    (void) pthread_mutex_lock(&lock);
    /* Whoever was in there may have taken it away meanwhile: look again. */
    do
        disk = disks ? find_locked(connection) : NULL;
    while (disk && enter_alone_locked(disk) != VIX_OK);
    (void) pthread_mutex_unlock(&lock);
    if (disk)
        vix_async_drain(disk);
    return disk;
}

/* -- closing -------------------------------------------------------------- */

void
vix_live_wait_left(VixDisk *disk)
{
    (void) pthread_mutex_lock(&lock);
    wait_left_locked(disk);
    (void) pthread_mutex_unlock(&lock);
}

VixError
vix_live_take(const char *function, VixDisk *disk, bool *consumed)
{
    VixError code;

    (void) pthread_mutex_lock(&lock);
    code = look_locked(disk);
    if (code == VIX_OK && disk->gate.occupied && is_callback_of(disk))
        code = VIX_E_OBJECT_IS_BUSY;
    if (code == VIX_OK)
        code = wait_for_gate_locked(disk);
    if (code == VIX_OK) {
        g_hash_table_remove(disks, disk);
        g_atomic_int_set(&disk->gate.taken, 1);
        *consumed = disk->gate.consumed;
        if (!is_callback_of(disk))
            wait_left_locked(disk);
    }
    (void) pthread_mutex_unlock(&lock);
    return code == VIX_OK ? VIX_OK : fail_disk(function, code, disk);
}

VixDisk *
vix_live_take_consumed(void)
{
    VixDisk *found = NULL;
    GHashTableIter iter;
    gpointer key;

    (void) pthread_mutex_lock(&lock);
    if (disks) {
        g_hash_table_iter_init(&iter, disks);
        while (!found && g_hash_table_iter_next(&iter, &key, NULL))
            if (((VixDisk *) key)->gate.consumed)
                found = key;
        if (found)
            g_hash_table_remove(disks, found);
    }
    (void) pthread_mutex_unlock(&lock);
    return found;
}

void
vix_live_begin_closing(void)
{
    (void) pthread_mutex_lock(&lock);
    n_closing++;
    (void) pthread_mutex_unlock(&lock);
}

void
vix_live_end_closing(void)
{
    (void) pthread_mutex_lock(&lock);
    n_closing--;
    (void) pthread_cond_broadcast(&changed);
    (void) pthread_mutex_unlock(&lock);
}

void
vix_live_wait_closing(void)
{
    (void) pthread_mutex_lock(&lock);
    while (n_closing > 0)
        (void) pthread_cond_wait(&changed, &lock);
    (void) pthread_mutex_unlock(&lock);
}
