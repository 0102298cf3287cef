/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/export.h - disks as streams that the server exports. */
#pragma once

#include "vsphere/transports.h"

/* Transport "lease". */
VdOptions *vs_export_prepare(const VsPrepare *how, VsAttachment *attachment,
                             GError **error);
/* The disk is open, and has @size bytes. */
bool vs_export_check(const VsTarget *target, uint64_t size, GError **error);
