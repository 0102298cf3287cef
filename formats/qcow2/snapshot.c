/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/snapshot.c - the table of internal snapshots.
 *
 * Entries are of any length, each at a multiple of 8: 40 bytes, extra data, id,
 * name (neither ends with a NUL).
 *
 * Concurrency: yields for I/O.
 */
#include "formats/qcow2/snapshot.h"
#include "io/bytes.h"

#include <inttypes.h>

#define FIXED_BYTES 40
#define EXTRA_STATE_AT 0
#define EXTRA_SIZE_AT 8
#define EXTRA_ICOUNT_AT 16
#define EXTRA_KNOWN 24
#define EXTRA_MAX 1024
/* Read ahead of the entry: id and name are shorter than 64 KiB each. */
#define WINDOW_BYTES (FIXED_BYTES + EXTRA_MAX + 2 * 65536)

void
qcow2_snapshot_clear(gpointer data)
{
    Qcow2Snapshot *snapshot = data;

    g_free(snapshot->id);
    g_free(snapshot->name);
    g_free(snapshot->unknown);
}

static void
take_extra(Qcow2Snapshot *snapshot, const uint8_t *extra, uint32_t len)
{
    if (len >= EXTRA_STATE_AT + 8)
        snapshot->vm_state_bytes = vio_get_be64(extra + EXTRA_STATE_AT);
    if (len >= EXTRA_SIZE_AT + 8)
        snapshot->disk_size = vio_get_be64(extra + EXTRA_SIZE_AT);
    if (len >= EXTRA_ICOUNT_AT + 8)
        snapshot->icount = vio_get_be64(extra + EXTRA_ICOUNT_AT);
    if (len > EXTRA_KNOWN) {
        snapshot->unknown_len = len - EXTRA_KNOWN;
        snapshot->unknown = g_memdup2(extra + EXTRA_KNOWN, len - EXTRA_KNOWN);
    }
}

static bool
refuse(VdNode *file, uint64_t off, const char *what, GError **error)
{
    return vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: the entry of the snapshot table at byte %" PRIu64
                    " %s",
                    vd_node_name(file), off, what);
}

/* The entry at @off, of which @have bytes are at @p; *used: with padding. */
static bool
take_entry(VdNode *file, const Qcow2Header *hdr, uint64_t off, const uint8_t *p,
           size_t have, Qcow2Snapshot *snapshot, size_t *used, GError **error)
{
    uint32_t id_len, name_len, extra_len;
    const uint8_t *rest = p + FIXED_BYTES;

    if (have < FIXED_BYTES)
        return refuse(file, off, "ends behind the file", error);
    id_len = vio_get_be16(p + 12);
    name_len = vio_get_be16(p + 14);
    extra_len = vio_get_be32(p + 36);
    if (extra_len > EXTRA_MAX)
        return refuse(file, off, "has more than 1024 bytes of extra data",
                      error);
    if (have < FIXED_BYTES + extra_len + id_len + name_len)
        return refuse(file, off, "ends behind the file", error);
    *snapshot = (Qcow2Snapshot){.l1_off = vio_get_be64(p),
                                .n_l1 = vio_get_be32(p + 8),
                                .date_sec = vio_get_be32(p + 16),
                                .date_nsec = vio_get_be32(p + 20),
                                .vm_clock_nsec = vio_get_be64(p + 24),
                                .vm_state_bytes = vio_get_be32(p + 32),
                                .disk_size = hdr->size,
                                .icount = QCOW2_NO_ICOUNT};
    take_extra(snapshot, rest, extra_len);
    rest += extra_len;
    snapshot->id = g_strndup((const char *) rest, id_len);
    snapshot->name = g_strndup((const char *) rest + id_len, name_len);
    *used = (FIXED_BYTES + extra_len + id_len + name_len + 7) / 8 * 8;
    return true;
}

static bool
check_entry(VdNode *file, const Qcow2Header *hdr, uint64_t off,
            const Qcow2Snapshot *snapshot, GError **error)
{
    if (snapshot->n_l1 > QCOW2_MAX_L1_BYTES / 8)
        return refuse(file, off, "has an L1 table of more than 32 MiB", error);
    if (snapshot->l1_off & (qcow2_cluster_bytes(hdr) - 1))
        return refuse(file, off, "has an L1 table that begins in a cluster",
                      error);
    return true;
}

