/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/folder.h - disks as files of their datastores, read over HTTPS. */
#pragma once

#include "vsphere/transports.h"

/* Transport "folder". */
VdOptions *vs_folder_prepare(const VsPrepare *how, VsAttachment *attachment,
                             GError **error);
