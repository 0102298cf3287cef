/* SPDX-License-Identifier: BSD-3-Clause */
/* vdisk-vsphere.h - libvdisk: vCenter and ESXi.
 *
 * A VdVsphere is a session with a server.  Its functions block, may be called
 * by any thread (but not from inside a callback of a context), and are done
 * one after another.  Disks of virtual machines are opened like all others, by
 * vd_disk_open(), with the driver "vsphere":
 *
 *   vsphere://USER@HOST/?vm=VM&snapshot=SNAPSHOT&disk=[DS] DIR/X.vmdk&...
 *
 * percent-encoded, with the password in a file or in the environment; or, in a
 * session that exists, by the name that vd_vsphere_disk_name() gives or that
 * vd_vsphere_lend() is given.
 *
 * A new image (vd_create_begin(), format vmdk, streamOptimized) of the name
 *
 *   vsphere://USER@HOST/?new-vm=DC/vm/NAME&datastore=DS&pool=POOL&...
 *
 * is sent to the server, which makes a virtual machine with that disk of it
 * (ImportVApp, by a lease); before the commit there is none.
 *
 * A virtual machine is meant by its id ("moref=vm-57"), by "uuid=...",
 * "instanceuuid=...", by its file ("[DS] DIR/X.vmx?dcPath=DC&dsName=DS"), or by
 * its place in the inventory ("DC/vm/folder/name").
 *
 * No text of an error has a password, cookie or ticket in it.
 */
#pragma once

#include "vdisk.h"

G_BEGIN_DECLS

typedef struct VdVsphere VdVsphere;

/* NULL if this build and installation can do it, else why not. */
VD_PUBLIC const char *vd_vsphere_missing(void);

/* -- sessions ------------------------------------------------------------- */

typedef struct VdVsphereParams {
    const char *server; /* name or address */
    unsigned port;      /* 0 = 443 */
    const char *user, *password;
    const char *password_file; /* without a password: its first line is it */
    const char *password_env;  /* without both: the variable that has it */
    const char *session_id; /* value of the cookie of a session that exists and
                               is never logged out; user and password may say
                               how to go on when it has ended */
    const char *thumbprint; /* SHA-1 or SHA-256 of the certificate, hexadecimal;
                               when given it alone decides */
    const char *ca_file;    /* NULL = whom the system trusts */
    bool insecure;          /* without a thumbprint: no check at all */
    const char *proxy;      /* URL; NULL = none */
    unsigned timeout_ms;    /* of a call; 0 = two minutes */
} VdVsphereParams;

/* Errors: LOGIN; HOST_NOT_FOUND, CONNECTION_REFUSED, CANNOT_CONNECT (TLS,
 * certificate), CONNECTION_LOST. */
VD_PUBLIC VdVsphere *vd_vsphere_connect(const VdVsphereParams *params,
                                        GError **error);
/* Disks that are open go on; with the last of them the session is logged out,
 * if it was made here.  NULL is nothing. */
VD_PUBLIC void vd_vsphere_disconnect(VdVsphere *vsphere);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VdVsphere, vd_vsphere_disconnect)

VD_PUBLIC bool vd_vsphere_is_vcenter(const VdVsphere *vsphere);
/* "VMware vCenter Server 8.0.1 build-..."; lives as long as the session. */
VD_PUBLIC const char *vd_vsphere_product(const VdVsphere *vsphere);

/* -- disks ---------------------------------------------------------------- */

typedef struct VdVsphereDisk {
    const char *vm;
    const char *snapshot; /* id or name; NULL = the machine as it is */
    const char *disk; /* "[DS] DIR/X.vmdk", which may be a parent of what is in
                         use; "Hard disk 1"; NULL = the only one */
    const char *fcd, *fcd_datastore; /* ids of a first class disk, instead of
                                        vm and disk */
    const char *transports; /* names of vd_transport_list() to be tried, with
                               colons between them; NULL = all that there are
                               for disks of servers.  "folder" (files over
                               HTTPS) and "lease" (what the server exports, kept
                               in a temporary file, or read while it comes with
                               VD_OPEN_IN_ORDER), both read-only, are tried if
                               they are named */
} VdVsphereDisk;

/* The name by which everything that opens disks opens it in this session, as
 * long as that is connected; g_free.  @options, for the drivers below
 * ("nfc.buffer-size=1M,..."), may be NULL. */
VD_PUBLIC char *vd_vsphere_disk_name(const VdVsphere *vsphere,
                                     const VdVsphereDisk *disk,
                                     const char *options, GError **error);

/* What a name "vsphere://..." says; NULL, 0 and false: nothing. */
typedef struct VdVsphereName {
    char *server, *user;
    unsigned port;
    char *password_file, *password_env;
    char *thumbprint, *ca_file, *proxy;
    bool insecure;
    char *vm, *snapshot, *disk, *fcd, *fcd_datastore, *transports;
    char *new_vm; /* it means a machine that is to be made */
} VdVsphereName;

/* NULL if it is none. */
VD_PUBLIC VdVsphereName *vd_vsphere_name_parse(const char *name,
                                               GError **error);
VD_PUBLIC void vd_vsphere_name_free(VdVsphereName *name);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VdVsphereName, vd_vsphere_name_free)

/* Whether what @name says goes together and is enough to mean a disk.  No I/O:
 * whether there is such a disk is for its server to say. */
VD_PUBLIC bool vd_vsphere_name_check(const char *name, GError **error);

/* From now on, and as long as the session is connected, whatever opens a disk
 * by exactly this name, "vsphere://...", opens it in this session.  What the
 * name says about the server, the user and the password is not looked at: it
 * need not say where that is. */
VD_PUBLIC void vd_vsphere_lend(VdVsphere *vsphere, const char *name);

