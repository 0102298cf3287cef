/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/check.c - is a disk sound?  The descriptor here, the extents in
 * files of their own.
 *
 * Concurrency: nobody may write meanwhile.
 */
#include "formats/vmdk/check.h"

#include "block/finding.h"
#include "formats/vmdk/sparse/sparse.h"

#include <string.h>

/* A flat file that lacks bytes reads as zeroes there. */
static void
check_flat(const VmdkExtent *e, VdCheckResult *result)
{
    uint64_t size = vd_node_size(e->file), wanted = e->file_off + e->len;

    if (size < wanted)
        vd_finding_add(result, VD_FINDING_CORRUPTION, e->path, size,
                       "the file has %" G_GUINT64_FORMAT
                       " bytes, the descriptor says %" G_GUINT64_FORMAT,
                       size, wanted);
}

static void
check_capacity(const VmdkState *s, unsigned i, VdCheckResult *result)
{
    const VmdkExtent *e = &s->extents[i];
    uint64_t line, header = e->capacity_sectors;

    if (!s->desc || !header)
        return;
    line = vmdk_descriptor_extent(s->desc, i)->sectors;
    if (line > header)
        vd_finding_add(result, VD_FINDING_CORRUPTION, vd_node_name(e->file), 0,
                       "the extent has %" G_GUINT64_FORMAT
                       " sectors, the descriptor says %" G_GUINT64_FORMAT,
                       header, line);
}

/* "esxi-import" is about streams; anything else breaks it as a whole. */
static bool
check_co_profile(VmdkExtent *e, VdCheckResult *result, GError **error)
{
    if (vmdk_extent_is_stream(e))
        return vmdk_stream_co_lint(e->file, &e->sparse->hdr, result, error);
    vd_finding_add_rule(result, VD_FINDING_BREACH, "stream",
                        e->path ? e->path : vd_node_name(e->state->file),
                        VD_NO_GRAIN, 0, "%s extent, want a streamOptimized one",
                        vmdk_extent_type_name(e->type));
    return !e->ops->co_check || e->ops->co_check(e, result, error);
}

/* What is not there, or is no extent, is lost; anything else may be better
 * another time. */
static void
check_unopened(const VmdkExtent *e, VdCheckResult *result)
{
    bool lost = e->problem && (vd_error_is(e->problem, VD_ERROR_NOT_FOUND) ||
                               vd_error_is(e->problem, VD_ERROR_CORRUPT) ||
                               vd_error_is(e->problem, VD_ERROR_LIMIT));

    vd_finding_add(result, lost ? VD_FINDING_CORRUPTION : VD_FINDING_ERROR,
                   e->path ? e->path : vd_node_name(e->state->file), 0, "%s",
                   e->problem ? e->problem->message : "the extent is not open");
}

static bool
check_co_extent(const VmdkState *s, unsigned i, const char *profile,
                VdCheckResult *result, GError **error)
{
    VmdkExtent *e = &s->extents[i];

    if (!e->ops) {
        check_unopened(e, result);
        return true;
    }
    if (e->ops == &vmdk_flat_ops)
        check_flat(e, result);
    check_capacity(s, i, result);
    if (profile)
        return check_co_profile(e, result, error);
    return !e->ops->co_check || e->ops->co_check(e, result, error);
}

static bool
check_profile(const VdNode *node, const char *profile, GError **error)
{
    return !profile || strcmp(profile, "esxi-import") == 0 ||
           vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                    "%s: no profile \"%s\" for VMDK images; there is "
                    "\"esxi-import\"",
                    vd_node_name(node), profile);
}

static bool
check_co_look(VmdkState *s, const char *profile, VdCheckResult *result,
              GError **error)
{
    if (s->desc)
        vmdk_check_descriptor(s, profile != NULL, result);
    for (unsigned i = 0; i < s->n_extents; i++)
        if (!check_co_extent(s, i, profile, result, error))
            return false;
    return true;
}

static bool
check_co_look_again(VmdkState *s, VdCheckResult *result, GError **error)
{
    return check_co_look(s, NULL, result, error);
}

/* Streams are mended by their own rules. */
static bool
check_repair(const VmdkState *s, unsigned repair, GError **error)
{
    if (!repair)
        return true;
    if (!vd_node_is_writable(s->node))
        return vd_throw(error, VD_ERROR_READ_ONLY,
                        "%s: is open for reading only and cannot be repaired",
                        vd_node_name(s->node));
    for (unsigned i = 0; i < s->n_extents; i++)
        if (vmdk_extent_is_stream(&s->extents[i]))
            return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                            "%s: streamOptimized images cannot be repaired",
                            vd_node_name(s->node));
    return true;
}

bool
vmdk_co_check(VdNode *node, const VdCheckParams *params, VdCheckResult *result,
              GError **error)
{
    VmdkState *s = vd_node_state(node);

    return check_profile(node, params->profile, error) &&
           check_repair(s, params->repair, error) &&
           vd_node_co_write_back(node, error) &&
           check_co_look(s, params->profile, result, error) &&
           (!params->repair ||
            vmdk_co_repair(s, params->repair, check_co_look_again, result,
                           error));
}
