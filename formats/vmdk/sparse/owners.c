/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/owners.c - whose is each place of an extent's file?
 *
 * Concurrency: one caller.
 */
#include "formats/vmdk/sparse/owners.h"

#include "formats/vmdk/sparse/scan.h"

#define MAX_SLOTS (UINT64_C(1) << 32) /* as many as an entry can name */

/* From *@slot on: how many places of the file these sectors touch. */
static uint64_t
slots_of(const VmdkOwners *owners, uint64_t sector, uint64_t n, uint64_t *slot)
{
    uint64_t end = (sector + n + owners->unit - 1) / owners->unit;

    *slot = sector / owners->unit;
    end = MIN(end, owners->n_slots);
    return n && *slot < end ? end - *slot : 0;
}

bool
vmdk_owners_take_sectors(VmdkOwners *owners, uint64_t sector, uint64_t n)
{
    uint64_t slot, n_slots = slots_of(owners, sector, n, &slot);

    return vmdk_places_add(owners->taken, slot, n_slots);
}

bool
vmdk_owners_take(VmdkOwners *owners, uint64_t sector)
{
    return vmdk_owners_take_sectors(owners, sector, owners->grain_sectors);
}

bool
vmdk_owners_has(const VmdkOwners *owners, uint64_t sector)
{
    uint64_t slot, n = slots_of(owners, sector, owners->grain_sectors, &slot);

    return vmdk_places_gap(owners->taken, slot, n) < n;
}

uint64_t
vmdk_owners_end(const VmdkOwners *owners)
{
    uint64_t first = 0;
    uint64_t n = vmdk_places_previous(owners->taken, owners->n_slots, &first);

    return first + n;
}

static void
take_table(VmdkOwners *owners, const VmdkTables *tables, uint32_t gde)
{
    if (vmdk_table_is_placed(gde))
        (void) vmdk_owners_take_sectors(owners, gde, tables->gt_sectors);
}

static void
take_metadata(VmdkOwners *owners, const VmdkTables *tables)
{
    const VmdkHeader *hdr = &tables->hdr;
    uint64_t gd_sectors = vmdk_header_gd_sectors(hdr);

    (void) vmdk_owners_take_sectors(owners, 0, vmdk_header_sectors(hdr));
    (void) vmdk_owners_take_sectors(owners, hdr->desc_sector,
                                    hdr->desc_sectors);
    (void) vmdk_owners_take_sectors(owners, hdr->gd_sector, gd_sectors);
    if (tables->rgd)
        (void) vmdk_owners_take_sectors(owners, hdr->rgd_sector, gd_sectors);
    for (uint32_t i = 0; i < tables->n_gts; i++) {
        take_table(owners, tables, tables->gd[i]);
        if (tables->rgd)
            take_table(owners, tables, tables->rgd[i]);
    }
}

bool
vmdk_owners_init(VmdkOwners *owners, const VmdkTables *tables,
                 uint64_t first_sector, GError **error)
{
    const VmdkHeader *hdr = &tables->hdr;
    uint64_t size = vd_node_size(tables->file), bytes;

    *owners = (VmdkOwners){.unit = hdr->cowd ? 1 : hdr->grain_sectors,
                           .grain_sectors = hdr->grain_sectors};
    bytes = vmdk_owners_unit_bytes(owners);
    owners->n_slots = size / bytes + (size % bytes != 0);
    if (owners->n_slots > MAX_SLOTS)
        return vd_throw(error, VD_ERROR_NO_MEMORY,
                        "%s: no memory to note %" G_GUINT64_FORMAT " grains",
                        vd_node_name(tables->file), owners->n_slots);
    owners->taken = vmdk_places_new();
    take_metadata(owners, tables);
    (void) vmdk_owners_take_sectors(owners, 0, first_sector);
    return true;
}

void
vmdk_owners_clear(VmdkOwners *owners)
{
    g_clear_pointer(&owners->taken, vmdk_places_free);
}

/* How many places from @slot on are alike: a hole of the file, or not. */
static uint64_t
owners_co_alike(const VmdkOwners *owners, VdNode *file, uint64_t slot,
                uint64_t end, bool *hole)
{
    uint64_t unit = vmdk_owners_unit_bytes(owners);
    uint64_t off = slot * unit, size = vd_node_size(file);
    uint64_t len = MIN((end - slot) * unit, size - off), n;
    VdRun run;

    *hole = vd_node_co_map(file, off, len, VD_WANT_ZERO, &run, NULL) &&
            run.kind == VD_RUN_ZERO;
    if (*hole && off + run.len < size)
        n = run.len / unit; /* a place that begins as a hole is data */
    else
        n = (run.len + unit - 1) / unit;
    *hole = *hole && n > 0;
    return CLAMP(n, 1, end - slot);
}

uint64_t
vmdk_owners_co_next_leak(const VmdkOwners *owners, VdNode *file, uint64_t *slot)
{
    uint64_t at = *slot, end = at, n = 0;
    bool hole = true;

    for (; hole; at += n) {
        if (at >= end) {
            at += vmdk_places_run(owners->taken, at, UINT64_MAX);
            if (at >= owners->n_slots)
                return 0;
            end = at + vmdk_places_gap(owners->taken, at, owners->n_slots - at);
        }
        n = owners_co_alike(owners, file, at, end, &hole);
        *slot = at;
    }
    return n;
}
