/* SPDX-License-Identifier: BSD-3-Clause */
/* block/vmware-member.h - what lies in a NAME.lck directory of VMware's, for
 * block/vmware-*.c.
 *
 * Three names belong to each user, with one number:
 *   D#####.lck  directory: is choosing its place in the queue
 *   E#####.lck  file: the member, not finished yet
 *   M#####.lck  file: a member, 512 bytes of text
 *     MACHINE EXECUTION PLACE S|X PLACE lc=CHECKSUM
 *
 * MACHINE is the base64 of 12 bytes: a hash of the host's name, and eight of
 * the network address, padded; EXECUTION is PID-START(COMMAND).
 */
#pragma once

#include "block/error.h"

#define VD_VMWARE_MEMBER_BYTES 512
#define VD_VMWARE_NAME_BYTES sizeof("M00000.lck")

typedef enum VdVmwareName {
    VD_VMWARE_NAME_OTHER,
    VD_VMWARE_NAME_CHOOSING, /* D */
    VD_VMWARE_NAME_ENTRY,    /* E */
    VD_VMWARE_NAME_MEMBER,   /* M */
} VdVmwareName;

VdVmwareName vd_vmware_name_kind(const char *name);

typedef struct VdVmwareMember {
    char text[VD_VMWARE_MEMBER_BYTES + 1];
    size_t len;
    bool gone;       /* it is not there (any more) */
    bool understood; /* else it is taken for an exclusive lock of somebody */
    bool ours;       /* of this machine */
    bool stale;      /* of a process of this machine that is gone, or empty */
    bool exclusive;
    uint64_t place; /* in the queue; 0 if it was not understood */
} VdVmwareMember;

/* Reads and judges; blocks.  What cannot be read or understood is alive. */
void vd_vmware_member_read(int dirfd, const char *name, VdVmwareMember *member);

/* "process 12 (vmx) of this machine"; g_free. */
char *vd_vmware_member_owner(const VdVmwareMember *member);

/* Exactly VD_VMWARE_MEMBER_BYTES, for this process. */
void vd_vmware_member_write(char *text, const char *lock_dir, uint64_t place,
                            bool exclusive);

/* IN_USE: @member, the file @name of @lock_dir, keeps us from using @path. */
bool vd_vmware_member_throw(const VdVmwareMember *member, const char *lock_dir,
                            const char *name, const char *path, GError **error);
