/* SPDX-License-Identifier: BSD-3-Clause */
/* api/vsphere.h - the inside of a VdVsphere, for api/ only. */
#pragma once

#include "include/vdisk-vsphere.h"
#include "vsphere/session.h"

struct VdVsphere {
    VsSession *session;
    char *name; /* under which the session is published */
};

/* The machine that @vm means. */
VsRef *vd_vsphere_find_vm(VdVsphere *vsphere, const char *vm, GError **error);
