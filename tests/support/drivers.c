/* SPDX-License-Identifier: BSD-3-Clause */
/* tests/support/drivers.c - the drivers that the tests may open. */
#include "block/drivers.h"
#include "block/registry.h"
#include "formats/qcow2/driver.h"
#include "formats/raw.h"
#include "formats/vdi/driver.h"
#include "formats/vhd/driver.h"
#include "formats/vhdx/driver.h"
#include "formats/vmdk/driver.h"
#include "tests/support/co-test.h"

static const VdDriver *const test_drivers[] = {
    /* protocols */
    &vd_file_driver,
    &vd_null_driver,
    &vd_zero_driver,
    &vd_memory_driver,
    &vd_nbd_driver,
    &vd_https_driver,
    &vd_hotadd_driver,
    &vd_vmfs_driver,
    /* filters */
    &vd_readonly_driver,
    &vd_throttle_driver,
    &vd_log_driver,
    &vd_fault_driver,
    &vd_blkdebug_driver,
    /* formats */
    &vd_vmdk_driver,
    &vd_vdi_driver,
    &vd_vhd_driver,
    &vd_vhdx_driver,
    &vd_qcow2_driver,
    &vd_raw_driver,
    NULL,
};

void
test_register_drivers(void)
{
    vd_registry_set(test_drivers);
}
