/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/repair.c - making a disk sound: which extents, in what order.
 *
 *   extents, each all or nothing (sparse/repair.c, flat.c) - descriptor - look
 * again - space that nothing uses, if nothing is wrong any more - look again
 *
 * Extents share nothing, so it does no harm if only some of them get their
 * turn.
 *
 * Concurrency: nobody may use the disk meanwhile.
 */
#include "block/finding.h"
#include "formats/vmdk/check.h"
#include "formats/vmdk/sparse/sparse.h"

static bool
may_be_repaired(const VmdkExtent *e)
{
    return e->ops && e->ops->co_repair && e->access == VMDK_ACCESS_RW &&
           !(e->sparse && vmdk_cowd_is_legacy(&e->sparse->hdr));
}

static bool
repair_co_extents(VmdkState *s, VdCheckResult *result, GError **error)
{
    for (unsigned i = 0; i < s->n_extents; i++)
        if (may_be_repaired(&s->extents[i]) &&
            !s->extents[i].ops->co_repair(&s->extents[i], result, error))
            return false;
    return true;
}

static bool
repair_co_all(VmdkState *s, VdCheckResult *result, GError **error)
{
    return repair_co_extents(s, result, error) &&
           vmdk_repair_co_descriptor(s, error);
}

static bool
repair_co_parent_cid(VmdkState *s, VdCheckResult *result, GError **error)
{
    uint32_t old = 0, now = 0;

    if (!s->desc || !vmdk_has_parent(s))
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "%s: has no parent whose content id it could take",
                        vd_node_name(s->file));
    if (!vmdk_parent_co_take_cid(s, &old, &now, error))
        return false;
    g_clear_pointer(&s->parent_problem, g_free);
    if (old != now)
        vd_finding_add(result, VD_FINDING_NOTE, vd_node_name(s->file), 0,
                       "the parent's content id is %08x; the child remembered "
                       "%08x",
                       now, old);
    return true;
}

static bool
repair_co_leaks(VmdkState *s, GError **error)
{
    for (unsigned i = 0; i < s->n_extents; i++)
        if (may_be_repaired(&s->extents[i]) && s->extents[i].sparse &&
            !vmdk_sparse_co_give_back(&s->extents[i], error))
            return false;
    return true;
}

static uint64_t
less(uint64_t before, uint64_t after)
{
    return before > after ? before - after : 0;
}

/* How things are now into @result; what was found before stays listed. */
static bool
repair_co_look_again(VmdkState *s, VmdkLook look, VdCheckResult *result,
                     GError **error)
{
    VdCheckResult now = {.max_findings = 1};
    bool ok = look(s, &now, error);

    if (ok) {
        GPtrArray *findings = result->findings;
        unsigned max_findings = result->max_findings;
        VdCheckResult before = *result;

        g_clear_pointer(&now.findings, g_ptr_array_unref);
        *result = now;
        result->findings = findings;
        result->max_findings = max_findings;
        result->corruptions_fixed = before.corruptions_fixed +
                                    less(before.corruptions, now.corruptions);
        result->leaks_fixed =
            before.leaks_fixed + less(before.leaks, now.leaks);
    }
    g_clear_pointer(&now.findings, g_ptr_array_unref);
    return ok;
}

static bool
repair_co_content(VmdkState *s, unsigned repair, VdCheckResult *result,
                  GError **error)
{
    return (!(repair & VD_REPAIR_PARENT_CID) ||
            repair_co_parent_cid(s, result, error)) &&
           (!(repair & VD_REPAIR_ALL) || repair_co_all(s, result, error));
}

bool
vmdk_co_repair(VmdkState *s, unsigned repair, VmdkLook look,
               VdCheckResult *result, GError **error)
{
    if ((repair & (VD_REPAIR_ALL | VD_REPAIR_PARENT_CID)) &&
        (!repair_co_content(s, repair, result, error) ||
         !repair_co_look_again(s, look, result, error)))
        return false;
    if (!(repair & (VD_REPAIR_ALL | VD_REPAIR_LEAKS)) || !result->leaks)
        return true;
    if (result->corruptions || result->check_errors) {
        vd_finding_add(result, VD_FINDING_NOTE, vd_node_name(s->file), 0,
                       "no space is given back while there are errors: it "
                       "might be somebody's");
        return true;
    }
    return repair_co_leaks(s, error) &&
           repair_co_look_again(s, look, result, error);
}
