/* SPDX-License-Identifier: BSD-3-Clause */
/* vix/so7/abi.c - what programs that load libvixDiskLib.so.7 were compiled
 * with. */
#include "vix/abi.h"

const VixAbi vix_abi = {
    .soname = 7,
    .short_connect_params = false,
    .has_sector_sizes = true,
};
