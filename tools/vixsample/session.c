/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/vixsample/session.c - from InitEx to Exit, and the disks between.
 *
 * Concurrency: begun and ended on the main thread.  Disks may be opened and
 * closed on any thread; VMware's library wants that done one at a time, so a
 * lock is held meanwhile.
 */
#include "tools/vixsample/session.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/vixsample/commands.h"
#include "tools/vixsample/connect.h"
#include "tools/vixsample/interrupt.h"
#include "tools/vixsample/report.h"

/* The least that has all we use. */
#define API_MAJOR 6
#define API_MINOR 5

#define BUFFER_ALIGNMENT 4096

struct Session {
    const Options *opts;
    VixDiskLibConnectParams *params;
    VixDiskLibConnection connection, local;
    bool initialised, prepared, cleanup;
    GMutex lock;      /* for disks, and for Open and Close */
    GPtrArray *disks; /* open ones, the newest last */
};

/* InitEx where the options speak of a configuration file, as VMware's sample
 * does it. */
static bool
library_start(Session *session)
{
    const Options *opts = session->opts;

    report_set_verbose(opts->verbose);
    if (!opts->config)
        return CALL(VixDiskLib_Init, API_MAJOR, API_MINOR, report_log,
                    report_warn, report_panic, opts->libdir);
    return CALL(VixDiskLib_InitEx, API_MAJOR, API_MINOR, report_log,
                report_warn, report_panic, opts->libdir,
                *opts->config ? opts->config : NULL);
}

/* Machines and first class disks must not move meanwhile.  Hosts without a
 * vCenter cannot promise it; that is told, but is no reason to give up. */
static void
access_prepare(Session *session)
{
    const RemoteOptions *remote = &session->opts->remote;

    if (!remote->vm && !remote->fcd_id)
        return;
    /* Must be ended whatever it says, and so must not be killed. */
    session->prepared = true;
    interrupt_begin();
    (void) CALL(VixDiskLib_PrepareForAccess, session->params, PROGRAM);
}

static bool
connection_start(Session *session)
{
    const Options *opts = session->opts;
    bool read_only = !(opts->command->flags & COMMAND_WRITES);

    session->params = connect_params_new(opts);
    if (!session->params)
        return false;
    session->cleanup = opts->cleanup;
    access_prepare(session);
    return connect_open(opts, session->params, read_only, &session->connection);
}

Session *
session_begin(const Options *opts)
{
    Session *session = g_new0(Session, 1);

    session->opts = opts;
    session->disks = g_ptr_array_new();
    g_mutex_init(&session->lock);
    bool ok = session->initialised = library_start(session);
    if (ok && !(opts->command->flags & COMMAND_NO_CONNECT))
        ok = connection_start(session);
    if (ok)
        return session;
    session_end(session);
    session_free(session);
    return NULL;
}

void
session_free(Session *session)
{
    g_ptr_array_unref(session->disks);
    g_mutex_clear(&session->lock);
    g_free(session);
}

static bool
access_end(Session *session)
{
    if (!session->prepared)
        return true;
    session->prepared = false;
    bool ok = CALL(VixDiskLib_EndAccess, session->params, PROGRAM);
    interrupt_end();
    return ok;
}

static bool
cleanup(Session *session)
{
    uint32 done = 0, left = 0;

    if (!session->cleanup)
        return true;
    session->cleanup = false;
    if (!CALL(VixDiskLib_Cleanup, session->params, &done, &left))
        return false;
    printf("cleanup: %u cleaned up, %u remaining\n", done, left);
    return true;
}

static bool
disconnect(VixDiskLibConnection *connection)
{
    VixDiskLibConnection old = g_steal_pointer(connection);

    return !old || CALL(VixDiskLib_Disconnect, old);
}

bool
session_end(Session *session)
{
    bool ok = true;

    while (session->disks->len > 0)
        ok &=
            session_close(session, g_ptr_array_index(session->disks,
                                                     session->disks->len - 1));
    ok &= disconnect(&session->local);
    ok &= disconnect(&session->connection);
    ok &= access_end(session);
    ok &= cleanup(session);
    if (session->params)
        connect_params_free(g_steal_pointer(&session->params));
    if (session->initialised)
        VIX(VixDiskLib_Exit)();
    session->initialised = false;
    return ok;
}

VixDiskLibConnection
session_connection(const Session *session)
{
    return session->connection;
}

VixDiskLibConnection
session_local(Session *session)
{
    if (!session->opts->is_remote)
        return session->connection;
    if (!session->local && !connect_open_local(&session->local))
        return NULL;
    return session->local;
}

uint32
session_open_flags(const Options *opts)
{
    return (opts->single ? VIXDISKLIB_FLAG_OPEN_SINGLE_LINK : 0) |
           (opts->unbuffered ? VIXDISKLIB_FLAG_OPEN_UNBUFFERED : 0) |
           (uint32) opts->compress;
}

VixDiskLibHandle
session_open(Session *session, VixDiskLibConnection connection,
             const char *path, uint32 flags)
{
    VixDiskLibHandle disk = NULL;

    g_mutex_lock(&session->lock);
    if (CALL(VixDiskLib_Open, connection, path, flags, &disk))
        g_ptr_array_add(session->disks, disk);
    else
        disk = NULL;
    g_mutex_unlock(&session->lock);
    return disk;
}

VixDiskLibHandle
session_open_disk(Session *session, const Options *opts, uint32 more)
{
    return session_open(session, session->connection, opts->path,
                        session_open_flags(opts) | more);
}

bool
session_close(Session *session, VixDiskLibHandle disk)
{
    g_mutex_lock(&session->lock);
    g_ptr_array_remove(session->disks, disk);
    bool ok = CALL(VixDiskLib_Close, disk);
    g_mutex_unlock(&session->lock);
    return ok;
}

void
session_forget(Session *session, VixDiskLibHandle disk)
{
    g_mutex_lock(&session->lock);
    g_ptr_array_remove(session->disks, disk);
    g_mutex_unlock(&session->lock);
}

VixDiskLibInfo *
session_info(VixDiskLibHandle disk)
{
    VixDiskLibInfo *info = NULL;

    return CALL(VixDiskLib_GetInfo, disk, &info) ? info : NULL;
}

bool
session_capacity(VixDiskLibHandle disk, uint64_t *capacity)
{
    VixDiskLibInfo *info = session_info(disk);

    if (!info)
        return false;
    *capacity = info->capacity;
    VIX(VixDiskLib_FreeInfo)(info);
    return true;
}

bool
session_range(VixDiskLibHandle disk, const Options *opts, uint64_t *start,
              uint64_t *count)
{
    uint64_t capacity;

    *start = opts->start;
    *count = opts->count;
    if (opts->count != OPTION_NONE)
        return true; /* past the end: the library shall say so */
    if (!session_capacity(disk, &capacity))
        return false;
    if (opts->start > capacity) {
        report_error("-start: the disk has %" PRIu64 " sectors", capacity);
        return false;
    }
    *count = capacity - opts->start;
    return true;
}

uint64_t
session_count_or_one(const Options *opts)
{
    return opts->count == OPTION_NONE ? 1 : opts->count;
}

uint8 *
session_buffer(uint64_t sectors)
{
    void *buffer = NULL;

    if (posix_memalign(&buffer, BUFFER_ALIGNMENT,
                       sectors * VIXDISKLIB_SECTOR_SIZE) == 0)
        return buffer;
    report_error("no memory for %" PRIu64 " sectors", sectors);
    return NULL;
}
