/* SPDX-License-Identifier: BSD-3-Clause */
/* io/outside.h - leaving the stack of a coroutine for a while. */
#pragma once

#include "io/loop.h"

/* Call fn(arg) outside of the running coroutine, on the stack of the thread
 * that runs @loop, and go on when it has returned: for libraries of which
 * nobody knows how deep they go. */
void vio_co_outside(VioLoop *loop, VioFunc fn, void *arg);
