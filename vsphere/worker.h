/* SPDX-License-Identifier: BSD-3-Clause */
/* vsphere/worker.h - what blocks, for coroutines. */
#pragma once

#include "io/cancel.h"
#include "io/loop.h"

#include <glib.h>
#include <stdbool.h>

/* Talks to a server, or does something else that blocks. */
typedef bool (*VsWork)(void *arg, GError **error);

/* Runs it on a worker of @loop.  @cancel stops what it asks servers, and its
 * waiting for others who ask them; NULL = nothing does. */
bool vs_co_work(VioLoop *loop, VsWork work, void *arg, VioCancel *cancel,
                GError **error);
