/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/stream/writer.c - a stream, record by record.
 *
 * Two layouts:
 *   in front   header | descriptor | GD | GTs | records ... | EOS
 *   at end     header | descriptor | records, GT, records, GT ... | GD |
 *              footer | EOS, where GT, GD and footer follow a marker each
 *
 * Crash order (in front): unfinished header, durable; then records and tables
 * in any order; end-of-stream marker; all durable; good header.  So nothing but
 * a complete file ever has a header that a reader takes.
 *
 * Concurrency: an append gets its place and its table entries before it first
 * yields, so places are in the order of the calls; the writes overlap.
 */
#include <inttypes.h>
#include <string.h>

#include "formats/vmdk/stream/tables.h"
#include "formats/vmdk/stream/tail.h"

#define WRITER_MAX_SECTOR UINT32_MAX /* what a table entry can say */

struct VmdkStreamWriter {
    VdNode *file;
    VmdkHeader hdr;
    VmdkStreamTables tables;
    uint64_t next_sector; /* where the next record goes */
    uint64_t next_off;    /* guest bytes below are written or left out */
    VioCoMutex begin;
    bool begun; /* the header is marked unfinished, durably */
    bool failed, ended;
    unsigned in_flight;
    VioCoQueue idle; /* who waits for in_flight to become 0 */
};

/* A part of the vectored write of one append, in front of a table or last. */
typedef struct {
    size_t len;                  /* bytes of records */
    VmdkStreamTable table;       /* to follow them; data NULL = none */
    uint8_t marker[VMDK_SECTOR]; /* at end: goes in front of the table */
} AppendPart;

VmdkStreamWriter *
vmdk_stream_writer_new(VdNode *file, const VmdkHeader *hdr)
{
    VmdkStreamWriter *writer = g_new0(VmdkStreamWriter, 1);

    writer->file = file;
    writer->hdr = *hdr;
    writer->next_sector = hdr->overhead_sectors;
    vmdk_stream_tables_init(&writer->tables, file, &writer->hdr);
    return writer;
}

void
vmdk_stream_writer_free(VmdkStreamWriter *writer)
{
    if (!writer)
        return;
    g_assert(writer->in_flight == 0);
    vmdk_stream_tables_clear(&writer->tables);
    g_free(writer);
}

static bool
is_at_end(const VmdkStreamWriter *writer)
{
    return writer->hdr.gd_sector == VMDK_GD_AT_END;
}

/* -- placing: never yields ----------------------------------------------------
 */

static bool
check_state(const VmdkStreamWriter *writer, GError **error)
{
    const char *name = vd_node_name(writer->file);

    if (writer->failed)
        return vd_throw(error, VD_ERROR_IO,
                        "%s: an earlier write to this stream has failed", name);
    if (writer->ended)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "%s: the stream has already been completed", name);
    return true;
}

static bool
check_records(const VmdkStreamWriter *writer, const VdAppend *append,
              GError **error)
{
    const char *name = vd_node_name(writer->file);
    uint64_t grain = vmdk_header_grain_bytes(&writer->hdr);
    uint64_t capacity = writer->hdr.capacity_sectors * VMDK_SECTOR;
    uint64_t least = writer->next_off, bytes = 0;

    for (size_t i = 0; i < append->n_records; i++) {
        const VdRecord *rec = &append->records[i];

        if (rec->off < least)
            return vd_throw(
                error, VD_ERROR_INVALID_ARGUMENT,
                "%s: a stream takes grains in ascending order: byte %" PRIu64
                " after byte %" PRIu64,
                name, rec->off, least);
        if (rec->off % grain != 0 || rec->off >= capacity)
            return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                            "%s: no grain starts at byte %" PRIu64
                            ", want a multiple of %" PRIu64 " below %" PRIu64,
                            name, rec->off, grain, capacity);
        least = rec->off + grain;
        bytes += rec->len;
        g_assert(rec->len > 0 && rec->len % VMDK_SECTOR == 0);
    }
    g_assert(bytes == append->bytes.len);
    return true;
}

/* The last byte of @append, with a table in front of each record if it comes
 * to that, can be addressed. */
static bool
check_reach(const VmdkStreamWriter *writer, const VdAppend *append,
            GError **error)
{
    uint64_t extra =
        append->n_records * (1 + vmdk_header_gt_sectors(&writer->hdr));
    uint64_t end = writer->next_sector + append->bytes.len / VMDK_SECTOR +
                   (is_at_end(writer) ? extra : 0);

    if (end <= WRITER_MAX_SECTOR)
        return true;
    return vd_throw(
        error, VD_ERROR_LIMIT,
        "%s: the file would grow beyond sector %u (2 TiB), the last that a grain table can name",
        vd_node_name(writer->file), WRITER_MAX_SECTOR);
}

