/* SPDX-License-Identifier: BSD-3-Clause */
/* api/drivers.c - every driver of the library, in one table.
 *
 * The order counts for probing only: of two formats that are equally sure of
 * an image the first one gets it.
 */
#include "api/context.h"

#include "block/drivers.h"
#include "formats/qcow/driver.h"
#include "formats/qcow2/driver.h"
#include "formats/raw.h"
#include "formats/vdi/driver.h"
#include "formats/vhd/driver.h"
#include "formats/vhdx/driver.h"
#include "formats/vmdk/driver.h"
#include "vsphere/driver.h"

const VdDriver *const vd_drivers[] = {
    /* protocols */
    &vd_file_driver,
    &vd_null_driver,
    &vd_zero_driver,
    &vd_memory_driver,
    &vd_fd_driver,
    &vd_nbd_driver,
    &vd_hotadd_driver,
    &vd_https_driver,
    &vd_iscsi_driver,
    &vd_nfc_driver,
    &vd_vmfs_driver,
    &vd_vsphere_import_driver,

    /* filters */
    &vd_fault_driver,
    &vd_blkdebug_driver,
    &vd_throttle_driver,
    &vd_log_driver,
    &vd_readonly_driver,
    &vd_vsphere_driver,

    /* formats */
    &vd_vmdk_driver,
    &vd_qcow2_driver,
    &vd_qcow_driver,
    &vd_vdi_driver,
    &vd_vhd_driver,
    &vd_vhdx_driver,
    &vd_raw_driver,

    NULL,
};
