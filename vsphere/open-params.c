/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/open-params.c - what the options of the driver say.
 *
 * Passwords are in none of them: they name a file or a variable of the
 * environment that has it, or a session that exists.
 *
 * Concurrency: no state.
 */
#include "vsphere/open-params.h"

#include "block/error.h"
#include "vsphere/password.h"
#include "vsphere/transports.h"

#include <stddef.h>
#include <string.h>

static const struct {
    const char *key;
    size_t offset;
} texts[] = {
    {"session", offsetof(VsOpenParams, session)},
    {"server", offsetof(VsOpenParams, server)},
    {"user", offsetof(VsOpenParams, user)},
    {"password-file", offsetof(VsOpenParams, password_file)},
    {"password-env", offsetof(VsOpenParams, password_env)},
    {"thumbprint", offsetof(VsOpenParams, thumbprint)},
    {"ca-file", offsetof(VsOpenParams, ca_file)},
    {"proxy", offsetof(VsOpenParams, proxy)},
    {"vm", offsetof(VsOpenParams, vm)},
    {"snapshot", offsetof(VsOpenParams, snapshot)},
    {"disk", offsetof(VsOpenParams, disk)},
    {"fcd", offsetof(VsOpenParams, fcd)},
    {"fcd-datastore", offsetof(VsOpenParams, fcd_datastore)},
    {"transports", offsetof(VsOpenParams, transports)},
};

static char **
text_at(VsOpenParams *params, size_t i)
{
    return G_STRUCT_MEMBER_P(params, texts[i].offset);
}

void
vs_open_params_clear(VsOpenParams *params)
{
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        g_clear_pointer(text_at(params, i), g_free);
}

bool
vs_open_params_take(VsOpenParams *params, VdOptions *opts, GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        vd_options_take_string(opts, texts[i].key, text_at(params, i));
    if (!vd_options_take_uint(opts, "port", &params->port, error) ||
        !vd_options_take_bool(opts, "insecure", &params->insecure, error))
        return false;
    if (params->port > G_MAXUINT16)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "Parameter 'port' expects a number up to %u",
                        G_MAXUINT16);
    if (!params->session == !params->server)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "The 'vsphere' block driver requires either a server "
                        "or a session");
    return true;
}

/* One that there is, among those that are for local disks, or other builds. */
static bool
check_transports(const char *list, GError **error)
{
    g_auto(GStrv) names = g_strsplit(list, ":", -1);
    bool elsewhere = false;

    for (char **name = names; *name; name++) {
        if (vs_transport_find(*name))
            return true;
        elsewhere = elsewhere || (**name && strcmp(*name, "file") != 0);
    }
    return vd_throw(
        error, elsewhere ? VD_ERROR_NOT_IMPLEMENTED : VD_ERROR_INVALID_ARGUMENT,
        "no transport in '%s' is one for disks of servers", list);
}

bool
vs_open_params_check(const VsOpenParams *params, GError **error)
{
    const char *vm = params->vm ? params->vm : "";

    if (params->fcd && !params->fcd_datastore)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "first class disk '%s': its datastore must be named",
                        params->fcd);
    if (!params->fcd && !*vm)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "which virtual machine is meant must be said");
    return !params->transports || check_transports(params->transports, error);
}

VsSession *
vs_open_params_session(const VsOpenParams *params, GError **error)
{
    VsSessionParams how = {
        .server = params->server,
        .port = (unsigned) params->port,
        .user = params->user,
        .thumbprint = params->thumbprint,
        .ca_file = params->ca_file,
        .proxy = params->proxy,
        .insecure = params->insecure,
    };
    VsSession *session;
    char *password;

    if (params->session) {
        session = vs_session_find(params->session);
        return session ? session
                       : vd_throw_null(error, VD_ERROR_DISCONNECTED,
                                       "the session of the disk has ended");
    }
    password = vs_password_find(params->password_file, params->password_env,
                                params->server, error);
    if (!password)
        return NULL;
    how.password = password;
    session = vs_session_open(&how, error);
    vs_wipe(password);
    return session;
}
