/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vhd/driver.h - the VHD format, for the table in api/drivers.c. */
#pragma once

#include "block/driver.h"

extern const VdDriver vd_vhd_driver;
