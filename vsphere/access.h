/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/access.h - keeping a virtual machine where it is while its disks are
 * read: PrepareForAccess and EndAccess of VixDiskLib. */
#pragma once

#include "vsphere/session.h"

#define VS_MAX_IDENTITY 50 /* characters */

/* No migration from now on; @identity: who wants it, and may end it.  BUSY if
 * somebody else has done so.  NOT_IMPLEMENTED without a vCenter. */
bool vs_access_prepare(VsSession *session, const VsRef *vm,
                       const char *identity, GError **error);

/* May be called without the other.  Nothing to end is a success. */
bool vs_access_end(VsSession *session, const VsRef *vm, const char *identity,
                   GError **error);
