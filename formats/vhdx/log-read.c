/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vhdx/log-read.c - which entries of the log are due.
 *
 * Entries are looked for at every sector of the ring.  Those that follow one
 * another, with sequence numbers that do, are a chain; the chain counts if its
 * last entry names one of its own as the tail.  Of several the one with the
 * highest last number is the newest.
 *
 * Concurrency: yields to read.
 */
#include "formats/vhdx/log.h"

#include <inttypes.h>

/* Checksums may be made over so many times the length of the log. */
#define BUDGET 8

typedef struct {
    VhdxLogEntry entry;
    unsigned chain; /* 0 = no entry here */
    bool followed;
} Spot;

typedef struct {
    VhdxLog *log;
    Spot *spots; /* by sector */
    unsigned n;
} Scan;

bool
vhdx_log_check_place(const VhdxHeader *hdr, const VdNode *file, GError **error)
{
    uint64_t size = vd_node_size(file);

    if (hdr->log_version)
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: the log has version %u; version 0 is known",
                        vd_node_name(file), hdr->log_version);
    if (hdr->log_off >= VHDX_MIB && hdr->log_off % VHDX_MIB == 0 &&
        hdr->log_bytes && hdr->log_bytes % VHDX_MIB == 0 &&
        hdr->log_off <= size && hdr->log_bytes <= size - hdr->log_off)
        return true;
    return vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: the header places the log at byte %" PRIu64
                    " with %u bytes, which are no whole MiB behind the first "
                    "in a file of %" PRIu64 " bytes",
                    vd_node_name(file), hdr->log_off, hdr->log_bytes, size);
}

/* -- scanning -------------------------------------------------------------- */

static void
find_entries(Scan *scan, const uint8_t *guid)
{
    uint64_t budget = (uint64_t) scan->log->len * BUDGET;

    for (unsigned i = 0; i < scan->n; i++) {
        Spot *spot = &scan->spots[i];

        spot->chain = vhdx_log_entry_parse(scan->log, guid, i * VHDX_LOG_SECTOR,
                                           &budget, &spot->entry);
    }
}

/* What comes behind @spot, NULL = it is the last. */
static Spot *
next_of(const Scan *scan, const Spot *spot)
{
    uint64_t end = (uint64_t) spot->entry.off + spot->entry.len;
    Spot *next = &scan->spots[end % scan->log->len / VHDX_LOG_SECTOR];

    return next->chain && next->entry.sequence == spot->entry.sequence + 1
               ? next
               : NULL;
}

static void
number_chains(Scan *scan)
{
    unsigned chain = 1; /* = of nobody yet */

    for (unsigned i = 0; i < scan->n; i++) {
        Spot *next =
            scan->spots[i].chain ? next_of(scan, &scan->spots[i]) : NULL;
        if (next)
            next->followed = true;
    }
    for (unsigned i = 0; i < scan->n; i++) {
        Spot *spot = &scan->spots[i];

        if (!spot->chain || spot->followed)
            continue;
        for (chain++; spot && spot->chain == 1; spot = next_of(scan, spot))
            spot->chain = chain;
    }
}

static const Spot *
find_newest(const Scan *scan)
{
    const Spot *newest = NULL;

    for (unsigned i = 0; i < scan->n; i++) {
        const Spot *spot = &scan->spots[i];
        const Spot *tail = &scan->spots[spot->entry.tail / VHDX_LOG_SECTOR];

        if (spot->chain && !next_of(scan, spot) && tail->chain == spot->chain &&
            tail->entry.sequence <= spot->entry.sequence &&
            (!newest || spot->entry.sequence > newest->entry.sequence))
            newest = spot;
    }
    return newest;
}

/* Entries that are due together cannot be longer than the ring. */
static bool
take_due(const Scan *scan, const Spot *newest)
{
    const Spot *spot = &scan->spots[newest->entry.tail / VHDX_LOG_SECTOR];
    uint64_t bytes = 0;

    for (; spot; spot = spot == newest ? NULL : next_of(scan, spot)) {
        bytes += spot->entry.len;
        g_array_append_vals(scan->log->due, &spot->entry, 1);
    }
    return bytes <= scan->log->len;
}

static bool
find_due(VhdxLog *log, const uint8_t *guid)
{
    unsigned n = log->len / VHDX_LOG_SECTOR;
    g_autofree Spot *spots = g_new0(Spot, n);
    Scan scan = {log, spots, n};
    const Spot *newest;

    find_entries(&scan, guid);
    number_chains(&scan);
    newest = find_newest(&scan);
    return newest && take_due(&scan, newest);
}

/* -- the log --------------------------------------------------------------- */

static VhdxLog *
log_new(const VhdxHeader *hdr, const VdNode *file, GError **error)
{
    VhdxLog *log;
    uint8_t *bytes;

    if (hdr->log_bytes > VHDX_MAX_LOG)
        return vd_throw_null(error, VD_ERROR_LIMIT,
                             "%s: the log has %u bytes, of which at most %u "
                             "are replayed",
                             vd_node_name(file), hdr->log_bytes, VHDX_MAX_LOG);
    bytes = g_try_malloc(hdr->log_bytes);
    if (!bytes)
        return vd_throw_null(error, VD_ERROR_NO_MEMORY,
                             "%s: no memory for a log of %u bytes",
                             vd_node_name(file), hdr->log_bytes);
    log = g_new(VhdxLog, 1);
    *log = (VhdxLog){
        .bytes = bytes,
        .len = hdr->log_bytes,
        .due = g_array_new(FALSE, FALSE, sizeof(VhdxLogEntry)),
    };
    return log;
}

VhdxLog *
vhdx_log_co_read(const VhdxHeader *hdr, VdNode *file, GError **error)
{
    g_autoptr(VhdxLog) log = NULL;

    if (!vhdx_log_check_place(hdr, file, error))
        return NULL;
    log = log_new(hdr, file, error);
    if (!log)
        return NULL;
    if (!vd_node_co_pread(file, hdr->log_off, log->bytes, log->len, error))
        return vd_prefix_null(error, "reading the log: ");
    if (!find_due(log, hdr->log))
        return vd_throw_null(error, VD_ERROR_CORRUPT,
                             "%s: the header says that the log at byte "
                             "%" PRIu64 " holds changes, but there is no "
                             "whole sequence of entries in it",
                             vd_node_name(file), hdr->log_off);
    return g_steal_pointer(&log);
}

void
vhdx_log_free(VhdxLog *log)
{
    if (!log)
        return;
    g_free(log->bytes);
    g_array_unref(log->due);
    g_free(log);
}
