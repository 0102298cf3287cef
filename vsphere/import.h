/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/import.h - machines that a server makes of a disk that is sent to it.
 */
#pragma once

#include "block/options.h"
#include "vsphere/lease.h"
#include "vsphere/open-params.h"

/* What the user says of it. */
typedef struct VsImportSpec {
    char *vm;        /* its place in the inventory: "DC/vm/folder/name" */
    char *datastore; /* its name in that datacenter */
    char *pool;      /* place of a resource pool, a vApp, a cluster or a host;
                        NULL = where the datastore is, if that is one place */
} VsImportSpec;

/* Out of @opts: new-vm, datastore, pool. */
bool vs_import_spec_take(VsImportSpec *spec, VdOptions *opts, GError **error);
/* Whether @params, for the server and the rest, go with such a machine. */
bool vs_import_check(const VsOpenParams *params, GError **error);
void vs_import_spec_clear(VsImportSpec *spec);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VsImportSpec, vs_import_spec_clear)

/* Where it is to be. */
typedef struct VsImportPlace {
    char *name, *datastore;
    VsRef *folder, *pool;
    VsRef *host; /* NULL = the server chooses */
} VsImportPlace;

/* Blocks.  NOT_FOUND; EXISTS if there is something of that name; NULL: @error.
 */
VsImportPlace *vs_import_find_place(VsSession *session,
                                    const VsImportSpec *spec, GError **error);
void vs_import_place_free(VsImportPlace *place);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VsImportPlace, vs_import_place_free)

/* Begins it: the machine is there, with a disk of @capacity bytes that is to be
 * filled at *@disk, which lives as long as the lease; if the lease is given
 * back the server removes the machine.  Blocks. */
VsLease *vs_import_begin(VsSession *session, const VsImportPlace *place,
                         uint64_t capacity, VioCancel *cancel,
                         const VsLeaseDisk **disk, GError **error);

/* -- streams ----------------------------------------------------------------
 */

/* What servers want disks in. */
#define VS_IMPORT_TYPE "application/x-vnd.vmware-streamVmdk"

/* Bytes of the disk in the streamOptimized VMDK that begins with @head; false =
 * it is none. */
bool vs_stream_capacity(const void *head, size_t len, uint64_t *capacity);
/* Byte of the disk at which the grain begins whose record @data begin with;
 * false = they begin with none. */
bool vs_stream_position(const void *data, size_t len, uint64_t capacity,
                        uint64_t *off);
