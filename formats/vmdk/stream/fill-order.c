/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/stream/fill-order.c - the records of a filling in order.
 *
 *   kept      records that are where they belong, from the first on
 *   copies    of all others, in order, behind everything else
 *   moved     the copies, up to the kept ones
 *
 * Entries name the copies as soon as these are in the file, so that until the
 * move all is as good as before.  The move itself goes over what the file had;
 * a crash then leaves less than there was.  Nothing is inflated.
 *
 * Concurrency: under emitting, no request in flight.
 */
#include "formats/vmdk/stream/fill.h"

#include "formats/vmdk/stream/reader.h"

#include <inttypes.h>
#include <string.h>

#define BUFFER_BYTES (1u << 20)

typedef struct {
    VmdkFill *fill;
    uint64_t kept;        /* sector behind the records that stay */
    bool copying;         /* the first that does not stay has come */
    uint64_t first, next; /* sectors: of the copies, behind the last one that
                             is in the file */
    uint8_t *buf;         /* copies on their way there */
    size_t len;
} Order;

/* -- all entries, table by table -------------------------------------------
 */

/* The new sector of the record of grain @number, which is at *@sector. */
typedef bool (*EntryFunc)(Order *o, uint64_t number, uint32_t *sector,
                          GError **error);

static bool
order_co_store(Order *o, uint32_t index, const uint32_t *sectors,
               GError **error)
{
    VmdkTables *tables = o->fill->e->sparse->tables;
    VdTable *table = vmdk_tables_co_get_rw(tables, index, error);

    if (!table)
        return false;
    for (uint32_t i = 0; i < tables->gtes_per_gt; i++)
        if (vmdk_table_entry(table, i) != sectors[i])
            vmdk_tables_set(table, i, sectors[i]);
    return vmdk_fill_co_write_tables(o->fill, false, error);
}

static bool order_co_put(Order *o, GError **error);

static bool
order_co_table(Order *o, uint32_t index, EntryFunc fn, GError **error)
{
    VmdkTables *tables = o->fill->e->sparse->tables;
    const VdTable *table = vmdk_tables_co_get(tables, index, error);
    g_autofree uint32_t *sectors = NULL;

    if (!table || table == tables->empty)
        return table != NULL;
    sectors = g_new(uint32_t, tables->gtes_per_gt);
    for (uint32_t i = 0; i < tables->gtes_per_gt; i++)
        sectors[i] = vmdk_table_entry(table, i);
    for (uint32_t i = 0; i < tables->gtes_per_gt; i++)
        if (sectors[i] != VMDK_GTE_ABSENT &&
            !fn(o, (uint64_t) index * tables->gtes_per_gt + i, &sectors[i],
                error))
            return false;
    return order_co_put(o, error) && order_co_store(o, index, sectors, error);
}

/* Tables that are not in memory are all in the file. */
static bool
order_co_walk(Order *o, EntryFunc fn, GError **error)
{
    VmdkTables *tables = o->fill->e->sparse->tables;

    for (uint32_t i = 0; i < tables->n_gts;) {
        uint32_t hole =
            tables->slot[i] ? 0 : vmdk_tables_co_count_hole(tables, i, false);

        if (!hole && !order_co_table(o, i, fn, error))
            return false;
        i += MAX(hole, 1);
    }
    return true;
}

/* -- copying ---------------------------------------------------------------
 */

static bool
order_co_put(Order *o, GError **error)
{
    if (o->len > 0 &&
        !vd_node_co_pwrite(o->fill->e->file, o->next * VMDK_SECTOR, o->buf,
                           o->len, error))
        return false;
    o->next += o->len / VMDK_SECTOR;
    o->len = 0;
    return true;
}

static bool
check_record(const Order *o, uint64_t number, uint32_t sector,
             const VmdkRecord *rec, GError **error)
{
    const VmdkSparse *sp = o->fill->e->sparse;

    return (rec->data_bytes > 0 &&
            rec->data_bytes <= vmdk_record_max_data(&sp->hdr) &&
            rec->value == number * sp->grain_sectors) ||
           vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: byte %" PRIu64 ": what was stored as grain %" PRIu64
                    " is no longer there",
                    vd_node_name(o->fill->e->file),
                    (uint64_t) sector * VMDK_SECTOR, number);
}

