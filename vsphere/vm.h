/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/vm.h - what is to be known of a virtual machine. */
#pragma once

#include "vsphere/session.h"

typedef struct VsVm {
    VsRef *ref;
    char *name;
    char *power_state; /* "poweredOn", "poweredOff", "suspended" */
    VsRef *host;       /* on which it runs or would; or NULL */
    char *uuid, *instance_uuid;
    char *vmx_path; /* "[ds] dir/x.vmx" */
    bool change_tracking;
    bool is_template;
    char **disabled_methods; /* never NULL */
} VsVm;

/* VM_NOT_FOUND if @ref is none. */
VsVm *vs_vm_fetch(VsSession *session, const VsRef *ref, GError **error);
void vs_vm_free(VsVm *vm);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VsVm, vs_vm_free)

bool vs_vm_is_on(const VsVm *vm);