/* The open table is complete: it goes behind @part, here or in front. */
static void
place_table(VmdkStreamWriter *writer, AppendPart *part)
{
    uint64_t sectors = vmdk_header_gt_sectors(&writer->hdr);

    part->table = vmdk_stream_tables_take(&writer->tables);
    if (!is_at_end(writer))
        return;
    vmdk_marker_encode(part->marker, VMDK_MARKER_GT, sectors);
    vmdk_stream_tables_placed(&writer->tables, part->table.index,
                              writer->next_sector + 1);
    writer->next_sector += 1 + sectors;
}

/* Give every record its place and table entry; returns the parts (of
 * AppendPart) that the write consists of. */
static GArray *
place_records(VmdkStreamWriter *writer, const VdAppend *append)
{
    GArray *parts = g_array_new(FALSE, TRUE, sizeof(AppendPart));
    AppendPart *part;

    g_array_set_size(parts, 1);
    part = &g_array_index(parts, AppendPart, 0);
    for (size_t i = 0; i < append->n_records; i++) {
        const VdRecord *rec = &append->records[i];

        if (vmdk_stream_tables_is_full(&writer->tables, rec->off)) {
            place_table(writer, part);
            g_array_set_size(parts, parts->len + 1);
            part = &g_array_index(parts, AppendPart, parts->len - 1);
        }
        vmdk_stream_tables_set(&writer->tables, rec->off, writer->next_sector);
        part->len += rec->len;
        writer->next_sector += rec->len / VMDK_SECTOR;
        writer->next_off = rec->off + vmdk_header_grain_bytes(&writer->hdr);
    }
    return parts;
}

/* -- writing ------------------------------------------------------------------
 */

static bool
write_co_header(VmdkStreamWriter *writer, bool unfinished, GError **error)
{
    uint8_t raw[VMDK_HEADER_BYTES];

    vmdk_header_encode(&writer->hdr, raw);
    if (unfinished)
        vmdk_header_mark_unfinished(raw);
    return vd_node_co_pwrite(writer->file, 0, raw, sizeof(raw), error);
}

/* Before anything else is in the file: whatever header there was, from now on
 * it is that of an unfinished file. */
static bool
write_co_begin(VmdkStreamWriter *writer, GError **error)
{
    if (is_at_end(writer))
        return true;
    vio_co_mutex_lock(&writer->begin);
    if (!writer->begun)
        writer->begun = write_co_header(writer, true, error) &&
                        vd_node_co_flush(writer->file, error);
    vio_co_mutex_unlock(&writer->begin);
    return writer->begun;
}

static void
add_iov(GArray *iov, const void *data, size_t len)
{
    struct iovec v = {.iov_base = (void *) data, .iov_len = len};

    g_array_append_val(iov, v);
}

static void
add_slice(GArray *iov, const VioVec *bytes, size_t off, size_t len)
{
    VioVec slice = vio_vec_slice(bytes, off, len);
    int n = len > 0 ? vio_vec_count(&slice) : 0;
    guint at = iov->len;

    g_array_set_size(iov, at + (guint) n);
    if (n > 0) /* there is room for all of it */
        (void) vio_vec_fill(&slice, &g_array_index(iov, struct iovec, at), n,
                            NULL);
}

/* At the end: records and the tables between them in one write. */
static bool
write_co_mixed(VmdkStreamWriter *writer, const VdAppend *append,
               const GArray *parts, uint64_t off, GError **error)
{
    g_autoptr(GArray) iov = g_array_new(FALSE, FALSE, sizeof(struct iovec));
    size_t table_bytes = vmdk_stream_table_bytes(&writer->tables);
    size_t done = 0;
    VioVec all;

    for (guint i = 0; i < parts->len; i++) {
        const AppendPart *part = &g_array_index(parts, AppendPart, i);

        add_slice(iov, &append->bytes, done, part->len);
        done += part->len;
        if (part->table.data) {
            add_iov(iov, part->marker, VMDK_SECTOR);
            add_iov(iov, part->table.data, table_bytes);
        }
    }
    all = vio_vec_from_iov((struct iovec *) (void *) iov->data, (int) iov->len);
    return vd_node_co_pwritev(writer->file, off, &all, 0, error);
}

/* In front: the records in one write, then the tables that are complete. */
static bool
write_co_apart(VmdkStreamWriter *writer, const VdAppend *append,
               const GArray *parts, uint64_t off, GError **error)
{
    if (!vd_node_co_pwritev(writer->file, off, &append->bytes, 0, error))
        return false;
    for (guint i = 0; i < parts->len; i++) {
        const AppendPart *part = &g_array_index(parts, AppendPart, i);

        if (part->table.data &&
            !vmdk_stream_tables_co_write(&writer->tables, &part->table, error))
            return false;
    }
    return true;
}

