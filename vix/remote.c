/* SPDX-License-Identifier: BSD-3-Clause */
/* vix/remote.c - connections to servers.
 *
 * Connecting checks nothing: the first disk that is opened logs in.  So
 * programs may fork after having connected, and threads come with disks.
 *
 * Concurrency: the session is made under a lock; the rest does not change.
 */
#include "vix/remote.h"

#include <string.h>

#include "vix/config.h"
#include "vix/error.h"
#include "vix/log.h"

#define HTTPS_PORT 443

struct VixRemote {
    int refs;
    VixDiskLibConnectParams *params;
    bool read_only;
    char *snapshot, *modes; /* NULL = none, all */
    char *server;           /* "host:port" */
    GMutex lock;
    VdVsphere *session; /* under lock; NULL = not yet */
};

/* -- parameters ------------------------------------------------------------ */

static VixError
check_credentials(const char *function, const VixDiskLibConnectParams *params)
{
    if (params->credType == VIXDISKLIB_CRED_UID)
        return VIX_OK;
    if (params->credType == VIXDISKLIB_CRED_SESSIONID)
        return params->creds.sessionId.cookie
                   ? VIX_OK
                   : vix_fail(VIX_E_INVALID_ARG, "%s: server '%s': no cookie",
                              function, params->serverName);
    return vix_fail(VIX_E_NOT_SUPPORTED,
                    "%s: server '%s': credentials can be a user name and "
                    "password, or a session id, not of type %d",
                    function, params->serverName, (int) params->credType);
}

VixError
vix_remote_check_params(const char *function,
                        const VixDiskLibConnectParams *params)
{
    const char *missing = vd_vsphere_missing();

    if (!params->serverName)
        return vix_fail(VIX_E_INVALID_ARG,
                        "%s: virtual machine '%s': no server", function,
                        params->vmxSpec ? params->vmxSpec : "");
    if (missing)
        return vix_fail(VIX_E_NOT_SUPPORTED, "%s: server '%s': %s", function,
                        params->serverName, missing);
    if (params->specType == VIXDISKLIB_SPEC_DATASTORE)
        return vix_fail(VIX_E_NOT_SUPPORTED,
                        "%s: server '%s': disks of folders of datastores "
                        "cannot be reached: hosts let in for disks of virtual "
                        "machines",
                        function, params->serverName);
    return check_credentials(function, params);
}

VixRemote *
vix_remote_new(VixDiskLibConnectParams *params, bool read_only,
               const char *snapshot, const char *modes)
{
    VixRemote *remote = g_new0(VixRemote, 1);

    remote->refs = 1;
    remote->params = params;
    remote->read_only = read_only;
    remote->snapshot = snapshot && *snapshot ? g_strdup(snapshot) : NULL;
    remote->modes = modes && *modes ? g_strdup(modes) : NULL;
    remote->server = g_strdup_printf("%s:%u", params->serverName,
                                     params->port ? params->port : HTTPS_PORT);
    g_mutex_init(&remote->lock);
    return remote;
}

VixRemote *
vix_remote_ref(VixRemote *remote)
{
    g_atomic_int_inc(&remote->refs);
    return remote;
}

void
vix_remote_unref(VixRemote *remote)
{
    if (!remote || !g_atomic_int_dec_and_test(&remote->refs))
        return;
    vd_vsphere_disconnect(remote->session);
    VixDiskLib_FreeConnectParams(remote->params);
    g_mutex_clear(&remote->lock);
    g_free(remote->snapshot);
    g_free(remote->modes);
    g_free(remote->server);
    g_free(remote);
}

const char *
vix_remote_vm(const VixRemote *remote)
{
    return remote->params->vmxSpec;
}

const char *
vix_remote_server(const VixRemote *remote)
{
    return remote->server;
}

/* -- the session ----------------------------------------------------------- */

static VdVsphere *
connect_to(const VixDiskLibConnectParams *params, GError **error)
{
    VdVsphereParams how = {
        .server = params->serverName,
        .port = params->port,
        .thumbprint = params->thumbPrint,
    };

    if (params->credType == VIXDISKLIB_CRED_UID) {
        how.user = params->creds.uid.userName;
        how.password = params->creds.uid.password;
    } else {
        how.session_id = params->creds.sessionId.cookie;
        how.user = params->creds.sessionId.userName;
        how.password = params->creds.sessionId.key;
    }
    return vd_vsphere_connect(&how, error);
}

VdVsphere *
vix_remote_session(const char *function, VixRemote *remote, VixError *err)
{
    g_autoptr(GError) error = NULL;
    VdVsphere *session;

    g_mutex_lock(&remote->lock);
    if (!remote->session)
        remote->session = connect_to(remote->params, &error);
    session = remote->session;
    g_mutex_unlock(&remote->lock);
    if (!session)
        *err = vix_fail_disk(function, error);
    return session;
}

