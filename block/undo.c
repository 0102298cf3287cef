/* SPDX-License-Identifier: BSD-3-Clause */
/* block/undo.c - changing a file in many places, all or nothing.
 *
 * Changes wait in memory until there are some megabytes of them; so the side
 * file costs a barrier for each such batch, not for each change.
 *
 * Concurrency: one coroutine; nobody else writes to the file meanwhile.
 */
#include "block/undo-internal.h"

#include "block/open.h"

#include <string.h>

#define BATCH_BYTES (4u << 20)

typedef struct {
    uint64_t off;
    uint32_t sectors;
    uint8_t bytes[];
} Change;

struct VdUndo {
    VdNode *file;
    VdNode *log; /* NULL = nothing has been changed yet */
    char *path;
    VdUndoHead head;
    uint64_t log_end;
    GPtrArray *queue; /* of Change */
    size_t queued;    /* bytes */
    uint64_t size_before;
    bool changed; /* the file may differ from what it was */
};

VdUndo *
vd_undo_new(VdNode *file)
{
    VdUndo *undo = g_new0(VdUndo, 1);

    undo->file = file;
    undo->size_before = vd_node_size(file);
    undo->queue = g_ptr_array_new_with_free_func(g_free);
    return undo;
}

void
vd_undo_free(VdUndo *undo)
{
    g_assert(!undo->log);
    g_ptr_array_unref(undo->queue);
    g_free(undo->path);
    g_free(undo);
}

static void
forget_queue(VdUndo *undo)
{
    g_ptr_array_set_size(undo->queue, 0);
    undo->queued = 0;
}

/* -- the side file --------------------------------------------------------- */

static bool
undo_co_write_head(VdUndo *undo, GError **error)
{
    g_autofree char *base = g_path_get_basename(vd_node_name(undo->file));
    uint8_t raw[VD_UNDO_SECTOR];

    undo->head.nonce =
        (uint64_t) g_random_int() << 32 | (uint64_t) g_random_int();
    undo->head.file_size = undo->size_before;
    g_strlcpy(undo->head.name, base, sizeof(undo->head.name));
    vd_undo_head_encode(&undo->head, raw);
    undo->log_end = sizeof(raw);
    return vd_node_co_pwrite(undo->log, 0, raw, sizeof(raw), error);
}

static bool
undo_co_begin(VdUndo *undo, GError **error)
{
    if (undo->log)
        return true;
    undo->path = vd_undo_path(undo->file);
    if (!undo->path)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: is no file of this system, so there is no place "
                        "to keep what is overwritten",
                        vd_node_name(undo->file));
    undo->log = vd_undo_co_make(undo->file, undo->path, error);
    return undo->log && undo_co_write_head(undo, error);
}

/* What is there now.  A failure may pass, as those of networks do; a sector
 * that really cannot be read has nothing that could be kept. */
static bool
undo_co_read_old(VdUndo *undo, uint64_t off, uint8_t *buf, size_t len,
                 GError **error)
{
    struct iovec iov;
    VioVec dst = vio_vec_from_buf(&iov, buf, len);

    return vd_node_co_preadv_eof(undo->file, off, &dst, NULL) ||
           vd_node_co_preadv_eof(undo->file, off, &dst, error);
}

static bool
undo_co_save_change(VdUndo *undo, const Change *change, GError **error)
{
    size_t len = (size_t) change->sectors * VD_UNDO_SECTOR;
    g_autofree uint8_t *raw = g_malloc(VD_UNDO_SECTOR + len);
    VdUndoRecord record = {.nonce = undo->head.nonce,
                           .off = change->off,
                           .sectors = change->sectors};

    /* All of it lies behind the old end, which putting back cuts off. */
    if (change->off >= undo->head.file_size)
        return true;
    if (!undo_co_read_old(undo, change->off, raw + VD_UNDO_SECTOR, len, error))
        return false;
    for (uint32_t i = 0; i < change->sectors; i++)
        record.new_crc[i] = vd_undo_crc(
            change->bytes + (size_t) i * VD_UNDO_SECTOR, VD_UNDO_SECTOR);
    vd_undo_record_encode(&record, raw + VD_UNDO_SECTOR, raw);
    if (!vd_node_co_pwrite(undo->log, undo->log_end, raw, VD_UNDO_SECTOR + len,
                           error))
        return false;
    undo->log_end += VD_UNDO_SECTOR + len;
    return true;
}

