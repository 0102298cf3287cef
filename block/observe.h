/* SPDX-License-Identifier: BSD-3-Clause */
/* block/observe.h - telling somebody of each request that a leaf gets.
 *
 * A leaf is the only place where requests are what the storage sees of them.
 * If nobody watches it costs one comparison.
 */
#pragma once

#include "block/node-internal.h"
#include "block/open.h"

/* Now, if somebody watches; else 0. */
static inline uint64_t
vd_observe_start(const VdNode *node)
{
    return G_UNLIKELY(node->env->observe != NULL) ? vio_now_ns() : 0;
}

void vd_observe_tell(const VdNode *node, const VdRequest *request, bool ok);

/* The driver of the leaf has answered; gives @ok back. */
static inline bool
vd_observe_done(const VdNode *node, VdRequestOp op, uint64_t off, uint64_t len,
                uint64_t start_ns, bool ok)
{
    VdRequest request = {
        .op = op, .off = off, .len = len, .start_ns = start_ns};

    if (G_UNLIKELY(start_ns != 0))
        vd_observe_tell(node, &request, ok);
    return ok;
}
