/* SPDX-License-Identifier: BSD-3-Clause */
/* io/sigpipe.h - writing to what may be closed at its other end, by calls that
 * cannot be told to do without the signal. */
#pragma once

#include <signal.h>
#include <stdbool.h>

typedef struct VioSigpipe {
    sigset_t sigpipe, before;
    bool pending; /* somebody else's, to be left alone */
} VioSigpipe;

/* The same thread, with no yield between the two.  @broken: a write between
 * them may have failed. */
void vio_sigpipe_block(VioSigpipe *guard);
void vio_sigpipe_unblock(const VioSigpipe *guard, bool broken);
