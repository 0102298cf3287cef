/* SPDX-License-Identifier: BSD-3-Clause */
/* io/claim.h - names that one open thing of this machine may have at a time.
 *
 * For what is reached over a network and knows no locks: two of our own do not
 * get into each other's way.  Other machines, and other network namespaces of
 * this one, see nothing of it. */
#pragma once

/* A descriptor that holds @name until it is closed, by the end of the process
 * if nothing else; -EADDRINUSE: somebody has it, -errno: no such thing is to be
 * had here. */
int vio_claim_take(const char *name);
