/* SPDX-License-Identifier: BSD-3-Clause */
/* vix/library.c - the library's beginning and end.
 *
 * Nothing is started here: contexts and threads come with disks, so that a
 * process may fork after VixDiskLib_InitEx().
 *
 * Concurrency: any thread; calls are counted.
 */
#include "include/vixDiskLib.h"

#include "vix/abi.h"
#include "vix/config.h"
#include "vix/connection.h"
#include "vix/disk.h"
#include "vix/error.h"
#include "vix/live.h"
#include "vix/log.h"

VixError
VixDiskLib_Init(uint32 majorVersion, uint32 minorVersion,
                VixDiskLibGenericLogFunc *log, VixDiskLibGenericLogFunc *warn,
                VixDiskLibGenericLogFunc *panic, const char *libDir)
{
    return VixDiskLib_InitEx(majorVersion, minorVersion, log, warn, panic,
                             libDir, NULL);
}

/* Programs look for the first words in their logs. */
static void
log_banner(uint32 major, uint32 minor)
{
    vix_log("VMware VixDiskLib (%u.0) Release build-0 (vdisk %s; the program "
            "asked for %u.%u)",
            vix_abi.soname, vd_version(), major, minor);
    vix_log("%s", vd_build_info());
}

/* Disks that a function of the program is called for right now stay: it may
 * have called exit(). */
static void
close_all(void)
{
    VixDiskLibConnection connection;
    VixDisk *disk;

    while ((connection = vix_live_any_connection()))
        vix_connection_close(connection);
    while ((disk = vix_live_take_consumed())) {
        vix_async_clear(disk);
        g_free(disk);
    }
    if (!vix_async_own_disk())
        vix_live_wait_closing();
}

/* False if others still need the library. */
static bool
stop(void)
{
    if (!vix_live_stop())
        return false;
    close_all();
    vix_config_clear();
    vix_log_set(NULL, NULL);
    return true;
}

/* The versions that programs ask for say nothing about what they were compiled
 * with, and libDir holds nothing that we need. */
VixError
VixDiskLib_InitEx(uint32 majorVersion, uint32 minorVersion,
                  VixDiskLibGenericLogFunc *log, VixDiskLibGenericLogFunc *warn,
                  VixDiskLibGenericLogFunc *panic, const char *libDir,
                  const char *configFile)
{
    bool first = vix_live_start();
    bool named = configFile && *configFile != '\0';
    VixError err = VIX_OK;

    vix_log_set(log, warn);
    if (first)
        log_banner(majorVersion, minorVersion);
    if (first || named)
        err = vix_config_load(configFile);
    if (err != VIX_OK)
        (void) stop(); /* its text is still to be told */
    return err;
}

void
VixDiskLib_Exit(void)
{
    if (stop())
        vix_error_forget();
}

static char *
transports_join(void)
{
    GString *names = g_string_new(NULL);

    for (const VdTransportInfo *t = vd_transport_list(); t->name; t++)
        if (!t->problem)
            g_string_append_printf(names, "%s%s", names->len ? ":" : "",
                                   t->name);
    return g_string_free(names, FALSE);
}

const char *
VixDiskLib_ListTransportModes(void)
{
    static char *modes; /* for good: callers keep it */

    if (g_once_init_enter(&modes))
        g_once_init_leave(&modes, transports_join());
    return modes;
}

const char *
VixDiskLibExt_Version(void)
{
    return vd_version();
}
