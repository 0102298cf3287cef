/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/hotadd.h - disks of other virtual machines, attached to the one that
 * we run in, so that they are read and written as local devices.
 *
 * Coroutines of any loop.  What talks to the server or to the kernel is done on
 * workers.
 */
#pragma once

#include "block/options.h"
#include "io/cancel.h"
#include "vsphere/session.h"
#include "vsphere/target.h"

typedef struct VsHotaddParams {
    VsSession *session;  /* of a vCenter that has our machine, too */
    const char *root;    /* below which /sys, /dev and /var/tmp lie; NULL:
                            $VDISK_HOTADD_ROOT, the system's */
    const char *tmp_dir; /* of vsphere/hotadd-journal.h; NULL: the usual one */
    uint64_t interval_ns, appear_ns, vanish_ns; /* how often the kernel is
                            asked, how long until a disk has come or gone; 0 =
                            half a second, two minutes, one minute */
    VioCancel *cancel; /* of attaching and cleaning up; NULL = never */
    VdWarnFunc warn;   /* on the thread of the coroutine; NULL = drop */
    void *warn_opaque;
} VsHotaddParams;

typedef struct VsHotadd VsHotadd;

/* Attach the disk and find its device.  Unless it is @writable the server
 * throws away what is written to it.
 *
 * Errors tell which condition is not met: NOT_SUPPORTED, VM_NOT_FOUND (we do
 * not run in a machine of this server), IN_USE, NO_SPACE ...; REFUSED and
 * TIMED_OUT if there is no device that is the disk beyond doubt.  Nothing is
 * left attached then, or the text says that it is. */
VsHotadd *vs_hotadd_co_attach(VioLoop *loop, const VsHotaddParams *params,
                              const VsTarget *target, bool writable,
                              GError **error);

/* What opens its device: options of the driver hotadd. */
VdOptions *vs_hotadd_options(const VsHotadd *hotadd);

/* Nobody has the device open any more.  Frees @hotadd in any case; after a
 * failure the disk is still attached, and Cleanup finds it. */
bool vs_hotadd_co_detach(VioLoop *loop, VsHotadd *hotadd, GError **error);

typedef struct VsHotaddCounts {
    unsigned cleaned;   /* disks detached */
    unsigned remaining; /* still attached: in use, or could not be detached */
} VsHotaddCounts;

/* Detach what processes have left behind.  What could not be is warned of; an
 * error means that nothing could be looked at. */
bool vs_hotadd_co_cleanup(VioLoop *loop, const VsHotaddParams *params,
                          VsHotaddCounts *counts, GError **error);

/* The same for threads that may block, outside of any coroutine. */
VsHotadd *vs_hotadd_attach(const VsHotaddParams *params, const VsTarget *target,
                           bool writable, GError **error);
bool vs_hotadd_detach(VsHotadd *hotadd, GError **error);
bool vs_hotadd_cleanup(const VsHotaddParams *params, VsHotaddCounts *counts,
                       GError **error);

/* For tests: told before each step, on some thread.  Set while nothing runs. */
typedef void (*VsHotaddHook)(const char *step);
void vs_hotadd_set_hook(VsHotaddHook hook);