/* It stays where it is. */
static bool
order_co_keep(Order *o, uint64_t number, uint32_t sector, GError **error)
{
    const VmdkHeader *hdr = &o->fill->e->sparse->hdr;
    uint8_t raw[VMDK_MARKER_HEAD];
    VmdkRecord rec;

    if (!vd_node_co_pread(o->fill->e->file, (uint64_t) sector * VMDK_SECTOR,
                          raw, sizeof(raw), error))
        return false;
    vmdk_record_parse(hdr, raw, &rec);
    if (!check_record(o, number, sector, &rec, error))
        return false;
    o->kept += vmdk_record_span(hdr, &rec) / VMDK_SECTOR;
    return true;
}

static bool
order_co_copy(Order *o, uint64_t number, uint32_t *sector, GError **error)
{
    VmdkStreamReader *reader = o->fill->e->sparse->reader;
    size_t room = vmdk_stream_record_room(reader), used, span;
    VmdkStreamBuffer buf;
    VmdkRecord rec;

    if (!o->copying && *sector == o->kept)
        return order_co_keep(o, number, *sector, error);
    o->copying = true;
    if (BUFFER_BYTES - o->len < room + VMDK_SECTOR && !order_co_put(o, error))
        return false;
    buf = (VmdkStreamBuffer){.data = o->buf + o->len, .len = room};
    if (!vmdk_stream_co_load_record(reader, (uint64_t) *sector * VMDK_SECTOR,
                                    &buf, &rec, error) ||
        !check_record(o, number, *sector, &rec, error))
        return false;
    used = (size_t) rec.head_bytes + rec.data_bytes;
    span = (size_t) vmdk_record_span(&reader->hdr, &rec);
    memset(buf.data + used, 0, span - used);
    if (o->next + (o->len + span) / VMDK_SECTOR > UINT32_MAX)
        return vd_throw(error, VD_ERROR_NO_SPACE,
                        "%s: there is no room for copies below 2 TiB",
                        vd_node_name(o->fill->e->file));
    *sector = (uint32_t) (o->next + o->len / VMDK_SECTOR);
    o->len += span;
    return true;
}

/* -- moving ----------------------------------------------------------------
 */

static bool
order_co_move_bytes(Order *o, GError **error)
{
    VdNode *file = o->fill->e->file;
    uint64_t from = o->first * VMDK_SECTOR, end = o->next * VMDK_SECTOR;
    uint64_t to = o->kept * VMDK_SECTOR;

    /* Downwards: what is overwritten has been read. */
    while (from < end) {
        size_t n = (size_t) MIN(end - from, BUFFER_BYTES);

        if (!vd_node_co_pread(file, from, o->buf, n, error) ||
            !vd_node_co_pwrite(file, to, o->buf, n, error))
            return false;
        from += n;
        to += n;
    }
    return true;
}

static bool
shift_entry(Order *o, uint64_t number, uint32_t *sector, GError **error)
{
    if (*sector >= o->first)
        *sector -= (uint32_t) (o->first - o->kept);
    return true;
}

/* What has been copied when it fails is in use. */
static bool
order_co_copy_all(Order *o, GError **error)
{
    bool ok = order_co_walk(o, order_co_copy, error);

    o->fill->next_sector = o->next;
    return ok;
}

static bool
order_co_move(Order *o, GError **error)
{
    if (o->copying && (!order_co_move_bytes(o, error) ||
                       !order_co_walk(o, shift_entry, error)))
        return false;
    o->fill->next_sector = o->kept + (o->next - o->first);
    o->fill->disordered = false;
    return true;
}

bool
vmdk_fill_co_order(VmdkFill *fill, bool *intact, GError **error)
{
    g_autofree uint8_t *buf = g_malloc(BUFFER_BYTES);
    Order o = {
        .fill = fill,
        .kept = fill->e->sparse->hdr.overhead_sectors,
        .first = fill->next_sector,
        .next = fill->next_sector,
        .buf = buf,
    };
    bool ok = order_co_copy_all(&o, error);

    *intact = !ok;
    return (ok && order_co_move(&o, error)) ||
           vd_prefix(error, "putting its grains in order: ");
}
