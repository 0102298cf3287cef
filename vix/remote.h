/* SPDX-License-Identifier: BSD-3-Clause */
/* vix/remote.h - connections to servers. */
#pragma once

#include "include/vdisk-vsphere.h"
#include "include/vixDiskLib.h"

/* What a connection knows of its server.  It has references, since another
 * thread may disconnect while disks are being opened. */
typedef struct VixRemote VixRemote;

/* @params (taken over) speak of a server; nothing is sent yet. */
VixRemote *vix_remote_new(VixDiskLibConnectParams *params, bool read_only,
                          const char *snapshot, const char *modes);
VixRemote *vix_remote_ref(VixRemote *remote);
/* With the last one the session is over.  NULL is nothing. */
void vix_remote_unref(VixRemote *remote);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VixRemote, vix_remote_unref)

/* The session, made when it is first needed; NULL and *@err, in the name of
 * @function. */
VdVsphere *vix_remote_session(const char *function, VixRemote *remote,
                              VixError *err);

/* Which virtual machine the parameters mean, or NULL (a first class disk). */
const char *vix_remote_vm(const VixRemote *remote);

/* What everything that opens disks calls the disk @path, or NULL and *@err. */
char *vix_remote_disk_name(const char *function, VixRemote *remote,
                           const char *path, uint32 flags, VixError *err);

/* FILE_READ_ONLY if the connection is a read-only one. */
VixError vix_remote_check_writable(const char *function,
                                   const VixRemote *remote, const char *path);

/* "host:port", for messages. */
const char *vix_remote_server(const VixRemote *remote);

/* INVALID_ARG, NOT_SUPPORTED or OK: can such parameters be worked with? */
VixError vix_remote_check_params(const char *function,
                                 const VixDiskLibConnectParams *params);
