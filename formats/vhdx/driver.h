/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vhdx/driver.h - the VHDX format, for the table in api/drivers.c. */
#pragma once

#include "block/driver.h"

extern const VdDriver vd_vhdx_driver;
