/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/driver.h - the drivers "vsphere" and "vsphere-import", for the table
 * of drivers. */
#pragma once

#include "block/driver.h"

extern const VdDriver vd_vsphere_driver;

/* Of names vsphere://...?new-vm=...: machines that are to be made. */
#define VS_IMPORT_DRIVER "vsphere-import"
extern const VdDriver vd_vsphere_import_driver;

/* The way on which the bytes of the opened @node come here: "nbdssl". */
const char *vs_driver_transport(VdNode *node);
