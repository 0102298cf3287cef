/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/vixsample/connect.c - from options to connection parameters.
 *
 * Concurrency: main thread only.
 */
#include "tools/vixsample/connect.h"

#include "tools/vixsample/library.h"
#include "tools/vixsample/report.h"

/* The structure has grown; a library that allocates it knows its own size. */
static VixDiskLibConnectParams *
params_allocate(void)
{
    if (!HAVE(VixDiskLib_AllocateConnectParams))
        return g_new0(VixDiskLibConnectParams, 1);
    VixDiskLibConnectParams *params =
        library.VixDiskLib_AllocateConnectParams();
    if (!params)
        report_error("VixDiskLib_AllocateConnectParams: out of memory");
    return params;
}

void
connect_params_free(VixDiskLibConnectParams *params)
{
    if (!HAVE(VixDiskLib_AllocateConnectParams))
        g_free(params);
    else
        VIX(VixDiskLib_FreeConnectParams)(params); /* leaves our strings */
}

static void
credentials_fill(VixDiskLibConnectParams *params, const RemoteOptions *remote)
{
    if (remote->cookie) {
        params->credType = VIXDISKLIB_CRED_SESSIONID;
        params->creds.sessionId.cookie = (char *) remote->cookie;
        params->creds.sessionId.userName = (char *) remote->user;
        params->creds.sessionId.key = (char *) remote->password;
    } else {
        params->credType = VIXDISKLIB_CRED_UID;
        params->creds.uid.userName = (char *) remote->user;
        params->creds.uid.password = (char *) remote->password;
    }
}

/* Which machine, disk or folder. */
static void
spec_fill(VixDiskLibConnectParams *params, const RemoteOptions *remote)
{
    if (remote->fcd_id) {
        VixDiskLibVStorageObjectSpec *spec = &params->spec.vStorageObjSpec;
        params->specType = VIXDISKLIB_SPEC_VSTORAGE_OBJECT;
        spec->id = (char *) remote->fcd_id;
        spec->datastoreMoRef = (char *) remote->datastore;
        spec->ssId = (char *) remote->fcd_snapshot;
    } else if (remote->folder) {
        params->specType = VIXDISKLIB_SPEC_DATASTORE;
        params->spec.dsSpec.datastoreMoRef = (char *) remote->datastore;
        params->spec.dsSpec.diskFolder = (char *) remote->folder;
    } else {
        params->specType = VIXDISKLIB_SPEC_VMX;
        params->vmxSpec = (char *) remote->vm;
    }
}

VixDiskLibConnectParams *
connect_params_new(const Options *opts)
{
    VixDiskLibConnectParams *params = params_allocate();
    const RemoteOptions *remote = &opts->remote;

    if (!params || !opts->is_remote)
        return params; /* all zero: local */
    params->serverName = (char *) remote->host;
    params->thumbPrint = (char *) remote->thumb;
    params->port = (uint32) remote->port;
    params->nfcHostPort = (uint32) remote->nfc_port;
    credentials_fill(params, remote);
    spec_fill(params, remote);
    return params;
}

bool
connect_open(const Options *opts, const VixDiskLibConnectParams *params,
             bool read_only, VixDiskLibConnection *connection)
{
    if (!opts->mode && !opts->remote.snapshot)
        return CALL(VixDiskLib_Connect, params, connection);
    return CALL(VixDiskLib_ConnectEx, params, read_only, opts->remote.snapshot,
                opts->mode, connection);
}

bool
connect_open_local(VixDiskLibConnection *connection)
{
    const Options local = {0};
    VixDiskLibConnectParams *params = connect_params_new(&local);

    if (!params)
        return false;
    bool ok = CALL(VixDiskLib_Connect, params, connection);
    connect_params_free(params);
    return ok;
}
