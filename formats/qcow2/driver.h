/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/driver.h - the qcow2 format, for the table in api/drivers.c. */
#pragma once

#include "block/driver.h"

extern const VdDriver vd_qcow2_driver;