static void
parts_free(GArray *parts)
{
    for (guint i = 0; i < parts->len; i++)
        g_free(g_array_index(parts, AppendPart, i).table.data);
    g_array_unref(parts);
}

static bool
append_co_records(VmdkStreamWriter *writer, const VdAppend *append,
                  GError **error)
{
    uint64_t off = writer->next_sector * VMDK_SECTOR;
    GArray *parts;
    bool ok;

    if (!check_records(writer, append, error) ||
        !check_reach(writer, append, error))
        return false;
    parts = place_records(writer, append);
    if (append->placed)
        append->placed(append->placed_arg);

    ok = write_co_begin(writer, error);
    if (ok && is_at_end(writer))
        ok = write_co_mixed(writer, append, parts, off, error);
    else if (ok)
        ok = write_co_apart(writer, append, parts, off, error);
    parts_free(parts);
    return ok;
}

/* -- the end ------------------------------------------------------------------
 */

static bool
write_co_marker(VmdkStreamWriter *writer, VmdkMarker type, uint64_t value,
                GError **error)
{
    return vmdk_tail_co_write_marker(writer->file, writer->next_sector++, type,
                                     value, error);
}

static bool
end_co_last_table(VmdkStreamWriter *writer, GError **error)
{
    VmdkStreamTable table = vmdk_stream_tables_take(&writer->tables);
    g_autofree uint8_t *data = table.data;
    uint64_t sectors = vmdk_header_gt_sectors(&writer->hdr);
    uint64_t at;

    if (!data)
        return true;
    if (!is_at_end(writer))
        return vmdk_stream_tables_co_write(&writer->tables, &table, error);
    if (!write_co_marker(writer, VMDK_MARKER_GT, sectors, error))
        return false;
    at = writer->next_sector;
    vmdk_stream_tables_placed(&writer->tables, table.index, at);
    writer->next_sector += sectors;
    return vd_node_co_pwrite(writer->file, at * VMDK_SECTOR, data,
                             sectors * VMDK_SECTOR, error);
}

static bool
end_co_directory(VmdkStreamWriter *writer, GError **error)
{
    uint64_t sectors = vmdk_header_gd_sectors(&writer->hdr);
    uint64_t at;

    if (!is_at_end(writer))
        return vmdk_stream_tables_co_clear_rest(&writer->tables, error) &&
               vmdk_stream_tables_co_write_gd(&writer->tables,
                                              writer->hdr.gd_sector, error);
    if (!write_co_marker(writer, VMDK_MARKER_GD, sectors, error))
        return false;
    at = writer->next_sector;
    writer->next_sector += sectors;
    return vmdk_stream_tables_co_write_gd(&writer->tables, at, error);
}

static bool
end_co_footer(VmdkStreamWriter *writer, GError **error)
{
    uint64_t gd_at = writer->next_sector - vmdk_header_gd_sectors(&writer->hdr);
    VmdkHeader footer = writer->hdr;
    uint8_t raw[VMDK_HEADER_BYTES];
    uint64_t at;

    if (!is_at_end(writer))
        return true;
    if (!write_co_marker(writer, VMDK_MARKER_FOOTER, 1, error))
        return false;
    footer.gd_sector = gd_at;
    vmdk_header_encode(&footer, raw);
    at = writer->next_sector++;
    return vd_node_co_pwrite(writer->file, at * VMDK_SECTOR, raw, sizeof(raw),
                             error);
}

static bool
end_co_header(VmdkStreamWriter *writer, GError **error)
{
    if (is_at_end(writer))
        return true;
    return vd_node_co_flush(writer->file, error) &&
           write_co_header(writer, false, error);
}

static bool
append_co_end(VmdkStreamWriter *writer, const VdAppend *append, GError **error)
{
    while (writer->in_flight > 1) /* this call is one */
        vio_co_queue_wait(&writer->idle);
    if (!check_state(writer, error))
        return false;
    writer->ended = true;
    if (append->placed)
        append->placed(append->placed_arg);
    return write_co_begin(writer, error) && end_co_last_table(writer, error) &&
           end_co_directory(writer, error) && end_co_footer(writer, error) &&
           write_co_marker(writer, VMDK_MARKER_EOS, 0, error) &&
           vmdk_tail_co_cut(writer->file, writer->next_sector, error) &&
           end_co_header(writer, error);
}

bool
vmdk_stream_co_append(VmdkStreamWriter *writer, const VdAppend *append,
                      GError **error)
{
    bool ok;

    if (!check_state(writer, error))
        return false;
    writer->in_flight++;
    ok = append->n_records > 0 ? append_co_records(writer, append, error)
                               : append_co_end(writer, append, error);
    writer->in_flight--;
    writer->failed |= !ok;
    if (writer->in_flight <= 1)
        vio_co_queue_wake_all(&writer->idle);
    return ok;
}
