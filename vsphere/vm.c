/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/vm.c - what is to be known of a virtual machine.
 *
 * Concurrency: the result does not change.
 */
#include "vsphere/vm.h"

#include "block/error.h"
#include "vsphere/properties.h"
#include "vsphere/reply.h"

#include <string.h>

static const char *const vm_paths[] = {
    "name",
    "runtime.powerState",
    "runtime.host",
    "config.uuid",
    "config.instanceUuid",
    "config.files.vmPathName",
    "config.changeTrackingEnabled",
    "config.template",
    "disabledMethod",
    NULL,
};

static bool
is_true(const VsProperties *properties, const char *path)
{
    return g_strcmp0(vs_properties_text(properties, path), "true") == 0;
}

static char **
strings_of(const VsXml *array)
{
    g_autoptr(GStrvBuilder) list = g_strv_builder_new();

    for (const VsXml *e = array ? array->first : NULL; e; e = e->next)
        g_strv_builder_add(list, e->text);
    return g_strv_builder_end(list);
}

VsVm *
vs_vm_fetch(VsSession *session, const VsRef *ref, GError **error)
{
    g_autoptr(GError) cause = NULL;
    g_autoptr(VsProperties) p =
        vs_properties_fetch(session, ref, vm_paths, &cause);
    VsVm *vm;

    if (!p && vd_error_is(cause, VD_ERROR_NOT_FOUND))
        return vd_throw_null(error, VD_ERROR_VM_NOT_FOUND,
                             "%s: there is no virtual machine '%s'",
                             vs_session_name(session), ref->value);
    if (!p) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return NULL;
    }
    vm = g_new(VsVm, 1);
    *vm = (VsVm){
        .ref = vs_ref_copy(ref),
        .name = g_strdup(vs_properties_text(p, "name")),
        .power_state = g_strdup(vs_properties_text(p, "runtime.powerState")),
        .host = vs_properties_ref(p, "runtime.host"),
        .uuid = g_strdup(vs_properties_text(p, "config.uuid")),
        .instance_uuid = g_strdup(vs_properties_text(p, "config.instanceUuid")),
        .vmx_path = g_strdup(vs_properties_text(p, "config.files.vmPathName")),
        .change_tracking = is_true(p, "config.changeTrackingEnabled"),
        .is_template = is_true(p, "config.template"),
        .disabled_methods = strings_of(vs_properties_get(p, "disabledMethod")),
    };
    return vm;
}

void
vs_vm_free(VsVm *vm)
{
    if (!vm)
        return;
    vs_ref_free(vm->ref);
    vs_ref_free(vm->host);
    g_free(vm->name);
    g_free(vm->power_state);
    g_free(vm->uuid);
    g_free(vm->instance_uuid);
    g_free(vm->vmx_path);
    g_strfreev(vm->disabled_methods);
    g_free(vm);
}

bool
vs_vm_is_on(const VsVm *vm)
{
    return g_strcmp0(vm->power_state, "poweredOff") != 0;
}
