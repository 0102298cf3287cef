/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/check-descriptor.c - what a descriptor says, held against itself
 * and against the extents; and what of it can be put right.
 *
 * Concurrency: nobody may write meanwhile.
 */
#include "formats/vmdk/check.h"

#include "block/finding.h"
#include "formats/vmdk/descriptor/geometry.h"
#include "formats/vmdk/descriptor/ids.h"
#include "formats/vmdk/sparse/sparse.h"

#include <string.h>

#define FIND(s, kind, ...)                                                     \
    vd_finding_add(result, VD_FINDING_##kind, vd_node_name((s)->file), 0,      \
                   __VA_ARGS__)

/* -- ids ------------------------------------------------------------------- */

static bool
is_cid(const char *text)
{
    uint64_t value;

    return text &&
           g_ascii_string_to_unsigned(text, 16, 0, UINT32_MAX, &value, NULL);
}

static void
check_cid(const VmdkState *s, const char *key, VdCheckResult *result)
{
    const char *text = vmdk_descriptor_get(s->desc, key);

    if (!is_cid(text))
        FIND(s, CORRUPTION, "%s is \"%s\", wanted eight hex digits", key,
             text ? text : "");
}

/* 32 digits, of which the last eight are the CID. */
static bool
long_cid_fits(const VmdkState *s)
{
    const char *text = vmdk_descriptor_get(s->desc, "ddb.longContentID");
    uint64_t low;

    return !text ||
           (strlen(text) == VMDK_LONG_CID_CHARS &&
            strspn(text, "0123456789abcdefABCDEF") == VMDK_LONG_CID_CHARS &&
            g_ascii_string_to_unsigned(text + VMDK_LONG_CID_CHARS - 8, 16, 0,
                                       UINT32_MAX, &low, NULL) &&
            low == vmdk_descriptor_cid(s->desc, "CID"));
}

static void
check_parent(const VmdkState *s, VdCheckResult *result)
{
    const char *hint = vmdk_descriptor_get(s->desc, "parentFileNameHint");

    if (s->parent_problem)
        FIND(s, CORRUPTION, "%s", s->parent_problem);
    else if (hint && is_cid(vmdk_descriptor_get(s->desc, "parentCID")) &&
             !vmdk_has_parent(s))
        FIND(s, NOTE,
             "parentFileNameHint is \"%s\", but parentCID says that there is "
             "no parent",
             hint);
}

/* -- geometry -------------------------------------------------------------- */

static uint64_t
disk_sectors(const VmdkState *s)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < s->n_extents; i++)
        sum += s->extents[i].len / VMDK_SECTOR;
    return sum;
}

static bool
has_geometry(const VmdkState *s)
{
    return vmdk_descriptor_get(s->desc, VMDK_KEY_CYLINDERS) ||
           vmdk_descriptor_get(s->desc, VMDK_KEY_HEADS) ||
           vmdk_descriptor_get(s->desc, VMDK_KEY_SECTORS);
}

/* It may be smaller than the disk, as cylinders are whole, but not larger. */
static bool
geometry_fits(const VmdkState *s)
{
    uint64_t c = vmdk_descriptor_get_uint(s->desc, VMDK_KEY_CYLINDERS, 0);
    uint64_t h = vmdk_descriptor_get_uint(s->desc, VMDK_KEY_HEADS, 0);
    uint64_t n = vmdk_descriptor_get_uint(s->desc, VMDK_KEY_SECTORS, 0);
    uint64_t track = 0, all = 0;

    if (!c || !h || !n || !g_uint64_checked_mul(&track, h, n) ||
        !g_uint64_checked_mul(&all, track, c))
        return false;
    return c == 1 || all <= disk_sectors(s);
}

/* -- createType ------------------------------------------------------------ */

static const struct {
    const char *create_type;
    VmdkExtentType type;
    bool single;
} known_types[] = {
    {"monolithicSparse", VMDK_TYPE_SPARSE, true},
    {"streamOptimized", VMDK_TYPE_SPARSE, true},
    {"monolithicFlat", VMDK_TYPE_FLAT, true},
    {"twoGbMaxExtentSparse", VMDK_TYPE_SPARSE, false},
    {"2GbMaxExtentSparse", VMDK_TYPE_SPARSE, false},
    {"twoGbMaxExtentFlat", VMDK_TYPE_FLAT, false},
    {"2GbMaxExtentFlat", VMDK_TYPE_FLAT, false},
    {"vmfs", VMDK_TYPE_VMFS, true},
    {"vmfsSparse", VMDK_TYPE_VMFSSPARSE, true},
    {"seSparse", VMDK_TYPE_SESPARSE, true},
};