/* -- disks ----------------------------------------------------------------- */

static const char *
compression_of(uint32 flags)
{
    if (flags & VIXDISKLIB_FLAG_OPEN_COMPRESSION_ZLIB)
        return "zlib";
    if (flags & VIXDISKLIB_FLAG_OPEN_COMPRESSION_FASTLZ)
        return "fastlz";
    return flags & VIXDISKLIB_FLAG_OPEN_COMPRESSION_SKIPZ ? "skipz" : "none";
}

/* @value: NULL = not said; freed. */
static void
add_text(GString *text, const char *key, char *value)
{
    if (value)
        g_string_append_printf(text, ",%s=", key);
    for (const char *c = value ? value : ""; *c; c++)
        g_string_append(text, *c == ',' ? ",," : (char[]){*c, '\0'});
    g_free(value);
}

/* Each transport's driver gets its own. */
static char *
driver_options(const VixRemote *remote, uint32 flags)
{
    GString *text = g_string_new("nfc.compression=");

    g_string_append(text, compression_of(flags));
    if (remote->params->nfcHostPort)
        g_string_append_printf(text, ",nfc.port=%u",
                               remote->params->nfcHostPort);
    if (vix_config_nfc_buffer_bytes())
        g_string_append_printf(text, ",nfc.buffer-size=%u",
                               vix_config_nfc_buffer_bytes());
    if (vix_config_nfc_buffers())
        g_string_append_printf(text, ",nfc.buffer-count=%u",
                               vix_config_nfc_buffers());
    add_text(text, "hotadd.tmp-dir", vix_config_tmp_dir());
    add_text(text, "san.devices", vix_config_san_devices());
    add_text(text, "san.deny", vix_config_san_deny());
    add_text(text, "san.allow", vix_config_san_allow());
    add_text(text, "san.write", vix_config_san_write());
    return g_string_free(text, FALSE);
}

static void
describe_disk(const VixRemote *remote, const char *path, VdVsphereDisk *disk)
{
    const VixDiskLibConnectParams *params = remote->params;

    disk->vm = params->vmxSpec;
    disk->snapshot = remote->snapshot;
    disk->disk = path;
    disk->transports = remote->modes;
    if (params->specType == VIXDISKLIB_SPEC_VSTORAGE_OBJECT) {
        disk->fcd = params->spec.vStorageObjSpec.id;
        disk->fcd_datastore = params->spec.vStorageObjSpec.datastoreMoRef;
    }
}

VixError
vix_remote_check_writable(const char *function, const VixRemote *remote,
                          const char *path)
{
    if (!remote->read_only)
        return VIX_OK;
    return vix_fail(VIX_E_FILE_READ_ONLY,
                    "%s: %s: %s: the connection is a read-only one", function,
                    remote->server, path);
}

static VixError
check_open(const char *function, const VixRemote *remote, const char *path,
           uint32 flags)
{
    const VixDiskLibConnectParams *params = remote->params;

    if (flags & VIXDISKLIB_FLAG_OPEN_SINGLE_LINK)
        return vix_fail(VIX_E_NOT_SUPPORTED_ON_REMOTE_OBJECT,
                        "%s: %s: %s: hosts open disks with all their links",
                        function, remote->server, path);
    if (!(flags & VIXDISKLIB_FLAG_OPEN_READ_ONLY) && remote->read_only)
        return vix_remote_check_writable(function, remote, path);
    if (params->specType == VIXDISKLIB_SPEC_VSTORAGE_OBJECT &&
        params->spec.vStorageObjSpec.ssId)
        return vix_fail(VIX_E_NOT_SUPPORTED,
                        "%s: %s: snapshots of first class disks cannot be "
                        "opened",
                        function, remote->server);
    return VIX_OK;
}

char *
vix_remote_disk_name(const char *function, VixRemote *remote, const char *path,
                     uint32 flags, VixError *err)
{
    g_autofree char *options = driver_options(remote, flags);
    g_autoptr(GError) error = NULL;
    VdVsphereDisk disk = {0};
    VdVsphere *session;
    char *name;

    *err = check_open(function, remote, path, flags);
    if (*err != VIX_OK)
        return NULL;
    session = vix_remote_session(function, remote, err);
    if (!session)
        return NULL;
    describe_disk(remote, path, &disk);
    name = vd_vsphere_disk_name(session, &disk, options, &error);
    if (!name)
        *err = vix_fail_disk(function, error);
    return name;
}
