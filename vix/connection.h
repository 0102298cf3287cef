/* SPDX-License-Identifier: BSD-3-Clause */
/* vix/connection.h - connections, and the parameters that make them. */
#pragma once

#include <stdbool.h>

#include "include/vixDiskLib.h"

struct VixDiskLibConnectParam {
    VixDiskLibConnectParams *params;
};

/* A copy of what this library may read of @params, strings and all in one
 * block; "" becomes NULL.  @params NULL gives one for local disks.  Freed with
 * VixDiskLib_FreeConnectParams(). */
VixDiskLibConnectParams *vix_params_copy(const VixDiskLibConnectParams *params);
bool vix_params_is_local(const VixDiskLibConnectParams *params);

/* Closes its disks, whose handles may still be closed, and frees it.  It is
 * none any more for vix_live_check_connection(). */
VixError vix_connection_close(VixDiskLibConnection connection);
