/* SPDX-License-Identifier: BSD-3-Clause */
/* block/rw-guard.c - the head of a disk that was only guessed to be raw.
 *
 * A guest that may write its first sectors freely could turn a raw disk into
 * an image that names files of the host, and the next start that guesses
 * would follow them.  So writes that would make another format recognise the
 * disk are refused while the format is a guess.
 *
 * Concurrency: the change is serialising over the whole head.
 */
#include "block/rw-internal.h"

#include "block/registry.h"

#include <inttypes.h>
#include <string.h>

/* The head as it would be. */
static bool
guard_co_head(VdNode *node, uint64_t off, const VioVec *src, uint64_t len,
              uint8_t *head, size_t head_len, GError **error)
{
    size_t n = MIN(len, head_len - off);

    if (!vd_node_co_pread(node, 0, head, head_len, error))
        return vd_prefix(error, "checking a write to the head: ");
    if (src) {
        VioVec part = vio_vec_slice(src, 0, n);

        vio_vec_copy_out(&part, head + off);
    } else {
        memset(head + off, 0, n);
    }
    return true;
}

bool
vd_guard_co_check(VdNode *node, uint64_t off, const VioVec *src, uint64_t len,
                  GError **error)
{
    size_t head_len = MIN(VD_PROBE_BYTES, node->size);
    g_autofree uint8_t *head = g_malloc(VD_PROBE_BYTES);
    const VdDriver *found;

    if (off >= head_len)
        return true;
    if (!guard_co_head(node, off, src, len, head, head_len, error))
        return false;
    found = vd_registry_probe(head, head_len, node->size, node->name, NULL);
    if (!found || (found->caps & VD_CAP_RAW))
        return true;
    return vd_throw(error, VD_ERROR_REFUSED,
                    "%s: write at offset %" PRIu64 " would make the disk look "
                    "like format '%s', and its format was guessed to be raw; "
                    "say that it is raw to allow this",
                    vd_node_name(node), off, found->name);
}
