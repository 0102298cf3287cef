/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/chain/cid.c - what a disk has to note before its contents
 * change.
 *
 * Once per opening, before the first change is acknowledged: a new content id,
 * by which children notice that their parent is not what it was (those that can
 * be found are named in a warning), and the end of change tracking, whose file
 * nobody would bring up to date.
 *
 * A disk that is just being created needs neither: nobody knows its content id.
 *
 * Concurrency: the first writer does it, others wait for him.
 */
#include "formats/vmdk/chain/chain.h"
#include "formats/vmdk/chain/children.h"
#include "formats/vmdk/descriptor/ids.h"
#include "formats/vmdk/sparse/sparse.h"

#include "block/open.h"

#define VERSION_BYTE 4
#define CBT_VERSION 3

/* The extent headers lose the number that announces change tracking; that of a
 * stream says something else. */
static bool
cid_co_lower_header_versions(VmdkState *s, GError **error)
{
    for (unsigned i = 0; i < s->n_extents; i++) {
        VmdkExtent *e = &s->extents[i];
        VmdkSparse *sp = e->sparse;

        if (!sp || sp->hdr.cowd || sp->hdr.version != CBT_VERSION ||
            vmdk_extent_is_stream(e) || e->access != VMDK_ACCESS_RW)
            continue;
        sp->hdr.version = sp->tables->zero_gte ? 2 : 1;
        sp->raw[VERSION_BYTE] = (uint8_t) sp->hdr.version;
        if (!vmdk_sparse_co_store_header(e, VERSION_BYTE, error))
            return false;
    }
    return true;
}

bool
vmdk_cid_co_end_tracking(VmdkState *s, bool *changed, GError **error)
{
    const char *path = vmdk_descriptor_get(s->desc, "changeTrackPath");

    if (!path)
        return true;
    if (s->keep_cbt)
        return vd_throw(error, VD_ERROR_REFUSED,
                        "%s: writing would make its change tracking file %s "
                        "wrong",
                        vd_node_name(s->file), path);
    vd_node_warn(s->node,
                 "%s: change tracking ends, as %s would no longer be right",
                 vd_node_name(s->file), path);
    if (!cid_co_lower_header_versions(s, error))
        return false;
    *changed = true;
    vmdk_descriptor_remove(s->desc, "changeTrackPath");
    return vmdk_descriptor_set(s->desc, "version", "1", error);
}

/* Nobody tells a parent who its children are, so whoever writes to one learns
 * of them here. */
static void
cid_co_warn_children(VmdkState *s)
{
    g_autoptr(GPtrArray) paths = NULL;
    g_autofree char *names = NULL;

    if (!vmdk_children_co_find(s, &paths, NULL) || !paths->len)
        return;
    g_ptr_array_add(paths, NULL);
    names = g_strjoinv(", ", (char **) paths->pdata);
    vd_node_warn(s->node,
                 "%s: is the parent of %s; it is being changed, and will no "
                 "longer fit",
                 vd_node_name(s->file), names);
}

static bool
cid_co_note_change_locked(VmdkState *s, GError **error)
{
    bool changed;

    if (s->modified)
        return true;
    cid_co_warn_children(s);
    if (!vmdk_cid_co_end_tracking(s, &changed, error))
        return false;
    vmdk_chain_settle(s);
    vmdk_ids_renew(s->desc, false);
    if (!vmdk_descriptor_co_store(s, error))
        return vd_prefix(error, "changing the content id: ");
    s->cid = vmdk_descriptor_cid(s->desc, "CID");
    s->modified = true;
    return true;
}

bool
vmdk_co_note_change(VmdkState *s, GError **error)
{
    bool ok;

    if (G_LIKELY(s->modified))
        return true;
    if (vd_node_env(s->node)->tx) {
        s->modified = true;
        return true;
    }
    vio_co_mutex_lock(&s->desc_lock);
    ok = cid_co_note_change_locked(s, error);
    vio_co_mutex_unlock(&s->desc_lock);
    return ok;
}

bool
vmdk_co_note_resize(VmdkState *s, GError **error)
{
    return !vmdk_descriptor_get(s->desc, "changeTrackPath") ||
           vmdk_co_note_change(s, error);
}
