/* SPDX-License-Identifier: BSD-3-Clause */
/* block/rw-guard.c - the head of a disk that was only guessed to be raw, and
 * its tail if its name is one that a format may be told by at the end.
 *
 * A guest that may write its first sectors freely could turn a raw disk into
 * an image that names files of the host, and the next start that guesses
 * would follow them.  So writes that would make another format recognise the
 * disk are refused while the format is a guess.
 *
 * Concurrency: the change is serialising over the whole head, and over all up
 * to the end where that is guarded.
 */
#include "block/rw-internal.h"

#include "block/registry.h"

#include <inttypes.h>
#include <string.h>

/* The @n bytes at @at as they would be with the change. */
static bool
guard_co_picture(VdNode *node, uint64_t off, const VioVec *src, uint64_t len,
                 uint64_t at, uint8_t *bytes, size_t n, GError **error)
{
    uint64_t from = MAX(off, at), to = MIN(off + len, at + n);

    if (!vd_node_co_pread(node, at, bytes, n, error))
        return vd_prefix(error, "checking a write to the head: ");
    if (from >= to)
        return true;
    if (src) {
        VioVec part =
            vio_vec_slice(src, (size_t) (from - off), (size_t) (to - from));

        vio_vec_copy_out(&part, bytes + (from - at));
    } else {
        memset(bytes + (from - at), 0, (size_t) (to - from));
    }
    return true;
}

static bool
refuse(const VdNode *node, uint64_t off, const VdDriver *found, GError **error)
{
    return vd_throw(error, VD_ERROR_REFUSED,
                    "%s: write at offset %" PRIu64 " would make the disk look "
                    "like format '%s', and its format was guessed to be raw; "
                    "say that it is raw to allow this",
                    vd_node_name(node), off, found->name);
}

static bool
guard_co_check_tail(VdNode *node, uint64_t off, const VioVec *src, uint64_t len,
                    GError **error)
{
    uint8_t tail[VD_PROBE_TAIL_BYTES];
    size_t n = MIN(sizeof(tail), node->size);
    uint64_t at = node->size - n;

    if (!node->tail_guard || off + len <= at)
        return true;
    if (!guard_co_picture(node, off, src, len, at, tail, n, error))
        return false;
    return !node->tail_guard->probe_tail(tail, n, node->size) ||
           refuse(node, off, node->tail_guard, error);
}

bool
vd_guard_co_check(VdNode *node, uint64_t off, const VioVec *src, uint64_t len,
                  GError **error)
{
    size_t n = MIN(VD_PROBE_BYTES, node->size);
    g_autofree uint8_t *head = NULL;
    const VdDriver *found;

    if (off < n) {
        head = g_malloc(VD_PROBE_BYTES);
        if (!guard_co_picture(node, off, src, len, 0, head, n, error))
            return false;
        found = vd_registry_probe(head, n, node->size, node->name, NULL);
        if (found && !(found->caps & VD_CAP_RAW))
            return refuse(node, off, found, error);
    }
    return guard_co_check_tail(node, off, src, len, error);
}
