/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/san-devices.h - devices of this machine that a volume may be on. */
#pragma once

#include "vsphere/san-volume.h"

/* Names to open (char *).  @listed: those that somebody has told, with ';'
 * between them; NULL: those SCSI devices that are called as the server calls
 * the volume's, or that do not tell their names.  Blocks; NOT_FOUND. */
GPtrArray *vs_san_devices(const VsSanVolume *volume, const char *listed,
                          GError **error);