/* -- changing -------------------------------------------------------------- */

static bool
undo_co_save(VdUndo *undo, GError **error)
{
    for (guint i = 0; i < undo->queue->len; i++)
        if (!undo_co_save_change(undo, undo->queue->pdata[i], error))
            return false;
    return vd_node_co_flush(undo->log, error);
}

static bool
undo_co_change(VdUndo *undo, GError **error)
{
    for (guint i = 0; i < undo->queue->len; i++) {
        const Change *change = undo->queue->pdata[i];

        if (!vd_node_co_pwrite(undo->file, change->off, change->bytes,
                               (size_t) change->sectors * VD_UNDO_SECTOR,
                               error))
            return false;
    }
    return true;
}

bool
vd_undo_co_apply(VdUndo *undo, GError **error)
{
    if (!undo->queue->len)
        return true;
    if (!undo_co_begin(undo, error) || !undo_co_save(undo, error))
        return vd_prefix(error, "keeping what was there before: ");
    if (!vd_node_co_flush(undo->file, error))
        return false;
    undo->changed = true;
    if (!undo_co_change(undo, error))
        return false;
    forget_queue(undo);
    return true;
}

static void
queue_add(VdUndo *undo, uint64_t off, const uint8_t *bytes, uint32_t sectors)
{
    size_t len = (size_t) sectors * VD_UNDO_SECTOR;
    Change *change = g_malloc(sizeof(Change) + len);

    change->off = off;
    change->sectors = sectors;
    memcpy(change->bytes, bytes, len);
    g_ptr_array_add(undo->queue, change);
    undo->queued += len;
}

bool
vd_undo_co_write(VdUndo *undo, uint64_t off, const void *buf, size_t len,
                 GError **error)
{
    const uint8_t *bytes = buf;

    g_assert(off % VD_UNDO_SECTOR == 0 && len % VD_UNDO_SECTOR == 0);
    while (len) {
        size_t part = MIN(len, VD_UNDO_RECORD_SECTORS * VD_UNDO_SECTOR);

        queue_add(undo, off, bytes, (uint32_t) (part / VD_UNDO_SECTOR));
        off += part;
        bytes += part;
        len -= part;
    }
    return undo->queued < BATCH_BYTES || vd_undo_co_apply(undo, error);
}

/* -- ending ---------------------------------------------------------------- */

bool
vd_undo_co_end(VdUndo *undo, GError **error)
{
    if (!vd_undo_co_apply(undo, error))
        return false;
    if (!undo->log)
        return true;
    if (!vd_node_co_flush(undo->file, error))
        return false;
    return vd_undo_co_remove(g_steal_pointer(&undo->log), undo->path, error);
}

/* The log may have been closed, for better or worse. */
static bool
undo_co_reopen(VdUndo *undo, GError **error)
{
    if (!undo->log)
        undo->log =
            vd_undo_co_open(undo->file, undo->path, VD_OPEN_RDWR, error);
    return undo->log != NULL;
}

/* Grains that were copied behind the end before anything was saved. */
static bool
undo_co_cut(VdUndo *undo, GError **error)
{
    return vd_node_size(undo->file) <= undo->size_before ||
           vd_node_co_truncate(undo->file, undo->size_before, VD_PREALLOC_OFF,
                               error);
}

/* A log that is empty already means that all changes stand, with what they name
 * behind the old end: only the very last barrier has failed. */
static bool
undo_co_put_back(VdUndo *undo, GError **error)
{
    if (!undo->changed)
        return undo_co_cut(undo, error);
    return undo_co_reopen(undo, error) &&
           vd_undo_co_put_back(undo->file, undo->log, false, error);
}

bool
vd_undo_co_cancel(VdUndo *undo, GError **error)
{
    forget_queue(undo);
    if (undo_co_put_back(undo, error))
        return !undo->log || vd_undo_co_remove(g_steal_pointer(&undo->log),
                                               undo->path, error);
    if (undo->log)
        (void) vd_node_co_close(g_steal_pointer(&undo->log), NULL);
    return false;
}