GArray *
qcow2_snapshots_co_read(VdNode *file, const Qcow2Header *hdr, uint64_t *bytes,
                        GError **error)
{
    g_autoptr(GArray) list = g_array_new(FALSE, FALSE, sizeof(Qcow2Snapshot));
    g_autofree uint8_t *window = g_malloc(WINDOW_BYTES);
    uint64_t off = hdr->snapshots_off, size = vd_node_size(file);

    g_array_set_clear_func(list, qcow2_snapshot_clear);
    for (uint32_t i = 0; i < hdr->n_snapshots; i++) {
        size_t have = off < size ? (size_t) MIN(size - off, WINDOW_BYTES) : 0;
        size_t used = 0;
        Qcow2Snapshot snapshot;

        if (off - hdr->snapshots_off > QCOW2_MAX_SNAPSHOT_BYTES)
            return vd_throw_null(error, VD_ERROR_LIMIT,
                                 "%s: the snapshot table has more than 64 MiB",
                                 vd_node_name(file));
        if ((have && !vd_node_co_pread(file, off, window, have, error)) ||
            !take_entry(file, hdr, off, window, have, &snapshot, &used, error))
            return NULL;
        g_array_append_val(list, snapshot);
        if (!check_entry(file, hdr, off, &snapshot, error))
            return NULL;
        off += used;
    }
    if (bytes)
        *bytes = off - hdr->snapshots_off;
    return g_steal_pointer(&list);
}

/* -- writing ----------------------------------------------------------------
 */

static void
append_entry(GByteArray *table, const Qcow2Snapshot *snapshot)
{
    static const uint8_t zeroes[8] = {0};
    size_t id_len = strlen(snapshot->id), name_len = strlen(snapshot->name);
    uint8_t p[FIXED_BYTES + EXTRA_KNOWN] = {0}, *extra = p + FIXED_BYTES;

    vio_put_be64(p, snapshot->l1_off);
    vio_put_be32(p + 8, snapshot->n_l1);
    vio_put_be16(p + 12, (uint16_t) id_len);
    vio_put_be16(p + 14, (uint16_t) name_len);
    vio_put_be32(p + 16, snapshot->date_sec);
    vio_put_be32(p + 20, snapshot->date_nsec);
    vio_put_be64(p + 24, snapshot->vm_clock_nsec);
    if (snapshot->vm_state_bytes <= UINT32_MAX)
        vio_put_be32(p + 32, (uint32_t) snapshot->vm_state_bytes);
    vio_put_be32(p + 36, EXTRA_KNOWN + snapshot->unknown_len);
    vio_put_be64(extra + EXTRA_STATE_AT, snapshot->vm_state_bytes);
    vio_put_be64(extra + EXTRA_SIZE_AT, snapshot->disk_size);
    vio_put_be64(extra + EXTRA_ICOUNT_AT, snapshot->icount);
    g_byte_array_append(table, p, sizeof(p));
    g_byte_array_append(table, snapshot->unknown, snapshot->unknown_len);
    g_byte_array_append(table, (const uint8_t *) snapshot->id, (guint) id_len);
    g_byte_array_append(table, (const uint8_t *) snapshot->name,
                        (guint) name_len);
    g_byte_array_append(table, zeroes, (8 - table->len % 8) % 8);
}

bool
qcow2_snapshots_co_store(Qcow2State *s, const GArray *list, uint64_t *off,
                         uint64_t *bytes, GError **error)
{
    g_autoptr(GByteArray) table = g_byte_array_new();

    for (unsigned i = 0; i < list->len; i++) {
        append_entry(table, &g_array_index(list, Qcow2Snapshot, i));
        if (table->len > QCOW2_MAX_SNAPSHOT_BYTES)
            return vd_throw(error, VD_ERROR_LIMIT,
                            "%s: the snapshot table would have more than 64 "
                            "MiB",
                            vd_node_name(s->file));
    }
    if (!qcow2_co_place(s, table->data, table->len, off, error))
        return false;
    *bytes = table->len;
    return true;
}
