/* SPDX-License-Identifier: BSD-3-Clause */
/* api/map.c - what is stored where: one answer a call.
 *
 * The chain says which link determines a byte and where its file keeps it; the
 * leaf adds its holes.  All users of a map (map, copy, compare) ask here.
 *
 * Concurrency: no state of its own.
 */
#include "api/disk.h"

/* A link that only passes bytes through has no say of its own: a hole of its
 * file is a hole.  A format that points at a hole still has allocated it. */
static bool
map_link_allocates(const VdNode *link)
{
    const VdDriver *drv = vd_node_driver(link);

    return drv->kind == VD_DRIVER_FORMAT && !(drv->caps & VD_CAP_RAW);
}

static void
map_set_host(VdMapEntry *entry, const VdNode *leaf, uint64_t off)
{
    entry->flags |= VD_MAP_OFFSET;
    entry->host_offset = off;
    entry->host_file = vd_node_name(leaf);
}

static bool
map_co_data(VdChainRun *found, VdMapEntry *entry, GError **error)
{
    VdNode *link = found->link;
    const VdRun *run = &found->run;

    if (!vd_chain_co_resolve_leaf(found, VD_WANT_ZERO, error))
        return false;
    if (run->kind == VD_RUN_ENCODED) { /* below a filter */
        entry->flags |= VD_MAP_DATA | VD_MAP_COMPRESSED;
        return true;
    }
    if (run->kind == VD_RUN_ZERO)
        entry->flags |= VD_MAP_ZERO;
    if (run->kind == VD_RUN_DATA || map_link_allocates(link))
        entry->flags |= VD_MAP_DATA;
    map_set_host(entry, run->child != NULL ? run->child : link, run->child_off);
    return true;
}

static bool
map_co_describe(VdChainRun *found, VdMapEntry *entry, GError **error)
{
    const VdRun *run = &found->run;

    if (found->link != NULL)
        entry->flags |= VD_MAP_PRESENT;
    switch (run->kind) {
    case VD_RUN_DATA:
        return map_co_data(found, entry, error);
    case VD_RUN_ENCODED:
        entry->flags |= VD_MAP_DATA | VD_MAP_COMPRESSED;
        return true;
    case VD_RUN_ZERO:
        if (found->parent_missing)
            return true; /* no flags: not known */
        entry->flags |= VD_MAP_ZERO;
        if (run->allocated && run->child != NULL)
            map_set_host(entry, run->child, run->child_off);
        return true;
    case VD_RUN_PARENT: /* the chain never says so */
        break;
    }
    g_assert_not_reached();
}

bool
vd_map_co_entry(VdNode *node, uint64_t off, uint64_t len, VdMapEntry *entry,
                GError **error)
{
    VdChainRun found;
    VdMapEntry e = {.off = off};
    unsigned epoch = vd_node_enter(node);
    bool ok = vd_chain_co_map(node, off, len, VD_WANT_ZERO, &found, error) &&
              map_co_describe(&found, &e, error);

    vd_node_leave(node, epoch);
    if (!ok)
        return false;
    e.depth = found.depth;
    e.len = found.run.len;
    *entry = e;
    return true;
}

typedef struct {
    VdDisk *disk;
    uint64_t off, len;
    VdMapEntry entry;
} MapCall;

static bool
map_check_range(const MapCall *call, GError **error)
{
    uint64_t off = call->off, len = call->len, size = vd_disk_size(call->disk);

    if (len != 0 && off < size && len <= size - off)
        return true;
    return vd_throw(error, VD_ERROR_OUT_OF_RANGE,
                    "map of %" G_GUINT64_FORMAT " bytes at %" G_GUINT64_FORMAT
                    " of a disk of %" G_GUINT64_FORMAT,
                    len, off, size);
}

static bool
map_co_call(void *arg, GError **error)
{
    MapCall *call = arg;
    bool ok;

    vd_disk_enter(call->disk);
    ok = map_check_range(call, error) &&
         vd_map_co_entry(call->disk->node, call->off, call->len, &call->entry,
                         error);
    vd_disk_leave(call->disk);
    return ok;
}

bool
vd_disk_map(VdDisk *disk, uint64_t off, uint64_t len, VdMapEntry *entry,
            GError **error)
{
    MapCall call = {.disk = disk, .off = off, .len = len};

    if (!vd_context_run(disk->ctx, map_co_call, &call, error))
        return false;
    *entry = call.entry;
    return true;
}
