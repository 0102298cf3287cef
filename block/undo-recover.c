/* SPDX-License-Identifier: BSD-3-Clause */
/* block/undo-recover.c - putting back what an interrupted change left.
 *
 * A log is read up to its last whole record: what follows was never durable, so
 * the changes that it speaks of were never begun.  Records are put back from
 * the last to the first.  Doing so again does no harm, and the log goes only
 * when it has been done.
 *
 * Concurrency: one coroutine; nobody else writes to the file meanwhile.
 */
#include "block/undo-internal.h"

#include "block/open.h"

#include <string.h>

/* What a log of this size can at most repair is far beyond any directory. */
#define LOG_MAX_BYTES (UINT64_C(64) << 30)
#define RECORD_BYTES ((VD_UNDO_RECORD_SECTORS + 1) * VD_UNDO_SECTOR)

typedef struct {
    VdNode *file, *log;
    VdUndoHead head;
    GArray *places; /* of uint64_t: where the whole records are in the log */
    VdUndoRecord record; /* the one that was read last */
    uint8_t *raw;        /* and its bytes, old contents behind the first
                            sector */
    /* Sectors that are neither as before nor as wanted, as far as records that
     * were looked at tell.  Sectors that two records speak of come and go. */
    GHashTable *odd;
} Recovery;

/* -- reading the log ------------------------------------------------------- */

/* False: there is no whole record at @at. */
static bool
recovery_co_read(Recovery *r, uint64_t at)
{
    uint64_t size = vd_node_size(r->log);
    size_t len;

    if (at > size || size - at < VD_UNDO_SECTOR ||
        !vd_node_co_pread(r->log, at, r->raw, VD_UNDO_SECTOR, NULL) ||
        !vd_undo_record_decode(r->raw, &r->record) ||
        r->record.nonce != r->head.nonce)
        return false;
    len = (size_t) r->record.sectors * VD_UNDO_SECTOR;
    return size - at - VD_UNDO_SECTOR >= len &&
           vd_node_co_pread(r->log, at + VD_UNDO_SECTOR,
                            r->raw + VD_UNDO_SECTOR, len, NULL) &&
           vd_undo_record_check(r->raw, r->raw + VD_UNDO_SECTOR, &r->record);
}

static void
recovery_co_find_records(Recovery *r)
{
    uint64_t at = VD_UNDO_SECTOR;

    while (recovery_co_read(r, at)) {
        g_array_append_val(r->places, at);
        at += (r->record.sectors + 1) * VD_UNDO_SECTOR;
    }
}

static bool
refuse_log(const Recovery *r, const char *why, GError **error)
{
    return vd_throw(error, VD_ERROR_REFUSED,
                    "%s: is no backup of %s as it is: %s; look at both, then "
                    "remove it",
                    vd_node_name(r->log), vd_node_name(r->file), why);
}

/* *@empty: nothing had been changed when the power went. */
static bool
recovery_co_read_head(Recovery *r, bool *empty, GError **error)
{
    static const uint8_t nothing[VD_UNDO_SECTOR];

    *empty = true;
    if (vd_node_size(r->log) < VD_UNDO_SECTOR)
        return true;
    if (!vd_node_co_pread(r->log, 0, r->raw, VD_UNDO_SECTOR, error))
        return false;
    if (!memcmp(r->raw, nothing, sizeof(nothing)))
        return true;
    *empty = false;
    if (!vd_undo_head_decode(r->raw, &r->head) ||
        vd_node_size(r->log) > LOG_MAX_BYTES)
        return refuse_log(r, "its head is damaged", error);
    return true;
}

/* -- does it fit? ---------------------------------------------------------- */

static bool
recovery_co_read_file(Recovery *r, uint8_t *buf, GError **error)
{
    struct iovec iov;
    VioVec dst = vio_vec_from_buf(&iov, buf,
                                  (size_t) r->record.sectors * VD_UNDO_SECTOR);

    return vd_node_co_preadv_eof(r->file, r->record.off, &dst, error);
}

static bool
recovery_co_compare(Recovery *r, bool add, GError **error)
{
    g_autofree uint8_t *now = g_malloc(RECORD_BYTES);

    if (!recovery_co_read_file(r, now, error))
        return false;
    for (uint32_t i = 0; i < r->record.sectors; i++) {
        const uint8_t *sector = now + (size_t) i * VD_UNDO_SECTOR;
        const uint8_t *old = r->raw + (size_t) (i + 1) * VD_UNDO_SECTOR;
        gpointer key =
            GSIZE_TO_POINTER((gsize) (r->record.off / VD_UNDO_SECTOR + i));
        bool known =
            !memcmp(sector, old, VD_UNDO_SECTOR) ||
            vd_undo_crc(sector, VD_UNDO_SECTOR) == r->record.new_crc[i];

        if (known && !add)
            g_hash_table_remove(r->odd, key);
        else if (!known && add)
            g_hash_table_add(r->odd, key);
    }
    return true;
}

