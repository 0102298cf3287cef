/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/dial.h - a connection to a server. */
#pragma once

#include "block/open.h"
#include "io/net.h"
#include "io/stream.h"

/* What -@errnum means that connecting has come to. */
VdErrorCode vd_dial_code(int errnum);

/* @name: of what is there, for messages.  NULL with @error set: NOT_FOUND
 * if there is no such socket, HOST_NOT_FOUND, CONNECTION_REFUSED, PERMISSION,
 * TIMED_OUT, CANCELLED, else IO. */
VioStream *vd_co_dial(const VdEnv *env, const char *name,
                      const VioNetAddress *address, VioCancel *cancel,
                      GError **error);
