/* SPDX-License-Identifier: BSD-3-Clause */
/* block/drivers.h - the drivers that belong to the block layer itself, for the
 * table in api/drivers.c and for tests. */
#pragma once

#include "block/driver.h"

/* Leaves. */
extern const VdDriver vd_file_driver;
extern const VdDriver vd_null_driver;
extern const VdDriver vd_zero_driver;
extern const VdDriver vd_memory_driver;
extern const VdDriver vd_fd_driver;
extern const VdDriver vd_nbd_driver;
extern const VdDriver vd_https_driver;
extern const VdDriver vd_iscsi_driver;
extern const VdDriver vd_nfc_driver;
extern const VdDriver vd_hotadd_driver;
extern const VdDriver vd_vmfs_driver;

/* Filters. */
extern const VdDriver vd_readonly_driver;
extern const VdDriver vd_throttle_driver;
extern const VdDriver vd_log_driver;
extern const VdDriver vd_fault_driver;
extern const VdDriver vd_blkdebug_driver; /* fault under QEMU's name */
