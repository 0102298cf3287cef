/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/scsi-find.h - which SCSI device is the disk that was just attached?
 *
 * Ways to tell, from the surest on:
 *   1. it is new and has the name that the disk's UUID stands for
 *   2. it is new, on the disk's controller, and its target number is the
 *      disk's unit number
 *   3. the same where nobody knows which controller is which
 *   4. it is the only new one
 * What is known to be something else (another name, another controller, another
 * size) is never taken, and if two fit, none is.  Nor is what was there before:
 * copies of a disk share its UUID, and the server says what that is.
 */
#pragma once

#include "io/cancel.h"
#include "vsphere/scsi-list.h"

typedef struct VsScsiWanted {
    const char *name;        /* of block/scsi-id.h; NULL = not known */
    const char *pci_address; /* of the controller; NULL = not known */
    unsigned unit;
    uint64_t size;     /* bytes */
    bool sure;         /* it is to be written: not by the last way */
    GPtrArray *before; /* vs_scsi_list() from before it was attached; those that
                          go while it is waited for are removed */
} VsScsiWanted;

typedef enum VsScsiChoice {
    VS_SCSI_FAILED, /* REFUSED: it is there and not what it should be, or two
                       are there */
    VS_SCSI_NOT_YET,
    VS_SCSI_LIKELY, /* by the last way only: another may still come */
    VS_SCSI_FOUND,
} VsScsiChoice;

/* @found belongs to @now.  Blocks. */
VsScsiChoice vs_scsi_choose(const char *root, const GPtrArray *now,
                            const VsScsiWanted *wanted,
                            const VsScsiDevice **found, GError **error);

/* How to wait for devices. */
typedef struct VsScsiWait {
    const char *root;
    uint64_t interval_ns, limit_ns;
    VioCancel *cancel; /* NULL = never */
} VsScsiWait;

/* Has the kernel look for it, until it is there and its node can be found.
 * TIMED_OUT tells what new devices there are instead. */
VsScsiDevice *vs_scsi_co_await(VioLoop *loop, const VsScsiWait *wait,
                               const VsScsiWanted *wanted, GError **error);

/* Until the device is gone: TIMED_OUT. */
bool vs_scsi_co_await_end(VioLoop *loop, const VsScsiWait *wait,
                          const char *address, GError **error);
