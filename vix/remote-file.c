/* SPDX-License-Identifier: BSD-3-Clause */
/* vix/remote-file.c - what servers do with files of disks.
 *
 * Concurrency: any thread; calls of a connection go one after another.
 */
#include "vix/remote-file.h"

#include "vix/error.h"
#include "vix/progress.h"

/* What the file of a server is named by; the session to ask. */
static VdVsphere *
begin(const char *function, VixRemote *remote, const char *path,
      VdVsphereFile *file, VixError *err)
{
    *err = vix_remote_check_writable(function, remote, path);
    if (*err != VIX_OK)
        return NULL;
    file->vm = vix_remote_vm(remote);
    file->path = path;
    if (!file->vm) {
        *err = vix_fail(VIX_E_NOT_SUPPORTED,
                        "%s: %s: %s: a virtual machine must be named", function,
                        vix_remote_server(remote), path);
        return NULL;
    }
    return vix_remote_session(function, remote, err);
}

/* Servers know geometries themselves. */
VixError
vix_remote_grow(const char *function, VixRemote *remote, const char *path,
                VixDiskLibSectorType capacity, VixDiskLibProgressFunc progress,
                void *data)
{
    g_autoptr(GError) error = NULL;
    VixProgress told;
    VdVsphereFile file = {.progress = vix_progress_percent, .opaque = &told};
    VdVsphere *session;
    VixError err;
    bool ok;

    if (capacity > G_MAXINT64 / VIXDISKLIB_SECTOR_SIZE)
        return vix_fail(VIX_E_ARGUMENT_TOO_BIG,
                        "%s: %s: a capacity of %" G_GUINT64_FORMAT " sectors",
                        function, path, capacity);
    session = begin(function, remote, path, &file, &err);
    if (session)
        err = vix_progress_begin(&told, function, NULL, progress, data);
    if (err != VIX_OK)
        return err;
    ok = vd_vsphere_file_extend(session, &file,
                                capacity * VIXDISKLIB_SECTOR_SIZE, &error);
    if (!ok)
        err = vix_fail_disk(function, error);
    vix_progress_end(&told, ok);
    return err;
}

VixError
vix_remote_unlink(const char *function, VixRemote *remote, const char *path)
{
    g_autoptr(GError) error = NULL;
    VdVsphereFile file = {0};
    VixError err;
    VdVsphere *session = begin(function, remote, path, &file, &err);

    if (session && !vd_vsphere_file_delete(session, &file, &error))
        err = vix_fail_disk(function, error);
    return err;
}
