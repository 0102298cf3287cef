/* SPDX-License-Identifier: BSD-3-Clause */
/* vix/connection.c - connections: to local disks and to servers.
 *
 * Concurrency: a connection does not change; who uses one that another thread
 * disconnects gets an error.
 */
#include "vix/connection.h"

#include <string.h>

#include "vix/config.h"
#include "vix/disk.h"
#include "vix/error.h"
#include "vix/live.h"
#include "vix/log.h"

#define MAX_IDENTITY 50 /* characters */

/* A copy of @params, which make sense. */
static VixError
copy_params(const char *function, const VixDiskLibConnectParams *params,
            VixDiskLibConnectParams **copy)
{
    VixError err = VIX_OK;

    *copy = vix_params_copy(params);
    if (!*copy)
        return vix_fail(VIX_E_OUT_OF_MEMORY, "%s: no memory", function);
    if (!vix_params_is_local(*copy))
        err = vix_remote_check_params(function, *copy);
    if (err != VIX_OK)
        VixDiskLib_FreeConnectParams(*copy);
    return err;
}

/* -- connecting ----------------------------------------------------------- */

/* Those that there are, of a list that the caller has made; if there are none
 * the list as it is, since none of them is not the same as any. */
static char *
known_modes(const char *modes)
{
    g_auto(GStrv) names = g_strsplit(modes, ":", -1);
    g_autoptr(GString) known = g_string_new(NULL);

    for (char **name = names; *name; name++) {
        const VdTransportInfo *t = vd_transport_list();

        while (t->name && strcmp(t->name, *name) != 0)
            t++;
        if (t->name)
            g_string_append_printf(known, "%s%s", known->len ? ":" : "", *name);
        else if (**name != '\0')
            vix_log("unknown transport mode '%s' skipped", *name);
    }
    return g_strdup(known->len ? known->str : modes);
}

typedef struct {
    const VixDiskLibConnectParams *params;
    bool read_only;
    const char *snapshot, *modes;
} Connecting;

static VixRemote *
remote_of(const Connecting *c, VixDiskLibConnectParams *params)
{
    g_autofree char *modes = c->modes ? known_modes(c->modes) : NULL;

    if (vix_params_is_local(params))
        return NULL;
    return vix_remote_new(vix_params_copy(params), c->read_only, c->snapshot,
                          modes);
}

static VixError
connect_to(const char *function, const Connecting *c,
           VixDiskLibConnection *connection)
{
    VixDiskLibConnectParams *params;
    VixError err = vix_live_check(function);

    if (!connection)
        return vix_fail(VIX_E_INVALID_ARG, "%s: no place for the connection",
                        function);
    *connection = NULL;
    if (err == VIX_OK)
        err = copy_params(function, c->params, &params);
    if (err != VIX_OK)
        return err;
    *connection = g_new0(struct VixDiskLibConnectParam, 1);
    (*connection)->params = params;
    (*connection)->remote = remote_of(c, params);
    vix_live_add_connection(*connection);
    return VIX_OK;
}

/* As it has always been: over the network, and no other way. */
VixError
VixDiskLib_Connect(const VixDiskLibConnectParams *connectParams,
                   VixDiskLibConnection *connection)
{
    const Connecting c = {.params = connectParams, .modes = "nbdssl:nbd"};

    return connect_to("VixDiskLib_Connect", &c, connection);
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
    const Connecting c = {
        .params = connectParams,
        .read_only = readOnly,
        .snapshot = snapshotRef,
        .modes = transportModes && *transportModes
                     ? transportModes
                     : VixDiskLib_ListTransportModes(),
    };

    return connect_to("VixDiskLib_ConnectEx", &c, connection);
}

static void
take_remote(VixDiskLibConnection connection, void *arg)
{
    VixRemote **remote = arg;

    if (connection->remote)
        *remote = vix_remote_ref(connection->remote);
}

VixError
vix_connection_remote(const char *function,
                      const VixDiskLibConnection connection, VixRemote **remote)
{
    *remote = NULL;
    return vix_live_with_connection(function, connection, take_remote, remote);
}

