/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/chain.c - an image and its backing file.
 *
 * The reference is a name and a format; nothing tells one content of the
 * backing file from another, so there are no ids to be kept.
 *
 * Concurrency: no change of the image is in flight.
 */
#include "formats/qcow2/first.h"

#include <string.h>

bool
qcow2_co_chain_begin(VdNode *node, VdChainRole role, char **coming,
                     GError **error)
{
    Qcow2State *s = vd_node_state(node);

    if (role == VD_CHAIN_TOP)
        s->stores_zeroes = true;
    else
        *coming = g_strdup("");
    return qcow2_co_begin(s, error);
}

bool
qcow2_co_chain_end(VdNode *node, const char *coming, GError **error)
{
    return qcow2_co_sync(vd_node_state(node), error);
}

/* -- the reference --------------------------------------------------------- */

static bool
check_reference(const Qcow2State *s, const char *name, const char *format,
                GError **error)
{
    if (!*name)
        return true;
    if (s->hdr.autoclear & QCOW2_AUTOCLEAR_DATA_FILE_RAW)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "%s: an image whose data file is raw cannot have a "
                        "backing file",
                        vd_node_name(s->file));
    return format || vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                              "backing format must be specified");
}

bool
qcow2_co_set_parent(VdNode *node, const VdParentRef *ref, GError **error)
{
    Qcow2State *s = vd_node_state(node);
    Qcow2First first;
    const char *format = ref->format;

    if (!ref->name)
        return true;
    if (!format && ref->parent && ref->take_format)
        format = vd_node_driver(ref->parent)->name;
    if (!check_reference(s, ref->name, format, error))
        return false;
    if (!ref->only_check && !s->refcounts)
        return qcow2_refuse_writing(s, error);
    if (!ref->only_check && !qcow2_co_sync(s, error))
        return false;
    first = qcow2_first_of(s); /* the refcount table may have moved until now */
    /* Bitmaps are of what the image itself holds, and that stays. */
    first.hdr.autoclear &=
        QCOW2_AUTOCLEAR_BITMAPS | QCOW2_AUTOCLEAR_DATA_FILE_RAW;
    first.backing_name = *ref->name ? ref->name : NULL;
    first.ext.backing_format = *ref->name ? (char *) format : NULL;
    return qcow2_co_store_first(s, &first, ref->only_check, error);
}

/* -- what it holds --------------------------------------------------------- */

bool
qcow2_co_make_empty(VdNode *node, GError **error)
{
    Qcow2State *s = vd_node_state(node);

    return qcow2_co_begin(s, error) &&
           qcow2_co_forget(s, 0, qcow2_reach(s), error) &&
           qcow2_co_trim(s, error);
}

bool
qcow2_co_uncover(VdNode *node, uint64_t off, uint64_t len, uint64_t *bytes,
                 GError **error)
{
    Qcow2State *s = vd_node_state(node);
    uint64_t cluster = qcow2_cluster_bytes(&s->hdr);
    uint64_t first = (off + cluster - 1) & ~(cluster - 1);
    uint64_t end = off + len;

    end = end >= s->hdr.size ? (end + cluster - 1) & ~(cluster - 1)
                             : end & ~(cluster - 1);
    if (first >= end || !qcow2_co_begin(s, error))
        return first >= end;
    for (uint64_t at = first; at < end; at += cluster) {
        Qcow2Entry entry;

        if (!qcow2_tables_co_get(s->tables, at, &entry, error))
            return false;
        if (entry.word || entry.bitmap)
            *bytes += MIN(cluster, s->hdr.size - at);
    }
    return qcow2_co_forget(s, first, end, error);
}
