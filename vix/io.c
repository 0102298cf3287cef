/* SPDX-License-Identifier: BSD-3-Clause */
/* vix/io.c - reading and writing, one request at a time.
 *
 * The calling thread does it all; threads that come together take turns.
 *
 * Concurrency: any thread.
 */
#include "vix/disk.h"
#include "vix/error.h"
#include "vix/live.h"

static VixError
check_range(const char *function, const VixDisk *disk,
            VixDiskLibSectorType start, VixDiskLibSectorType count)
{
    if (start <= disk->capacity && count <= disk->capacity - start)
        return VIX_OK;
    return vix_fail(VIX_E_DISK_OUTOFRANGE,
                    "%s: %s: %" G_GUINT64_FORMAT
                    " sectors at sector %" G_GUINT64_FORMAT
                    ", the disk has %" G_GUINT64_FORMAT,
                    function, disk->path, count, start, disk->capacity);
}

static VixError
check_writable(const char *function, const VixDisk *disk)
{
    if (vix_disk_is_writable(disk) && !disk->has_child)
        return VIX_OK;
    return vix_fail(VIX_E_FILE_READ_ONLY, "%s: %s: %s", function, disk->path,
                    disk->has_child
                        ? "has got a child, which would no longer fit"
                        : "is open read-only");
}

VixError
vix_disk_check_request(const char *function, const VixDisk *disk,
                       VixDiskLibSectorType start, VixDiskLibSectorType count,
                       bool has_buffer, bool writes)
{
    VixError err = check_range(function, disk, start, count);

    if (err == VIX_OK && writes)
        err = check_writable(function, disk);
    if (err == VIX_OK && count > 0 && !has_buffer)
        err = vix_fail(VIX_E_INVALID_ARG, "%s: no buffer", function);
    return err;
}

/* VIX_OK once the calling thread is inside the disk and the request makes
 * sense; otherwise it is not inside. */
static VixError
enter_for(const char *function, VixDisk *disk, VixDiskLibSectorType start,
          VixDiskLibSectorType count, bool has_buffer, bool writes)
{
    VixError err = vix_live_enter(function, disk);

    if (err != VIX_OK)
        return err;
    err = vix_disk_check_request(function, disk, start, count, has_buffer,
                                 writes);
    if (err != VIX_OK)
        vix_live_leave(disk);
    return err;
}

static VixError
enter(const char *function, VixDisk *disk, VixDiskLibSectorType start,
      VixDiskLibSectorType count, bool has_buffer)
{
    return enter_for(function, disk, start, count, has_buffer, false);
}

static VixError
enter_writing(const char *function, VixDisk *disk, VixDiskLibSectorType start,
              VixDiskLibSectorType count, bool has_buffer)
{
    return enter_for(function, disk, start, count, has_buffer, true);
}

static VixError
leave(const char *function, VixDisk *disk, bool ok, const GError *error)
{
    VixError err = ok ? VIX_OK : vix_fail_disk(function, error);

    vix_live_leave(disk);
    return err;
}

VixError
VixDiskLib_Read(VixDiskLibHandle diskHandle, VixDiskLibSectorType startSector,
                VixDiskLibSectorType numSectors, uint8 *readBuffer)
{
    const char *function = "VixDiskLib_Read";
    g_autoptr(GError) error = NULL;
    VixError err =
        enter(function, diskHandle, startSector, numSectors, readBuffer);
    bool ok;

    if (err != VIX_OK)
        return err;
    ok = vd_disk_pread(diskHandle->disk, readBuffer, vix_bytes(numSectors),
                       vix_bytes(startSector), &error);
    return leave(function, diskHandle, ok, error);
}

VixError
VixDiskLib_Write(VixDiskLibHandle diskHandle, VixDiskLibSectorType startSector,
                 VixDiskLibSectorType numSectors, const uint8 *writeBuffer)
{
    const char *function = "VixDiskLib_Write";
    g_autoptr(GError) error = NULL;
    VixError err = enter_writing(function, diskHandle, startSector, numSectors,
                                 writeBuffer);
    bool ok;

    if (err != VIX_OK)
        return err;
    ok = vd_disk_pwrite(diskHandle->disk, writeBuffer, vix_bytes(numSectors),
                        vix_bytes(startSector), 0, &error);
    return leave(function, diskHandle, ok, error);
}

VixError
VixDiskLib_Flush(VixDiskLibHandle diskHandle)
{
    const char *function = "VixDiskLib_Flush";
    g_autoptr(GError) error = NULL;
    VixError err = vix_live_enter(function, diskHandle);
    bool ok;

    if (err != VIX_OK)
        return err;
    ok = vd_disk_flush(diskHandle->disk, &error);
    return leave(function, diskHandle, ok, error);
}

VixError
VixDiskLibExt_WriteZeroes(VixDiskLibHandle diskHandle,
                          VixDiskLibSectorType startSector,
                          VixDiskLibSectorType numSectors, uint32 flags)
{
    const char *function = "VixDiskLibExt_WriteZeroes";
    g_autoptr(GError) error = NULL;
    VixError err =
        enter_writing(function, diskHandle, startSector, numSectors, true);
    bool ok;

    if (err != VIX_OK)
        return err;
    ok = vd_disk_write_zeroes(diskHandle->disk, vix_bytes(startSector),
                              vix_bytes(numSectors), vix_zero_flags(flags),
                              &error);
    return leave(function, diskHandle, ok, error);
}

VixError
VixDiskLibExt_Discard(VixDiskLibHandle diskHandle,
                      VixDiskLibSectorType startSector,
                      VixDiskLibSectorType numSectors)
{
    const char *function = "VixDiskLibExt_Discard";
    g_autoptr(GError) error = NULL;
    VixError err =
        enter_writing(function, diskHandle, startSector, numSectors, true);
    bool ok;

    if (err != VIX_OK)
        return err;
    ok = vd_disk_discard(diskHandle->disk, vix_bytes(startSector),
                         vix_bytes(numSectors), &error);
    return leave(function, diskHandle, ok, error);
}
