/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/hotadd-proxy.h - the virtual machine that we run in, as the server
 * knows it.  All of it blocks: see vsphere/session.h. */
#pragma once

#include "vsphere/session.h"

/* VM_NOT_FOUND: it is not this server's; NOT_SUPPORTED: we run in none. */
VsRef *vs_hotadd_find_proxy(VsSession *session, const char *root,
                            GError **error);

/* Where the SCSI controller with this number is plugged in, in the words of
 * vsphere/scsi-list.h; NULL = cannot be found out. */
char *vs_hotadd_pci_address(VsSession *session, const VsRef *proxy, int bus,
                            const char *root);

/* Wait until nothing changes it any more: what a process that died, or a
 * connection that was lost, had begun goes on in the server. */
bool vs_hotadd_settle(VsSession *session, const VsRef *proxy, GError **error);
