/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/hotadd-plan.h - may a disk be attached, where, and which one is it
 * then?  Decided from what the server says of machines; nothing is asked here.
 */
#pragma once

#include "block/error.h"
#include "vsphere/disks.h"
#include "vsphere/hotadd-record.h"
#include "vsphere/target.h"

/* NOT_SUPPORTED: a disk of its kind cannot be attached. */
bool vs_hotadd_check_kind(const VsTarget *target, GError **error);

typedef struct VsHotaddPlace {
    int controller_key; /* VS_NEW_CONTROLLER: to be made, with number @bus */
    int bus, unit;
} VsHotaddPlace;

/* NO_SPACE if nothing is free. */
bool vs_hotadd_choose_place(const VsHardware *proxy, VsHotaddPlace *place,
                            GError **error);
bool vs_hotadd_is_taken(const VsHardware *proxy, const VsHotaddPlace *place);

/* @file is what the disk shows, or what that stands on. */
bool vs_hotadd_disk_has(const VsDiskDevice *disk, const char *file);

/* The disk over @file that @after has and @before has not; NULL = none. */
const VsDiskDevice *vs_hotadd_find_added(const VsHardware *after,
                                         const VsHardware *before,
                                         const char *file);

/* The one that @record speaks of, if it is attached; NULL = it is not. */
const VsDiskDevice *vs_hotadd_find_recorded(const VsHardware *proxy,
                                            const VsHotaddRecord *record);