static bool
recovery_co_visit(Recovery *r, bool add, GError **error)
{
    for (guint i = 0; i < r->places->len; i++)
        if (recovery_co_read(r, g_array_index(r->places, uint64_t, i)) &&
            !recovery_co_compare(r, add, error))
            return false;
    return true;
}

static bool
recovery_co_verify(Recovery *r, GError **error)
{
    g_autofree char *base = g_path_get_basename(vd_node_name(r->file));

    if (strncmp(base, r->head.name, sizeof(r->head.name) - 1))
        return refuse_log(r, "it was made for another file", error);
    if (vd_node_size(r->file) < r->head.file_size)
        return refuse_log(r, "the file was shorter then", error);
    if (!recovery_co_visit(r, true, error) ||
        (g_hash_table_size(r->odd) && !recovery_co_visit(r, false, error)))
        return false;
    if (g_hash_table_size(r->odd))
        return refuse_log(r, "the file has been changed since", error);
    return true;
}

/* -- putting back ---------------------------------------------------------- */

static bool
recovery_co_write_back(Recovery *r, GError **error)
{
    for (guint i = r->places->len; i-- > 0;) {
        uint64_t at = g_array_index(r->places, uint64_t, i), len;

        if (!recovery_co_read(r, at))
            return vd_throw(error, VD_ERROR_IO,
                            "%s: the record at byte %" G_GUINT64_FORMAT
                            " can no longer be read",
                            vd_node_name(r->log), at);
        if (r->record.off >= r->head.file_size)
            continue;
        len = MIN((uint64_t) r->record.sectors * VD_UNDO_SECTOR,
                  r->head.file_size - r->record.off);
        if (!vd_node_co_pwrite(r->file, r->record.off, r->raw + VD_UNDO_SECTOR,
                               (size_t) len, error))
            return false;
    }
    return (vd_node_size(r->file) <= r->head.file_size ||
            vd_node_co_truncate(r->file, r->head.file_size, VD_PREALLOC_OFF,
                                error)) &&
           vd_node_co_flush(r->file, error);
}

static bool
recovery_co_run(Recovery *r, bool verify, GError **error)
{
    bool empty;

    if (!recovery_co_read_head(r, &empty, error))
        return false;
    if (empty)
        return true;
    recovery_co_find_records(r);
    return (!verify || recovery_co_verify(r, error)) &&
           recovery_co_write_back(r, error);
}

bool
vd_undo_co_put_back(VdNode *file, VdNode *log, bool verify, GError **error)
{
    Recovery r = {
        .file = file,
        .log = log,
        .places = g_array_new(FALSE, FALSE, sizeof(uint64_t)),
        .raw = g_malloc(RECORD_BYTES),
        .odd = g_hash_table_new(NULL, NULL),
    };
    bool ok = recovery_co_run(&r, verify, error);

    g_array_unref(r.places);
    g_free(r.raw);
    g_hash_table_unref(r.odd);
    return ok;
}

/* -- opening --------------------------------------------------------------- */

static bool
recover_co_from(VdNode *file, const char *path, GError **error)
{
    VdNode *log = vd_undo_co_open(file, path, VD_OPEN_RDWR, error);

    if (!log)
        return false;
    if (!vd_undo_co_put_back(file, log, true, error)) {
        (void) vd_node_co_close(log, NULL); /* nothing was written to it */
        return false;
    }
    vd_node_warn(file,
                 "%s: a repair that was interrupted has been undone; repair it "
                 "again",
                 vd_node_name(file));
    return vd_undo_co_remove(log, path, error);
}

bool
vd_undo_co_recover(VdNode *file, GError **error)
{
    g_autofree char *path = vd_undo_path(file);
    VdUndoFound found;

    if (!path)
        return true;
    if (!vd_undo_co_look(file, path, &found, error))
        return false;
    if (found == VD_UNDO_ABSENT || found == VD_UNDO_EMPTY)
        return true;
    if (!vd_node_is_writable(file)) {
        vd_node_warn(file,
                     "%s: a repair was interrupted; opening the image for "
                     "writing undoes it",
                     vd_node_name(file));
        return true;
    }
    if (found == VD_UNDO_STRANGE)
        return vd_throw(error, VD_ERROR_REFUSED,
                        "%s: is in the place of a backup of %s, but none that "
                        "we have made; remove it",
                        path, vd_node_name(file));
    return recover_co_from(file, path, error);
}
