/* SPDX-License-Identifier: BSD-3-Clause */
/* vix/so6/abi.c - what programs that load libvixDiskLib.so.6 were compiled
 * with: 6.0 and 6.5 had 80 bytes of connection parameters, 6.7 has 128. */
#include "vix/abi.h"

const VixAbi vix_abi = {
    .soname = 6,
    .short_connect_params = true,
    .has_sector_sizes = false,
};