/* On which way the bytes of an open disk come here ("nbdssl"); NULL if it is
 * none of a server.  Constant. */
VD_PUBLIC const char *vd_vsphere_disk_transport(VdDisk *disk);

/* Detaches disks that processes which have ended since had attached to the
 * machine that we run in (transport hotadd), of this server.  @tmp_dir: where
 * they have written that down ("hotadd.tmp-dir"; NULL = the usual place).
 * *@cleaned: detached now; *@remaining: in use by others, or not to be
 * detached, and then *@why (may be NULL; g_free) tells. */
VD_PUBLIC bool vd_vsphere_cleanup(VdVsphere *vsphere, const char *tmp_dir,
                                  unsigned *cleaned, unsigned *remaining,
                                  char **why, GError **error);

/* -- virtual machines ----------------------------------------------------- */

typedef struct VdVsphereVmDisk {
    int key;
    char *label; /* "Hard disk 1" */
    char *file;  /* in use; NULL = none */
    char *mode;  /* "persistent" ... */
    uint64_t size;
    unsigned links; /* files that it consists of */
} VdVsphereVmDisk;

typedef struct VdVsphereVm {
    char *id; /* "vm-57" */
    char *name;
    char *power_state; /* "poweredOn" ... */
    char *uuid, *instance_uuid;
    char *file; /* "[DS] DIR/X.vmx" */
    bool change_tracking;
    GPtrArray *disks; /* of VdVsphereVmDisk */
} VdVsphereVm;

/* @snapshot NULL: the disks are those in use now. */
VD_PUBLIC VdVsphereVm *vd_vsphere_get_vm(VdVsphere *vsphere, const char *vm,
                                         const char *snapshot, GError **error);
VD_PUBLIC void vd_vsphere_vm_free(VdVsphereVm *vm);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VdVsphereVm, vd_vsphere_vm_free)

/* -- snapshots ------------------------------------------------------------ */

/* False = stop. */
typedef bool (*VdVsphereProgress)(unsigned percent, void *opaque);

typedef struct VdVsphereSnapshot {
    char *id; /* "snapshot-47" */
    char *name, *description, *create_time;
    unsigned depth; /* of the tree */
    bool quiesced, current;
} VdVsphereSnapshot;

/* Of VdVsphereSnapshot, parents before children. */
VD_PUBLIC GPtrArray *vd_vsphere_list_snapshots(VdVsphere *vsphere,
                                               const char *vm, GError **error);

typedef struct VdVsphereSnapshotParams {
    const char *name, *description; /* description may be NULL */
    bool memory, quiesce;
    VdVsphereProgress progress; /* may be NULL */
    void *opaque;
} VdVsphereSnapshotParams;

/* Its id; g_free. */
VD_PUBLIC char *
vd_vsphere_create_snapshot(VdVsphere *vsphere, const char *vm,
                           const VdVsphereSnapshotParams *params,
                           GError **error);
/* @children: those that come after it, too. */
VD_PUBLIC bool vd_vsphere_remove_snapshot(VdVsphere *vsphere, const char *vm,
                                          const char *snapshot, bool children,
                                          GError **error);

/* -- access --------------------------------------------------------------- */

/* The machine is not moved to another host or datastore from the one call to
 * the other, which may also come alone, and is to come even if the first fails:
 * its answer may have been lost.  @identity: who wants it, at most 50
 * characters.  BUSY if somebody else has asked for it; NOT_IMPLEMENTED by a
 * host that has no vCenter. */
VD_PUBLIC bool vd_vsphere_prepare_access(VdVsphere *vsphere, const char *vm,
                                         const char *identity, GError **error);
VD_PUBLIC bool vd_vsphere_end_access(VdVsphere *vsphere, const char *vm,
                                     const char *identity, GError **error);

/* -- disks as files ------------------------------------------------------- */

/* What a server does with files of datastores by itself.  @path: "[DS]
 * DIR/X.vmdk", looked for in the datacenter of @vm.  IN_USE if @vm is on and
 * has it, or if a snapshot or another file of @vm builds on it; deleting and
 * moving, too, if it is a disk of @vm at all.  Other machines are not looked
 * at. */
typedef struct VdVsphereFile {
    const char *vm;
    const char *path;
    VdVsphereProgress progress; /* may be NULL */
    void *opaque;
} VdVsphereFile;

/* @type: "thin", "preallocated", "eagerZeroedThick"; @adapter: "lsiLogic",
 * "busLogic", "ide".  Sizes are multiples of 1 KiB. */
VD_PUBLIC bool vd_vsphere_file_create(VdVsphere *vsphere,
                                      const VdVsphereFile *file, uint64_t size,
                                      const char *type, const char *adapter,
                                      GError **error);
VD_PUBLIC bool vd_vsphere_file_delete(VdVsphere *vsphere,
                                      const VdVsphereFile *file,
                                      GError **error);
VD_PUBLIC bool vd_vsphere_file_extend(VdVsphere *vsphere,
                                      const VdVsphereFile *file, uint64_t size,
                                      GError **error);
VD_PUBLIC bool vd_vsphere_file_shrink(VdVsphere *vsphere,
                                      const VdVsphereFile *file,
                                      GError **error);
VD_PUBLIC bool vd_vsphere_file_defragment(VdVsphere *vsphere,
                                          const VdVsphereFile *file,
                                          GError **error);
/* @to: in the same datacenter.  EXISTS unless @force. */
VD_PUBLIC bool vd_vsphere_file_move(VdVsphere *vsphere,
                                    const VdVsphereFile *file, const char *to,
                                    bool force, GError **error);
VD_PUBLIC bool vd_vsphere_file_copy(VdVsphere *vsphere,
                                    const VdVsphereFile *file, const char *to,
                                    bool force, GError **error);

G_END_DECLS
