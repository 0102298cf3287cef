/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vhdx/log-replay.c - what the log has for the file.
 *
 * A reader keeps it in memory, a writer puts it into the file before anything
 * else.  That may be interrupted and done again as often as need be.
 *
 * Concurrency: yields for I/O.
 */
#include "formats/vhdx/log.h"

#include <inttypes.h>

/* File id and headers are never written through the log. */
#define FIRST_PATCH VHDX_REGION_TABLE_AT(0)

/* -- collecting ------------------------------------------------------------ */

static bool
check_file(const VhdxLogEntry *entry, const VdNode *file, GError **error)
{
    if (entry->last_bytes > (uint64_t) VD_MAX_SIZE)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: log entry %" PRIu64 " wants a file of %" PRIu64
                        " bytes",
                        vd_node_name(file), entry->sequence, entry->last_bytes);
    if (entry->flushed_bytes <= vd_node_size(file))
        return true;
    return vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: the file is truncated: it has %" PRIu64
                    " bytes, but log entry %" PRIu64 " knows of %" PRIu64,
                    vd_node_name(file), vd_node_size(file), entry->sequence,
                    entry->flushed_bytes);
}

static bool
check_target(const VhdxPatch *patch, const VhdxHeader *hdr, const VdNode *file,
             GError **error)
{
    uint64_t end = patch->off + patch->len;

    if (patch->off >= FIRST_PATCH &&
        (end <= hdr->log_off || patch->off >= hdr->log_off + hdr->log_bytes))
        return true;
    return vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: the log wants to write %" PRIu64 " bytes at byte "
                    "%" PRIu64 ", where headers or the log itself are",
                    vd_node_name(file), patch->len, patch->off);
}

static void
free_log(void *log)
{
    vhdx_log_free(log);
}

bool
vhdx_log_co_collect(const VhdxHeaders *headers, VdNode *file,
                    VhdxReplay *replay, GError **error)
{
    const VhdxHeader *hdr = &headers->now;
    g_autoptr(GArray) list = g_array_new(FALSE, FALSE, sizeof(VhdxPatch));
    g_autoptr(VhdxLog) log = NULL;

    *replay = (VhdxReplay){.file_bytes = vd_node_size(file)};
    if (vd_uuid_is_null(hdr->log))
        return true;
    log = vhdx_log_co_read(hdr, file, error);
    if (!log)
        return false;
    for (unsigned i = 0; i < log->due->len; i++) {
        const VhdxLogEntry *entry = &g_array_index(log->due, VhdxLogEntry, i);

        if (!check_file(entry, file, error))
            return false;
        replay->file_bytes = MAX(replay->file_bytes, entry->last_bytes);
        vhdx_log_entry_take(log, entry, list);
    }
    for (unsigned i = 0; i < list->len; i++)
        if (!check_target(&g_array_index(list, VhdxPatch, i), hdr, file, error))
            return false;
    replay->patches = vhdx_patches_new(list, g_steal_pointer(&log), free_log);
    return true;
}

/* -- applying -------------------------------------------------------------- */

static bool
patch_co_apply(const VhdxPatch *patch, void *arg, GError **error)
{
    VdNode *file = arg;

    if (!patch->bytes)
        return vd_node_co_write_zeroes(file, patch->off, patch->len, 0, error);
    return vd_node_co_pwrite(file, patch->off, patch->bytes, patch->len, error);
}

bool
vhdx_log_co_apply(VhdxHeaders *headers, VdNode *file, const VhdxReplay *replay,
                  GError **error)
{
    VhdxHeader hdr = headers->now;

    /* This is a change of the file. */
    vd_uuid_new(hdr.file_write);
    memset(hdr.log, 0, sizeof(hdr.log));
    if (!vhdx_patches_each(replay->patches, patch_co_apply, file, error) ||
        (vd_node_size(file) < replay->file_bytes &&
         !vd_node_co_truncate(file, replay->file_bytes, VD_PREALLOC_OFF,
                              error)) ||
        !vhdx_headers_co_store(headers, file, &hdr, error))
        return vd_prefix(error, "replaying the log: ");
    return vd_node_co_flush(file, error);
}
