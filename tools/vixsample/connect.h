/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/vixsample/connect.h - from options to connection parameters. */
#pragma once

#include "tools/vixsample/options.h"

/* Their strings are those of @opts.  NULL after a message. */
VixDiskLibConnectParams *connect_params_new(const Options *opts);
void connect_params_free(VixDiskLibConnectParams *params);

/* Connect, or ConnectEx if the options need that.  False after a message. */
bool connect_open(const Options *opts, const VixDiskLibConnectParams *params,
                  bool read_only, VixDiskLibConnection *connection);
/* To local disks. */
bool connect_open_local(VixDiskLibConnection *connection);
