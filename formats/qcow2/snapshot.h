/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/snapshot.h - the table of internal snapshots. */
#pragma once

#include "formats/qcow2/qcow2.h"

#define QCOW2_MAX_SNAPSHOT_BYTES (UINT64_C(64) << 20) /* of the table */
#define QCOW2_NO_ICOUNT UINT64_MAX

typedef struct Qcow2Snapshot {
    uint64_t l1_off;
    uint32_t n_l1;
    uint32_t date_sec, date_nsec;
    uint64_t vm_clock_nsec;
    uint64_t vm_state_bytes;
    uint64_t disk_size; /* bytes */
    uint64_t icount;    /* QCOW2_NO_ICOUNT = not known */
    char *id, *name;
    uint8_t *unknown; /* extra data that we do not know, to be kept */
    uint32_t unknown_len;
} Qcow2Snapshot;

/* Of Qcow2Snapshot; CORRUPT, LIMIT.  *bytes (may be NULL): of the table. */
GArray *qcow2_snapshots_co_read(VdNode *file, const Qcow2Header *hdr,
                                uint64_t *bytes, GError **error);
/* The table at a new place, durable, but not named by the header; @bytes: of
 * it.  LIMIT.  No snapshots: no table, and *off is 0. */
bool qcow2_snapshots_co_store(Qcow2State *s, const GArray *list, uint64_t *off,
                              uint64_t *bytes, GError **error);
void qcow2_snapshot_clear(gpointer snapshot);
/* Index of the first that has both @id and @name (NULL = any), or -1. */
int qcow2_snapshots_find(const GArray *list, const char *id, const char *name);
/* The one whose id, or else the first whose name, is @text; or -1. */
int qcow2_snapshots_find_any(const GArray *list, const char *text);
/* Its L1 table has an entry for each byte of its disk; CORRUPT, LIMIT. */
bool qcow2_snapshot_check_size(const Qcow2Snapshot *snapshot, VdNode *file,
                               const Qcow2Header *hdr, GError **error);
