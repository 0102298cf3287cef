/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/raw.h - the raw format, for the table in api/drivers.c. */
#pragma once

#include "block/driver.h"

extern const VdDriver vd_raw_driver;
