/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/access.c - keeping a virtual machine where it is.
 *
 * The two calls are of an interface that vCenter has for its own parts, in a
 * name space of its own.
 *
 * Concurrency: no state.
 */
#include "vsphere/access.h"

#include "block/error.h"
#include "vsphere/request.h"
#include "vsphere/vm.h"

#include <string.h>

#define METHOD "RelocateVM_Task"

static VsRequest *
access_request(VsSession *session, const char *op, const VsRef *vm,
               const char *identity, GError **error)
{
    const VsRef *manager;
    VsRequest *request;

    if (!*identity || !g_utf8_validate(identity, -1, NULL) ||
        g_utf8_strlen(identity, -1) > VS_MAX_IDENTITY)
        return vd_throw_null(error, VD_ERROR_INVALID_ARGUMENT,
                             "the identity must have 1 to %d characters",
                             VS_MAX_IDENTITY);
    if (!vs_session_is_vcenter(session))
        return vd_throw_null(error, VD_ERROR_NOT_IMPLEMENTED,
                             "%s: the host agent is not a vCenter: it moves no "
                             "virtual machines, and cannot be told not to",
                             vs_session_name(session));
    manager = vs_session_need_service(session, "authorizationManager", error);
    if (!manager)
        return NULL;
    request = vs_request_new_in(VS_NS_INTERNAL, op, manager);
    vs_request_ref(request, "entity", vm);
    return request;
}

bool
vs_access_prepare(VsSession *session, const VsRef *vm, const char *identity,
                  GError **error)
{
    VsRequest *request =
        access_request(session, "DisableMethods", vm, identity, error);

    if (!request)
        return false;
    vs_request_open(request, "method");
    vs_request_text(request, "method", METHOD);
    vs_request_text(request, "reasonId", identity);
    vs_request_close(request);
    vs_request_text(request, "sourceId", identity);
    return vs_session_do(session, request, error);
}

static bool
is_disabled(VsSession *session, const VsRef *vm)
{
    g_autoptr(VsVm) facts = vs_vm_fetch(session, vm, NULL);

    return !facts || g_strv_contains(
                         (const char *const *) facts->disabled_methods, METHOD);
}

bool
vs_access_end(VsSession *session, const VsRef *vm, const char *identity,
              GError **error)
{
    g_autoptr(GError) cause = NULL;
    VsRequest *request =
        access_request(session, "EnableMethods", vm, identity, error);

    if (!request)
        return false;
    vs_request_text(request, "method", METHOD);
    vs_request_text(request, "sourceId", identity);
    if (vs_session_do(session, request, &cause))
        return true;
    if (!vd_error_is(cause, VD_ERROR_LOGIN) && !is_disabled(session, vm))
        return true;
    g_propagate_error(error, g_steal_pointer(&cause));
    return false;
}
