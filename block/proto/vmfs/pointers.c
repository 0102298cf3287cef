/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/vmfs/pointers.c - blocks of pointers, kept in memory.
 *
 * As many as tell of 512 GiB in VMFS 6; those that were used least recently
 * make room for others.
 *
 * Concurrency: a block is looked at and let go of between two yields, so nobody
 * has it in his hands when it goes; two that load the same one both do, and the
 * second one's copy is dropped.
 */
#include "block/proto/vmfs/pointers.h"

#include <inttypes.h>

#include "block/error.h"
#include "block/proto/vmfs/mapping.h"

#define MAX_BYTES (UINT64_C(4) << 20)
/* Of one block: what a file consists of is longer than that.  Each may take
 * blocks to be found whose pieces take blocks to be found: hostile volumes with
 * a hundred pieces would keep us busy for years. */
#define MAX_PIECES 4u

struct VmfsPointers {
    GHashTable *tables; /* address (of a Table) -> Table */
    GQueue order;       /* of Table, least recently used first */
    uint64_t bytes;
};

typedef struct {
    gint64 address; /* key */
    uint32_t bytes;
    GList link;
    uint8_t raw[];
} Table;

VmfsPointers *
vmfs_pointers_new(void)
{
    VmfsPointers *p = g_new0(VmfsPointers, 1);

    p->tables =
        g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, g_free);
    g_queue_init(&p->order);
    return p;
}

void
vmfs_pointers_free(VmfsPointers *p)
{
    if (!p)
        return;
    g_hash_table_unref(p->tables);
    g_free(p);
}

static void
make_room(VmfsPointers *p, uint64_t most)
{
    while (p->bytes > most) {
        Table *t = g_queue_peek_head(&p->order);

        g_queue_unlink(&p->order, &t->link);
        p->bytes -= t->bytes;
        g_hash_table_remove(p->tables, &t->address);
    }
}

static void
insert(VmfsPointers *p, Table *t)
{
    t->link = (GList){.data = t};
    g_queue_push_tail_link(&p->order, &t->link);
    g_hash_table_insert(p->tables, &t->address, t);
    p->bytes += t->bytes;
    make_room(p, MAX_BYTES);
}

void
vmfs_pointers_forget(VmfsPointers *p)
{
    make_room(p, 0);
}

static Table *
find(VmfsPointers *p, uint64_t address)
{
    gint64 key = (gint64) address;
    Table *t = g_hash_table_lookup(p->tables, &key);

    if (t) {
        g_queue_unlink(&p->order, &t->link);
        g_queue_push_tail_link(&p->order, &t->link);
    }
    return t;
}

/* It may lie in several pieces. */
static bool
table_co_read(VmfsFs *fs, uint64_t address, uint8_t *raw, uint32_t bytes,
              unsigned depth, GError **error)
{
    unsigned pieces = 0;

    for (uint32_t done = 0; done < bytes;) {
        VmfsPlace place;
        size_t n;

        if (++pieces > MAX_PIECES)
            return vd_throw(error, VD_ERROR_CORRUPT,
                            "address 0x%" PRIx64 ": a block of pointers in "
                            "more than %u pieces",
                            address, MAX_PIECES);
        if (!vmfs_place_co_find(fs, address, done, depth, &place, error))
            return false;
        n = (size_t) MIN(place.len, bytes - done);
        if (!vmfs_volume_co_read(fs->volume, place.offset, raw + done, n,
                                 error))
            return false;
        done += (uint32_t) n;
    }
    return true;
}

static bool
is_large_enough(const VmfsLayout *l, uint64_t address)
{
    VmfsAddress a = vmfs_address_decode(l, address);

    switch (a.kind) {
    case VMFS_SUB_BLOCK:
        return l->v6 && l->sub_block_bytes >= l->table_bytes;
    case VMFS_POINTER_BLOCK:
    case VMFS_POINTER_BLOCK_2:
        return true;
    case VMFS_FILE_BLOCK:
    case VMFS_LARGE_BLOCK:
        return l->v6 && !a.to_be_zeroed;
    default:
        return false;
    }
}

bool
vmfs_pointers_co_get(VmfsFs *fs, uint64_t table, uint32_t i, unsigned depth,
                     uint64_t *value, GError **error)
{
    const VmfsLayout *l = &fs->info.layout;
    Table *t = find(fs->pointers, table);

    if (!t) {
        g_autofree Table *made = g_malloc(sizeof(Table) + l->table_bytes);

        if (!is_large_enough(l, table))
            return vd_throw(error, VD_ERROR_CORRUPT,
                            "address 0x%" PRIx64
                            " cannot be that of a block of pointers",
                            table);
        made->address = (gint64) table;
        made->bytes = l->table_bytes;
        if (!table_co_read(fs, table, made->raw, l->table_bytes, depth, error))
            return false;
        t = find(fs->pointers, table);
        if (!t) {
            t = g_steal_pointer(&made);
            *value = vmfs_address_get(l, t->raw, i);
            insert(fs->pointers, t);
            return true;
        }
    }
    *value = vmfs_address_get(l, t->raw, i);
    return true;
}
