/* SPDX-License-Identifier: BSD-3-Clause */
/* vix/connection.h - connections, and the parameters that make them. */
#pragma once

#include <stdbool.h>

#include "include/vixDiskLib.h"
#include "vix/remote.h"

struct VixDiskLibConnectParam {
    VixDiskLibConnectParams *params;
    VixRemote *remote; /* NULL = local disks */
};

/* A copy of what this library may read of @params, strings and all in one
 * block; "" becomes NULL.  @params NULL gives one for local disks.  Freed with
 * VixDiskLib_FreeConnectParams(). */
VixDiskLibConnectParams *vix_params_copy(const VixDiskLibConnectParams *params);
bool vix_params_is_local(const VixDiskLibConnectParams *params);

/* *@remote: what is to be known of the server of @connection, with a reference
 * of the caller's; NULL = it is for local disks. */
VixError vix_connection_remote(const char *function,
                               const VixDiskLibConnection connection,
                               VixRemote **remote);
/* NOT_SUPPORTED_ON_REMOTE_OBJECT unless @connection is for local disks. */
VixError vix_connection_check_local(const char *function,
                                    const VixDiskLibConnection connection);

/* Closes its disks, whose handles may still be closed, and frees it.  It is
 * none any more for vix_live_check_connection(). */
VixError vix_connection_close(VixDiskLibConnection connection);
