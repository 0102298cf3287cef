/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/driver.h - the format driver "vmdk". */
#pragma once

#include "block/driver.h"

extern const VdDriver vd_vmdk_driver;
