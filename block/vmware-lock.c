/* SPDX-License-Identifier: BSD-3-Clause */
/* block/vmware-lock.c - asking about VMware's locks, and waiting for them.
 *
 * Concurrency: asking: any thread.  Waiting: the coroutine sleeps, looks are on
 * workers; a lock belongs to whoever took it.
 */
#include "block/vmware-lock.h"

#include "block/vmware-member.h"
#include "io/offload.h"
#include "io/op.h"

#include <dirent.h>
#include <string.h>

#define FIRST_PAUSE_NS (UINT64_C(2) * 1000000)
#define LONGEST_PAUSE_NS (UINT64_C(200) * 1000000)

bool
vd_vmware_lock_check(const char *path, GError **error)
{
    g_autofree char *lock_dir = g_strconcat(path, ".lck", NULL);
    DIR *dir = opendir(lock_dir);
    const struct dirent *entry;
    bool ok = true;

    while (dir && ok && (entry = readdir(dir))) {
        VdVmwareMember member;

        if (vd_vmware_name_kind(entry->d_name) != VD_VMWARE_NAME_MEMBER)
            continue;
        vd_vmware_member_read(dirfd(dir), entry->d_name, &member);
        if (!member.gone && !member.stale)
            ok = vd_vmware_member_throw(&member, lock_dir, entry->d_name, path,
                                        error);
    }
    if (dir)
        (void) closedir(dir); /* was only read */
    return ok;
}

/* -- taking ---------------------------------------------------------------- */

typedef struct {
    const char *path;
    bool exclusive;
    VdVmwareLock *lock;
    VdVmwareTurn turn;
    GError *error;
} LockWork;

static void
look_work(void *opaque)
{
    LockWork *work = opaque;

    work->turn = vd_vmware_lock_look(work->lock, &work->error);
}

static void
enter_work(void *opaque)
{
    LockWork *work = opaque;

    work->turn = VD_VMWARE_FAILED;
    work->lock =
        vd_vmware_lock_enter(work->path, work->exclusive, &work->error);
    if (work->lock)
        look_work(work);
}

static void
release_work(void *opaque)
{
    vd_vmware_lock_release(opaque);
}

/* Until it is granted, or the time is over: shared locks of many are let go at
 * the same moment, so looks begin close together. */
static bool
lock_co_wait(const VdEnv *env, LockWork *work, GError **error)
{
    int64_t deadline = g_get_monotonic_time() + env->lock_wait_ms * 1000ll;
    uint64_t pause = FIRST_PAUSE_NS;

    while (work->turn == VD_VMWARE_CHOOSING || work->turn == VD_VMWARE_HELD) {
        int64_t left = deadline - g_get_monotonic_time();

        if (work->turn == VD_VMWARE_HELD && left <= 0)
            return vd_vmware_lock_throw(work->lock, error);
        if (work->turn == VD_VMWARE_HELD)
            pause = MIN(pause, (uint64_t) left * 1000);
        if (vio_co_sleep(env->loop, pause, env->cancel) < 0)
            return vd_throw(error, VD_ERROR_CANCELLED,
                            "%s: waiting for its lock was cancelled",
                            work->path);
        pause = MIN(2 * pause, LONGEST_PAUSE_NS);
        vio_co_offload(env->loop, look_work, work);
    }
    if (work->turn == VD_VMWARE_GRANTED)
        return true;
    g_propagate_error(error, work->error);
    return false;
}

VdVmwareLock *
vd_vmware_co_lock(const VdEnv *env, const char *path, bool exclusive,
                  GError **error)
{
    LockWork work = {.path = path, .exclusive = exclusive};

    vio_co_offload(env->loop, enter_work, &work);
    if (lock_co_wait(env, &work, error))
        return work.lock;
    vd_vmware_co_unlock(env->loop, work.lock);
    return NULL;
}

void
vd_vmware_co_unlock(VioLoop *loop, VdVmwareLock *lock)
{
    if (lock)
        vio_co_offload(loop, release_work, lock);
}
