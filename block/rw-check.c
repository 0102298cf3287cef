/* SPDX-License-Identifier: BSD-3-Clause */
/* block/rw-check.c - may this request pass the door?
 *
 * Concurrency: never yields.
 */
#include "block/rw-internal.h"

#include "block/open.h"

#include <inttypes.h>

static bool
throw_range(const VdNode *node, const char *what, uint64_t off, uint64_t len,
            GError **error)
{
    return vd_throw(error, VD_ERROR_OUT_OF_RANGE,
                    "%s: %s of %" PRIu64 " bytes at offset %" PRIu64
                    " reaches beyond the end at %" PRIu64,
                    vd_node_name(node), what, len, off, node->size);
}

bool
vd_check_range(const VdNode *node, const char *what, uint64_t off, uint64_t len,
               GError **error)
{
    if (G_LIKELY(off <= node->size && len <= node->size - off))
        return true;
    return throw_range(node, what, off, len, error);
}

bool
vd_check_write(const VdNode *node, const char *what, uint64_t off, uint64_t len,
               GError **error)
{
    uint64_t end = node->growable ? (uint64_t) VD_MAX_SIZE : node->size;

    if (G_UNLIKELY(!vd_node_is_writable(node)))
        return vd_throw(error, VD_ERROR_READ_ONLY,
                        "%s: %s at offset %" PRIu64
                        " although opened read-only",
                        vd_node_name(node), what, off);
    if (G_LIKELY(off <= end && len <= end - off))
        return true;
    if (node->driver->caps & VD_CAP_FIXED_SIZE)
        return vd_throw(error, VD_ERROR_NO_SPACE,
                        "%s: %s of %" PRIu64 " bytes at offset %" PRIu64
                        ": it has %" PRIu64 " bytes and does not grow",
                        vd_node_name(node), what, len, off, node->size);
    return throw_range(node, what, off, len, error);
}

bool
vd_throw_if_cancelled(const VdNode *node, GError **error)
{
    int r = vio_cancel_check(node->env->cancel);

    if (G_LIKELY(r == 0))
        return false;
    (void) vd_throw_errno(error, -r, "%s", vd_node_name(node));
    return true;
}
