/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/chain/chain.c - a link and its parent: the reference in the
 * descriptor and the content ids on both sides of it.
 *
 * When a child is committed, two files must agree on the parent's new content
 * id.  No moment may be without an id that fits, so the child notes the coming
 * one beside the old one (VMDK_KEY_COMING) before the parent takes it on, and
 * forgets the old one afterwards.  While the note stands a parent with either
 * is accepted.  Other products do not know the key: to them the child is
 * readable before and after.
 *
 * Concurrency: the descriptor changes under desc_lock.
 */
#include "formats/vmdk/chain/chain.h"

#include "formats/vmdk/chain/children.h"
#include "formats/vmdk/descriptor/ids.h"
#include "formats/vmdk/driver.h"

#include "block/open.h"

#include <inttypes.h>

static VmdkState *
state_of_parent(const VmdkState *s)
{
    VdNode *parent = vd_node_parent(s->node);

    if (!parent || vd_node_driver(parent) != &vd_vmdk_driver)
        return NULL;
    return vd_node_state(parent);
}

void
vmdk_chain_settle(VmdkState *s)
{
    const VmdkState *parent = state_of_parent(s);

    if (s->coming_cid == VMDK_CID_NONE || !parent)
        return;
    s->parent_cid = parent->cid;
    s->coming_cid = VMDK_CID_NONE;
    vmdk_descriptor_set_cid(s->desc, "parentCID", s->parent_cid);
    vmdk_descriptor_remove(s->desc, VMDK_KEY_COMING);
}

/* -- roles ------------------------------------------------------------------
 */

static bool
refuse_bare(const VmdkState *s, GError **error)
{
    return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                    "%s: has no descriptor that could name a parent",
                    vd_node_name(s->file));
}

static uint32_t
other_cid(uint32_t old)
{
    uint32_t cid;

    do
        cid = vmdk_cid_new();
    while (cid == old);
    return cid;
}

/* What is told apart by content ids changes at the end; change tracking, which
 * nobody brings up to date, ends now. */
static bool
chain_co_begin_base(VmdkState *s, char **coming, GError **error)
{
    bool changed = false;

    if (!vmdk_cid_co_end_tracking(s, &changed, error) ||
        (changed && !vmdk_descriptor_co_store(s, error)))
        return false;
    *coming = g_strdup_printf("%08" PRIx32, other_cid(s->cid));
    return true;
}

bool
vmdk_co_chain_begin(VdNode *node, VdChainRole role, char **coming,
                    GError **error)
{
    VmdkState *s = vd_node_state(node);
    bool ok = true;

    if (!s->desc)
        return refuse_bare(s, error);
    vio_co_mutex_lock(&s->desc_lock);
    if (role == VD_CHAIN_TOP)
        s->stores_zeroes = true;
    else
        ok = s->takes_over = chain_co_begin_base(s, coming, error);
    if (ok)
        s->modified = true; /* as far as content ids are concerned */
    vio_co_mutex_unlock(&s->desc_lock);
    return ok;
}

static uint32_t
parse_cid(const char *text)
{
    guint64 cid = VMDK_CID_NONE;

    (void) g_ascii_string_to_unsigned(text, 16, 0, UINT32_MAX, &cid, NULL);
    return (uint32_t) cid;
}

bool
vmdk_co_chain_end(VdNode *node, const char *coming, GError **error)
{
    VmdkState *s = vd_node_state(node);
    bool ok;

    vio_co_mutex_lock(&s->desc_lock);
    s->cid = parse_cid(coming);
    vmdk_ids_set(s->desc, s->cid, false);
    ok = vmdk_descriptor_co_store(s, error);
    vio_co_mutex_unlock(&s->desc_lock);
    return ok || vd_prefix(error, "changing the content id: ");
}

/* -- the reference ----------------------------------------------------------
 */

static bool
check_fits(const VmdkState *s, const VdNode *parent, uint32_t cid,
           GError **error)
{
    if (!vmdk_has_parent(s) || cid == s->parent_cid || cid == s->coming_cid)
        return true;
    return vd_throw(error, VD_ERROR_PARENT_MISMATCH,
                    "%s: was made for a parent with content id %08x, %s has "
                    "%08x",
                    vd_node_name(s->file), s->parent_cid, vd_node_name(parent),
                    cid);
}

static bool
set_parent_cid(VmdkState *s, const VdParentRef *ref, GError **error)
{
    const VmdkState *parent;

    if (ref->name && !*ref->name) {
        s->parent_cid = VMDK_CID_NONE;
    } else if (ref->parent) {
        if (vd_node_driver(ref->parent) != &vd_vmdk_driver)
            return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                            "%s: the parent of a VMDK must be one, %s is %s",
                            vd_node_name(s->file), vd_node_name(ref->parent),
                            vd_node_driver(ref->parent)->name);
        parent = vd_node_state(ref->parent);
        if (ref->must_fit && !check_fits(s, ref->parent, parent->cid, error))
            return false;
        s->parent_cid = parent->cid;
    }
    vmdk_descriptor_set_cid(s->desc, "parentCID", s->parent_cid);
    return true;
}

