/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vdi/driver.h - the VDI format, for the table in api/drivers.c. */
#pragma once

#include "block/driver.h"

extern const VdDriver vd_vdi_driver;