VixError
vix_connection_check_local(const char *function,
                           const VixDiskLibConnection connection)
{
    g_autoptr(VixRemote) remote = NULL;
    VixError err = vix_connection_remote(function, connection, &remote);

    if (err == VIX_OK && remote)
        err = vix_fail(VIX_E_NOT_SUPPORTED_ON_REMOTE_OBJECT,
                       "%s: the connection to %s: this works with local disks "
                       "only",
                       function, vix_remote_server(remote));
    return err;
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
    vix_remote_unref(connection->remote);
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

/* Parameters of a call that has no connection: *@remote NULL = local. */
static VixError
remote_for_call(const char *function, const VixDiskLibConnectParams *params,
                VixRemote **remote)
{
    VixDiskLibConnectParams *copy;
    VixError err = copy_params(function, params, &copy);

    *remote = NULL;
    if (err != VIX_OK)
        return err;
    if (vix_params_is_local(copy))
        VixDiskLib_FreeConnectParams(copy);
    else
        *remote = vix_remote_new(copy, true, NULL, NULL);
    return VIX_OK;
}

typedef bool (*AccessFunc)(VdVsphere *session, const char *vm,
                           const char *identity, GError **error);

static VixError
remote_access(const char *function, VixRemote *remote, AccessFunc fn,
              const char *identity)
{
    g_autoptr(GError) error = NULL;
    const char *vm = vix_remote_vm(remote);
    VixError err = VIX_OK;
    VdVsphere *session;

    if (!vm)
        return vix_fail(VIX_E_NOT_SUPPORTED,
                        "%s: %s: a virtual machine must be named", function,
                        vix_remote_server(remote));
    session = vix_remote_session(function, remote, &err);
    if (session && !fn(session, vm, identity, &error))
        err = vix_fail_disk(function, error);
    return err;
}

/* Nothing moves local disks away, so there is nothing to prevent. */
static VixError
do_access(const char *function, const VixDiskLibConnectParams *connectParams,
          const char *identity, AccessFunc fn)
{
    g_autoptr(VixRemote) remote = NULL;
    VixError err = vix_live_check(function);

    if (err != VIX_OK)
        return err;
    if (!identity || *identity == '\0' ||
        !g_utf8_validate(identity, -1, NULL) ||
        g_utf8_strlen(identity, -1) > MAX_IDENTITY)
        return vix_fail(VIX_E_INVALID_ARG,
                        "%s: the identity must have 1 to %d characters",
                        function, MAX_IDENTITY);
    err = remote_for_call(function, connectParams, &remote);
    return err == VIX_OK && remote
               ? remote_access(function, remote, fn, identity)
               : err;
}

VixError
VixDiskLib_PrepareForAccess(const VixDiskLibConnectParams *connectParams,
                            const char *identity)
{
    return do_access("VixDiskLib_PrepareForAccess", connectParams, identity,
                     vd_vsphere_prepare_access);
}

VixError
VixDiskLib_EndAccess(const VixDiskLibConnectParams *connectParams,
                     const char *identity)
{
    return do_access("VixDiskLib_EndAccess", connectParams, identity,
                     vd_vsphere_end_access);
}

/* What of a server's is left attached to the machine that we run in. */
static VixError
remote_cleanup(const char *function, VixRemote *remote, unsigned *cleaned,
               unsigned *remaining)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *tmp_dir = vix_config_tmp_dir();
    g_autofree char *why = NULL;
    VixError err = VIX_OK;
    VdVsphere *session = vix_remote_session(function, remote, &err);

    if (!session)
        return err;
    if (!vd_vsphere_cleanup(session, tmp_dir, cleaned, remaining, &why, &error))
        return vix_fail_disk(function, error);
    if (why)
        vix_log("%s: %s", function, why);
    return VIX_OK;
}

/* Local disks leave nothing behind.  Programs call this before
 * VixDiskLib_InitEx(), too. */
VixError
VixDiskLib_Cleanup(const VixDiskLibConnectParams *connectParams,
                   uint32 *numCleanedUp, uint32 *numRemaining)
{
    const char *function = "VixDiskLib_Cleanup";
    g_autoptr(VixRemote) remote = NULL;
    unsigned cleaned = 0, remaining = 0;
    VixError err = remote_for_call(function, connectParams, &remote);

    if (err == VIX_OK && remote)
        err = remote_cleanup(function, remote, &cleaned, &remaining);
    if (numCleanedUp)
        *numCleanedUp = cleaned;
    if (numRemaining)
        *numRemaining = remaining;
    return err;
}
