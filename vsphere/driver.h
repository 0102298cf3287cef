/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/driver.h - the driver "vsphere", for the table of drivers. */
#pragma once

#include "block/driver.h"

extern const VdDriver vd_vsphere_driver;

/* The way on which the bytes of the opened @node come here: "nbdssl". */
const char *vs_driver_transport(VdNode *node);
