/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/fault.h - what servers refuse, and which error that is. */
#pragma once

#include "include/vdisk.h"
#include "vsphere/xml.h"

typedef struct VsFault {
    char *type;   /* "InvalidLogin" */
    char *text;   /* of the server; may be empty */
    char *detail; /* what of its fields says more; or NULL */
} VsFault;

/* From <soapenv:Fault>, and from the LocalizedMethodFault of a task. */
VsFault *vs_fault_of_soap(const VsXml *element);
VsFault *vs_fault_of_task(const VsXml *element);
void vs_fault_free(VsFault *fault);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VsFault, vs_fault_free)

bool vs_fault_is(const VsFault *fault, const char *type);

/* The error that @fault stands for; false.  @server and @op: who refused what.
 */
bool vs_fault_throw(GError **error, const VsFault *fault, const char *server,
                    const char *op);
