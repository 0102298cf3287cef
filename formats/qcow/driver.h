/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow/driver.h - qcow version 1, for the table in api/drivers.c. */
#pragma once

#include "block/driver.h"

extern const VdDriver vd_qcow_driver;
