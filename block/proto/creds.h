/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/creds.h - TLS credentials for a driver. */
#pragma once

#include "io/loop.h"
#include "io/tls.h"

/* vio_tls_creds_new() on a worker: it reads files. */
VioTlsCreds *vd_co_load_creds(VioLoop *loop, const VioTlsParams *params,
                              char **why);
