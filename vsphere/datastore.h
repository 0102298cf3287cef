/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/datastore.h - files of datastores over HTTPS: their names. */
#pragma once

#include "vsphere/session.h"

/* https://server/folder/DIR/X.vmdk?dcPath=...&dsName=...; @path: "[ds] dir/x",
 * @datacenter: its path in the inventory, NULL on a host.  INVALID_NAME if
 * @path names no datastore; g_free. */
char *vs_datastore_url(const VsSession *session, const char *path,
                       const char *datacenter, GError **error);

/* The parts of it, for hosts other than the session's. */
char *vs_datastore_query(const char *datastore, const char *datacenter);
char *vs_datastore_inside(const char *inside);
