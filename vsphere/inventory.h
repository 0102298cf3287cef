/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/inventory.h - finding virtual machines, datacenters, datastores. */
#pragma once

#include "vsphere/session.h"

/* @spec names a virtual machine, in one of these ways:
 *   moref=vm-57, moid=vm-57              its id
 *   uuid=XXXXXXXX-...                    of its BIOS
 *   instanceuuid=XXXXXXXX-...            given by vCenter
 *   [ds] dir/x.vmx?dcPath=DC&dsName=DS   its file; the part in brackets and
 *                                        dsName say the same, one is enough;
 *                                        without dcPath it must be the only one
 *                                        of that name
 *   DC/vm/folder/name                    its place in the inventory
 * VM_NOT_FOUND, or INVALID_ARGUMENT. */
VsRef *vs_inventory_find_vm(VsSession *session, const char *spec,
                            GError **error);

/* By @uuid, in any datacenter; NULL without @error = there is none.  Machines
 * that were copied may share one: INVALID_ARGUMENT. */
VsRef *vs_inventory_find_vm_by_uuid(VsSession *session, const char *uuid,
                                    bool instance, GError **error);

/* What is at a place of the inventory ("DC0/vm/a"); NULL without @error =
 * nothing. */
VsRef *vs_inventory_find_path(VsSession *session, const char *path,
                              GError **error);

/* The datacenter in which @object (a machine, datastore, folder) is, NULL
 * without @error on hosts that have none to speak of; its path in the
 * inventory ("folder/DC0") to *@path (g_free; may be NULL). */
VsRef *vs_inventory_datacenter_of(VsSession *session, const VsRef *object,
                                  char **path, GError **error);

/* The datacenter that @object is in, on hosts, too; NOT_FOUND. */
VsRef *vs_inventory_datacenter_above(VsSession *session, const VsRef *object,
                                     GError **error);

/* The datastore called @name among those of @owner, a datacenter or a virtual
 * machine; NOT_FOUND. */
VsRef *vs_inventory_find_datastore(VsSession *session, const VsRef *owner,
                                   const char *name, GError **error);