static void
check_create_type(const VmdkState *s, VdCheckResult *result)
{
    const char *text = vmdk_descriptor_get(s->desc, "createType");

    for (unsigned k = 0; text && k < G_N_ELEMENTS(known_types); k++) {
        if (g_ascii_strcasecmp(text, known_types[k].create_type))
            continue;
        if (known_types[k].single && s->n_extents != 1)
            FIND(s, NOTE, "createType is \"%s\", but there are %u extents",
                 text, s->n_extents);
        for (unsigned i = 0; i < s->n_extents; i++) {
            if (s->extents[i].type == known_types[k].type)
                continue;
            FIND(s, NOTE, "createType is \"%s\", but extent %u is %s", text, i,
                 vmdk_extent_type_name(s->extents[i].type));
            return;
        }
    }
}

/* -- extents --------------------------------------------------------------- */

/* Two sparse extents in one file would allocate over one another. */
static void
check_shared_files(const VmdkState *s, VdCheckResult *result)
{
    g_autoptr(GHashTable) paths = g_hash_table_new(g_str_hash, g_str_equal);

    for (unsigned i = 0; i < s->n_extents; i++) {
        const VmdkExtent *e = &s->extents[i];

        if (e->path && e->type == VMDK_TYPE_SPARSE &&
            !g_hash_table_add(paths, e->path))
            FIND(s, CORRUPTION, "extent %u is in %s, as another one is", i,
                 e->path);
    }
}

void
vmdk_check_descriptor(const VmdkState *s, bool by_profile,
                      VdCheckResult *result)
{
    check_cid(s, "CID", result);
    check_cid(s, "parentCID", result);
    if (by_profile) {
        /* A profile has its own words on the rest. */
        if (s->parent_problem)
            FIND(s, CORRUPTION, "%s", s->parent_problem);
        return;
    }
    if (!long_cid_fits(s))
        FIND(s, NOTE, "longContentID \"%s\" does not end in the CID %08x",
             vmdk_descriptor_get(s->desc, "ddb.longContentID"),
             vmdk_descriptor_cid(s->desc, "CID"));
    check_parent(s, result);
    if (has_geometry(s) && !geometry_fits(s))
        FIND(s, NOTE,
             "the geometry is no part of a disk of %" G_GUINT64_FORMAT
             " sectors",
             disk_sectors(s));
    check_create_type(s, result);
    check_shared_files(s, result);
}

/* -- repair ---------------------------------------------------------------- */

static bool
repair_geometry(const VmdkState *s, VmdkDescriptor *desc, GError **error)
{
    const char *adapter = vmdk_descriptor_get(desc, "ddb.adapterType");
    VmdkGeometry geo =
        vmdk_geometry_for(adapter ? adapter : "lsilogic", disk_sectors(s));

    return vmdk_geometry_store(&geo, desc, error);
}

/* A line that promises more than its extent has. */
static bool
repair_capacity(const VmdkState *s, VmdkDescriptor *desc, bool *changed,
                GError **error)
{
    for (unsigned i = 0; i < s->n_extents; i++) {
        const VmdkExtent *e = &s->extents[i];
        VmdkExtentLine line = *vmdk_descriptor_extent(desc, i);

        if (!e->sparse || line.sectors <= e->sparse->hdr.capacity_sectors)
            continue;
        line.sectors = e->sparse->hdr.capacity_sectors;
        *changed = true;
        if (!vmdk_descriptor_set_extent(desc, i, &line, error))
            return false;
    }
    return true;
}

static bool
repair_text(const VmdkState *s, VmdkDescriptor *desc, bool *changed,
            GError **error)
{
    if (!is_cid(vmdk_descriptor_get(desc, "CID")) || !long_cid_fits(s)) {
        bool keep = is_cid(vmdk_descriptor_get(desc, "CID"));
        uint32_t cid = vmdk_descriptor_cid(desc, "CID");
        char text[VMDK_LONG_CID_CHARS + 1];

        *changed = true;
        if (!keep)
            vmdk_ids_renew(desc, false);
        vmdk_long_cid_new(keep ? cid : vmdk_descriptor_cid(desc, "CID"), text);
        if (vmdk_descriptor_get(desc, "ddb.longContentID") &&
            !vmdk_descriptor_set(desc, "ddb.longContentID", text, error))
            return false;
    }
    if (!repair_capacity(s, desc, changed, error))
        return false;
    if (!has_geometry(s) || geometry_fits(s))
        return true;
    *changed = true;
    return repair_geometry(s, desc, error);
}

bool
vmdk_repair_co_descriptor(VmdkState *s, GError **error)
{
    VmdkDescriptor *desc;
    bool changed = false, ok;

    if (!s->desc)
        return true;
    desc = vmdk_descriptor_copy(s->desc);
    ok = repair_text(s, desc, &changed, error);
    if (!ok || !changed) {
        vmdk_descriptor_free(desc);
        return ok;
    }
    if (!vmdk_co_replace_descriptor(s, desc, error))
        return false;
    s->cid = vmdk_descriptor_cid(s->desc, "CID");
    return true;
}
