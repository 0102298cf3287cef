/* SPDX-License-Identifier: BSD-3-Clause */
/* vix/connection.c - connections: to local disks, until there are others.
 *
 * Concurrency: a connection does not change; who uses one that another thread
 * disconnects gets an error.
 */
#include "vix/connection.h"

#include <string.h>

#include "vix/disk.h"
#include "vix/error.h"
#include "vix/live.h"
#include "vix/log.h"

#define MAX_IDENTITY 50 /* characters */

static VixError
fail_remote(const char *function, const VixDiskLibConnectParams *params)
{
    return vix_fail(VIX_E_NOT_SUPPORTED,
                    "%s: server '%s', virtual machine '%s': remote disks "
                    "cannot be reached with this version, only local ones",
                    function, params->serverName ? params->serverName : "",
                    params->vmxSpec ? params->vmxSpec : "");
}

/* A copy of @params, if they speak of local disks. */
static VixError
copy_local(const char *function, const VixDiskLibConnectParams *params,
           VixDiskLibConnectParams **copy)
{
    VixError err = VIX_OK;

    *copy = vix_params_copy(params);
    if (!*copy)
        return vix_fail(VIX_E_OUT_OF_MEMORY, "%s: no memory", function);
    if (!vix_params_is_local(*copy)) {
        err = fail_remote(function, *copy);
        VixDiskLib_FreeConnectParams(*copy);
    }
    return err;
}

static VixError
check_local(const char *function, const VixDiskLibConnectParams *params)
{
    VixDiskLibConnectParams *copy;
    VixError err = copy_local(function, params, &copy);

    if (err == VIX_OK)
        VixDiskLib_FreeConnectParams(copy);
    return err;
}

/* -- connecting ----------------------------------------------------------- */

static void
log_modes(const char *modes)
{
    static const char *const known[] = {"file",   "san", "hotadd",
                                        "nbdssl", "nbd", NULL};
    g_auto(GStrv) names = g_strsplit(modes, ":", -1);

    for (char **name = names; *name; name++)
        if (**name != '\0' && !g_strv_contains(known, *name))
            vix_log("unknown transport mode '%s' skipped", *name);
}

static VixError
connect_to(const char *function, const VixDiskLibConnectParams *connectParams,
           const char *modes, VixDiskLibConnection *connection)
{
    VixDiskLibConnectParams *params;
    VixError err = vix_live_check(function);

    if (!connection)
        return vix_fail(VIX_E_INVALID_ARG, "%s: no place for the connection",
                        function);
    *connection = NULL;
    if (err == VIX_OK)
        err = copy_local(function, connectParams, &params);
    if (err != VIX_OK)
        return err;
    if (modes)
        log_modes(modes);
    *connection = g_new0(struct VixDiskLibConnectParam, 1);
    (*connection)->params = params;
    vix_live_add_connection(*connection);
    return VIX_OK;
}

VixError
VixDiskLib_Connect(const VixDiskLibConnectParams *connectParams,
                   VixDiskLibConnection *connection)
{
    return connect_to("VixDiskLib_Connect", connectParams, NULL, connection);
}

/* Local disks are what their files allow: a program may connect read-only and
 * then create another disk over the same connection.  Snapshots are of virtual
 * machines. */
VixError
VixDiskLib_ConnectEx(const VixDiskLibConnectParams *connectParams,
                     Bool readOnly, const char *snapshotRef,
                     const char *transportModes,
                     VixDiskLibConnection *connection)
{
    return connect_to("VixDiskLib_ConnectEx", connectParams, transportModes,
                      connection);
}

VixError
vix_connection_close(VixDiskLibConnection connection)
{
    VixError err = VIX_OK;
    VixDisk *disk;

    while ((disk = vix_live_enter_any(connection))) {
        VixError closed = vix_disk_empty(disk);

        if (err == VIX_OK)
            err = closed;
        vix_live_consume(disk);
        vix_live_leave_alone(disk);
    }
    VixDiskLib_FreeConnectParams(connection->params);
    g_free(connection);
    return err;
}

VixError
VixDiskLib_Disconnect(VixDiskLibConnection connection)
{
    VixError err;

    if (!connection)
        return VIX_OK;
    err = vix_live_remove_connection("VixDiskLib_Disconnect", connection);
    return err == VIX_OK ? vix_connection_close(connection) : err;
}

VixError
VixDiskLib_GetConnectParams(const VixDiskLibConnection connection,
                            VixDiskLibConnectParams **connectParams)
{
    const char *function = "VixDiskLib_GetConnectParams";
    VixError err;

    if (!connectParams)
        return vix_fail(VIX_E_INVALID_ARG, "%s: no place for the parameters",
                        function);
    *connectParams = NULL;
    err = vix_live_check_connection(function, connection);
    if (err != VIX_OK)
        return err;
    *connectParams = vix_params_copy(connection->params);
    if (!*connectParams)
        return vix_fail(VIX_E_OUT_OF_MEMORY, "%s: no memory", function);
    return VIX_OK;
}

/* -- access to virtual machines ------------------------------------------- */

/* Nothing moves local disks away, so there is nothing to prevent. */
static VixError
check_access(const char *function, const VixDiskLibConnectParams *connectParams,
             const char *identity)
{
    VixError err = vix_live_check(function);

    if (err != VIX_OK)
        return err;
    if (!identity || *identity == '\0' ||
        g_utf8_strlen(identity, -1) > MAX_IDENTITY)
        return vix_fail(VIX_E_INVALID_ARG,
                        "%s: the identity must have 1 to %d characters",
                        function, MAX_IDENTITY);
    return check_local(function, connectParams);
}

VixError
VixDiskLib_PrepareForAccess(const VixDiskLibConnectParams *connectParams,
                            const char *identity)
{
    return check_access("VixDiskLib_PrepareForAccess", connectParams, identity);
}

VixError
VixDiskLib_EndAccess(const VixDiskLibConnectParams *connectParams,
                     const char *identity)
{
    return check_access("VixDiskLib_EndAccess", connectParams, identity);
}

/* Local disks leave nothing behind.  Programs call this before
 * VixDiskLib_InitEx(), too. */
VixError
VixDiskLib_Cleanup(const VixDiskLibConnectParams *connectParams,
                   uint32 *numCleanedUp, uint32 *numRemaining)
{
    if (numCleanedUp)
        *numCleanedUp = 0;
    if (numRemaining)
        *numRemaining = 0;
    return check_local("VixDiskLib_Cleanup", connectParams);
}
