/* SPDX-License-Identifier: BSD-3-Clause */
/* api/vsphere-name.c - what names of disks on servers say.
 *
 * Concurrency: no state.
 */
#include "api/vsphere.h"

#include "vsphere/import.h"
#include "vsphere/open-params.h"

VdVsphereName *
vd_vsphere_name_parse(const char *name, GError **error)
{
    g_autoptr(VdOptions) opts = vd_options_new();
    g_auto(VsOpenParams) params = {0};
    VdVsphereName *said;

    if (!vs_name_parse(name, opts, error) ||
        !vs_open_params_take(&params, opts, error))
        return NULL;
    said = g_new(VdVsphereName, 1);
    *said = (VdVsphereName){
        .server = g_steal_pointer(&params.server),
        .user = g_steal_pointer(&params.user),
        .port = (unsigned) params.port,
        .password_file = g_steal_pointer(&params.password_file),
        .password_env = g_steal_pointer(&params.password_env),
        .thumbprint = g_steal_pointer(&params.thumbprint),
        .ca_file = g_steal_pointer(&params.ca_file),
        .proxy = g_steal_pointer(&params.proxy),
        .insecure = params.insecure,
        .vm = g_steal_pointer(&params.vm),
        .snapshot = g_steal_pointer(&params.snapshot),
        .disk = g_steal_pointer(&params.disk),
        .fcd = g_steal_pointer(&params.fcd),
        .fcd_datastore = g_steal_pointer(&params.fcd_datastore),
        .transports = g_steal_pointer(&params.transports),
    };
    vd_options_take_string(opts, "new-vm", &said->new_vm);
    return said;
}

bool
vd_vsphere_name_check(const char *name, GError **error)
{
    g_autoptr(VdOptions) opts = vd_options_new();
    g_auto(VsOpenParams) params = {0};
    g_auto(VsImportSpec) spec = {0};

    if (!vs_name_parse(name, opts, error) ||
        !vs_open_params_take(&params, opts, error))
        return false;
    if (vd_options_peek(opts, "new-vm") == NULL)
        return vs_open_params_check(&params, error);
    return vs_import_spec_take(&spec, opts, error) &&
           vs_import_check(&params, error);
}

void
vd_vsphere_name_free(VdVsphereName *name)
{
    if (name == NULL)
        return;
    g_free(name->server);
    g_free(name->user);
    g_free(name->password_file);
    g_free(name->password_env);
    g_free(name->thumbprint);
    g_free(name->ca_file);
    g_free(name->proxy);
    g_free(name->vm);
    g_free(name->snapshot);
    g_free(name->disk);
    g_free(name->fcd);
    g_free(name->fcd_datastore);
    g_free(name->transports);
    g_free(name->new_vm);
    g_free(name);
}
