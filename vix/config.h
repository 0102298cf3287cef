/* SPDX-License-Identifier: BSD-3-Clause */
/* vix/config.h - what the configuration file of VixDiskLib_InitEx() says.
 * Defaults before that, and after the end of the library. */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "include/vixDiskLib.h"

/* @path NULL: the files where VMware's products look; those may be missing.
 * Unknown keys are ignored (and logged). */
VixError vix_config_load(const char *path);
void vix_config_clear(void);

bool vix_config_extra_error_bits(void); /* vdisk.extraErrorBits, 0 */
bool vix_config_lock(void);             /* vdisk.lock, 1: .lck directories */
unsigned vix_config_lock_wait_ms(void); /* vdisk.lockWaitMs, 3500: for those of
                                           others */
bool vix_config_any_path(void);         /* vdisk.allowAnyPath, 0: extents may
                                           lie anywhere */
const char *vix_config_engine(void);    /* vdisk.engine, "auto"; constant */
/* vixDiskLib.nfcAio.Session.BufSizeIn64KB and .BufCount; 0 = as it suits. */
unsigned vix_config_nfc_buffer_bytes(void);
unsigned vix_config_nfc_buffers(void);
/* tmpDirectory, under which is written down what is left attached; NULL = the
 * usual place; g_free. */
char *vix_config_tmp_dir(void);
/* vdisk.san.devices, with ';' between them: what datastores may be on; NULL =
 * what the machine has; g_free. */
char *vix_config_san_devices(void);
/* vixDiskLib.transport.san.denyList and allowList, with ',' between nodes of
 * devices that are not to be looked at, and those that are nevertheless; NULL =
 * none; g_free. */
char *vix_config_san_deny(void);
char *vix_config_san_allow(void);
/* vdisk.san.write: "off" or "in-place"; NULL = off.  g_free. */
char *vix_config_san_write(void);