static bool
set_parent_name(VmdkState *s, const char *name, GError **error)
{
    if (!name)
        return true;
    if (*name)
        return vmdk_descriptor_set(s->desc, "parentFileNameHint", name, error);
    vmdk_descriptor_remove(s->desc, "parentFileNameHint");
    return true;
}

static bool
set_coming(VmdkState *s, const char *coming, GError **error)
{
    s->coming_cid = coming ? parse_cid(coming) : VMDK_CID_NONE;
    if (coming)
        return vmdk_descriptor_set(s->desc, VMDK_KEY_COMING, coming, error);
    vmdk_descriptor_remove(s->desc, VMDK_KEY_COMING);
    return true;
}

/* Holes of a flat extent would not show a parent. */
static bool
check_has_holes(const VmdkState *s, GError **error)
{
    for (unsigned i = 0; i < s->n_extents; i++)
        if (s->extents[i].sparse || s->extents[i].type == VMDK_TYPE_SESPARSE)
            return true;
    return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                    "%s: has no sparse extent that would show a parent",
                    vd_node_name(s->file));
}

static bool
chain_co_set_parent_locked(VmdkState *s, const VdParentRef *ref, GError **error)
{
    if (ref->must_fit && !check_has_holes(s, error))
        return false;
    if (!set_parent_cid(s, ref, error) ||
        !set_parent_name(s, ref->name, error) ||
        !set_coming(s, ref->coming, error))
        return false;
    if (ref->renew) {
        vmdk_ids_renew(s->desc, false);
        s->cid = vmdk_descriptor_cid(s->desc, "CID");
    }
    return ref->only_check || vmdk_descriptor_co_store(s, error);
}

/* What the above changes in memory. */
typedef struct {
    uint32_t cid, parent_cid, coming_cid;
    char *hint, *long_cid;
} Saved;

static Saved
save(const VmdkState *s)
{
    return (Saved){
        .cid = s->cid,
        .parent_cid = s->parent_cid,
        .coming_cid = s->coming_cid,
        .hint = g_strdup(vmdk_descriptor_get(s->desc, "parentFileNameHint")),
        .long_cid = g_strdup(vmdk_descriptor_get(s->desc, "ddb.longContentID")),
    };
}

/* The values were in there before, so they fit. */
static void
restore_text(VmdkDescriptor *desc, const char *key, const char *value)
{
    if (value)
        (void) vmdk_descriptor_set(desc, key, value, NULL);
    else
        vmdk_descriptor_remove(desc, key);
}

static void
restore(VmdkState *s, const Saved *saved)
{
    s->cid = saved->cid;
    s->parent_cid = saved->parent_cid;
    s->coming_cid = saved->coming_cid;
    vmdk_descriptor_set_cid(s->desc, "CID", s->cid);
    vmdk_descriptor_set_cid(s->desc, "parentCID", s->parent_cid);
    if (s->coming_cid == VMDK_CID_NONE)
        vmdk_descriptor_remove(s->desc, VMDK_KEY_COMING);
    else
        vmdk_descriptor_set_cid(s->desc, VMDK_KEY_COMING, s->coming_cid);
    restore_text(s->desc, "parentFileNameHint", saved->hint);
    restore_text(s->desc, "ddb.longContentID", saved->long_cid);
}

bool
vmdk_co_set_parent(VdNode *node, const VdParentRef *ref, GError **error)
{
    VmdkState *s = vd_node_state(node);
    Saved saved;
    bool ok;

    if (!s->desc)
        return refuse_bare(s, error);
    vio_co_mutex_lock(&s->desc_lock);
    saved = save(s);
    ok = chain_co_set_parent_locked(s, ref, error);
    if (!ok || ref->only_check)
        restore(s, &saved);
    vio_co_mutex_unlock(&s->desc_lock);
    g_free(saved.hint);
    g_free(saved.long_cid);
    return ok;
}

/* -- the rest ---------------------------------------------------------------
 */

bool
vmdk_co_make_empty(VdNode *node, GError **error)
{
    VmdkState *s = vd_node_state(node);

    for (unsigned i = 0; i < s->n_extents; i++) {
        VmdkExtent *e = &s->extents[i];

        if (e->access == VMDK_ACCESS_RW && e->ops && e->ops->co_make_empty &&
            !e->ops->co_make_empty(e, error))
            return false;
    }
    return true;
}

bool
vmdk_co_find_children(VdNode *node, GPtrArray **paths, GError **error)
{
    return vmdk_children_co_find(vd_node_state(node), paths, error);
}
