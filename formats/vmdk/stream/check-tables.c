/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/stream/check-tables.c - table entries against records.
 *
 * One table is in memory at a time, and a bit for each entry of those tables
 * that have any; so memory follows the data, not the size of the disk.
 *
 * Concurrency: one coroutine.
 */
#include "formats/vmdk/stream/check.h"

#include <inttypes.h>

#include "io/bytes.h"
#include "block/finding.h"

#define GD_CHUNK 16384 /* entries read at once when all are looked at */

struct VmdkStreamLedger {
    VdNode *file;
    const VmdkHeader *hdr;
    VdCheckResult *result;
    uint64_t n_gts;
    uint64_t index; /* of the loaded table; UINT64_MAX = none */
    uint8_t *table;
    size_t table_bytes;
    GHashTable *seen; /* index of a table -> bitmap of noted entries */
    GHashTable *bad;  /* set of tables that could not be read */
};

VmdkStreamLedger *
vmdk_stream_ledger_new(VdNode *file, const VmdkHeader *hdr,
                       VdCheckResult *result)
{
    VmdkStreamLedger *l = g_new0(VmdkStreamLedger, 1);

    l->file = file;
    l->hdr = hdr;
    l->result = result;
    l->n_gts = vmdk_header_n_gts(hdr);
    l->index = UINT64_MAX;
    l->table_bytes = hdr->gtes_per_gt * sizeof(uint32_t);
    l->table = g_malloc0(l->table_bytes);
    l->seen = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    l->bad = g_hash_table_new(NULL, NULL);
    return l;
}

void
vmdk_stream_ledger_free(VmdkStreamLedger *ledger)
{
    g_hash_table_unref(ledger->seen);
    g_hash_table_unref(ledger->bad);
    g_free(ledger->table);
    g_free(ledger);
}

static bool
seen_bit(const VmdkStreamLedger *l, uint64_t index, uint64_t entry)
{
    const uint8_t *map = g_hash_table_lookup(l->seen, GSIZE_TO_POINTER(index));

    return map && (map[entry / 8] & 1 << entry % 8);
}

static void
set_seen_bit(VmdkStreamLedger *l, uint64_t index, uint64_t entry)
{
    uint8_t *map = g_hash_table_lookup(l->seen, GSIZE_TO_POINTER(index));

    if (!map) {
        map = g_malloc0((l->hdr->gtes_per_gt + 7) / 8);
        g_hash_table_insert(l->seen, GSIZE_TO_POINTER(index), map);
    }
    map[entry / 8] |= (uint8_t) (1 << entry % 8);
}

/* The table that the directory has at @sector; an impossible one is told once
 * and counts as empty. */
static bool
table_co_read(VmdkStreamLedger *l, uint64_t index, uint64_t sector,
              GError **error)
{
    uint64_t off = sector * VMDK_SECTOR;

    l->index = index;
    memset(l->table, 0, l->table_bytes);
    /* 0: none was written.  1: none, and zeroes rather than the parent's. */
    if (sector <= 1)
        return true;
    if (off + l->table_bytes <= vd_node_size(l->file))
        return vd_node_co_pread(l->file, off, l->table, l->table_bytes, error);
    if (g_hash_table_add(l->bad, GSIZE_TO_POINTER(index)))
        vd_finding_add(l->result, VD_FINDING_CORRUPTION, vd_node_name(l->file),
                       l->hdr->gd_sector * VMDK_SECTOR +
                           index * sizeof(uint32_t),
                       "grain table %" PRIu64 " at byte %" PRIu64
                       " would end behind the file",
                       index, off);
    return true;
}

static bool
table_co_load(VmdkStreamLedger *l, uint64_t index, GError **error)
{
    uint64_t off = l->hdr->gd_sector * VMDK_SECTOR + index * sizeof(uint32_t);
    uint8_t raw[sizeof(uint32_t)];

    if (l->index == index)
        return true;
    return vd_node_co_pread(l->file, off, raw, sizeof(raw), error) &&
           table_co_read(l, index, vio_get_le32(raw), error);
}

bool
vmdk_stream_ledger_co_note(VmdkStreamLedger *ledger, uint64_t grain,
                           uint64_t sector, bool *known, GError **error)
{
    uint64_t index = grain / ledger->hdr->gtes_per_gt;
    uint64_t entry = grain % ledger->hdr->gtes_per_gt;
    uint32_t want;

    if (!table_co_load(ledger, index, error))
        return false;
    want = vio_get_le32(ledger->table + entry * sizeof(uint32_t));
    *known = want == sector;
    if (*known) {
        set_seen_bit(ledger, index, entry);
        return true;
    }
    if (want == 0)
        vd_finding_add_grain(
            ledger->result, VD_FINDING_CORRUPTION, vd_node_name(ledger->file),
            grain, sector * VMDK_SECTOR,
            "compressed grain %" PRIu64 " is missing from its table", grain);
    else
        vd_finding_add_grain(ledger->result, VD_FINDING_LEAK,
                             vd_node_name(ledger->file), grain,
                             sector * VMDK_SECTOR,
                             "compressed grain %" PRIu64
                             " is not used: its table entry names sector %u",
                             grain, want);
    return true;
}

static bool
table_co_rest(VmdkStreamLedger *l, uint64_t index, VmdkStreamEntryFunc co_fn,
              void *opaque, GError **error)
{
    uint64_t first = index * l->hdr->gtes_per_gt;
    uint64_t n_grains = l->hdr->capacity_sectors / l->hdr->grain_sectors +
                        (l->hdr->capacity_sectors % l->hdr->grain_sectors > 0);
    uint64_t n = MIN(l->hdr->gtes_per_gt, n_grains - first);

    for (uint64_t i = 0; i < n; i++) {
        uint32_t sector = vio_get_le32(l->table + i * sizeof(uint32_t));
        bool zeroed = sector == 1 && (l->hdr->flags & VMDK_FLAG_ZEROED_GTE);

        if (sector != 0 && !zeroed && !seen_bit(l, index, i) &&
            !co_fn(opaque, first + i, sector, error))
            return false;
    }
    return true;
}

bool
vmdk_stream_ledger_co_rest(VmdkStreamLedger *ledger, VmdkStreamEntryFunc co_fn,
                           void *opaque, GError **error)
{
    g_autofree uint8_t *gd = g_malloc(GD_CHUNK * sizeof(uint32_t));

    for (uint64_t at = 0; at < ledger->n_gts; at += GD_CHUNK) {
        size_t n = (size_t) MIN(ledger->n_gts - at, GD_CHUNK);

        if (!vd_node_co_pread(ledger->file,
                              ledger->hdr->gd_sector * VMDK_SECTOR +
                                  at * sizeof(uint32_t),
                              gd, n * sizeof(uint32_t), error))
            return false;
        for (size_t i = 0; i < n; i++) {
            uint32_t sector = vio_get_le32(gd + i * sizeof(uint32_t));

            if (sector != 0 &&
                (!table_co_read(ledger, at + i, sector, error) ||
                 !table_co_rest(ledger, at + i, co_fn, opaque, error)))
                return false;
        }
    }
    return true;
}
