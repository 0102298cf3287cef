/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/stream/scan.h - which records a stream has, found without tables
 * or through them.
 *
 * Without: markers and record heads lead from one record to the next, so a
 * stream that was cut off is known up to the cut.
 */
#pragma once

#include "formats/vmdk/stream/record.h"
#include "formats/vmdk/stream/stream.h"

/* 512 MiB of memory, two TiB of full grains. */
#define VMDK_SCAN_MAX_RECORDS (UINT64_C(32) << 20)

typedef struct VmdkRecordPlace {
    uint64_t grain;
    uint64_t sector; /* of its record */
} VmdkRecordPlace;

typedef struct VmdkScan {
    GArray
        *places;   /* of VmdkRecordPlace, ascending in grain, each grain once */
    uint64_t end;  /* byte behind the last record or marker */
    uint64_t last; /* guest byte behind the grain furthest back */
    bool ended;    /* by an end-of-stream marker; else cut off */
    uint64_t lost; /* grains that a table names behind the end of the file */
} VmdkScan;

void vmdk_scan_clear(VmdkScan *scan);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VmdkScan, vmdk_scan_clear)

/* From record to record.  Of two for one grain the later one counts.  Stops
 * where something stands that is neither record nor marker, or the file ends.
 * The data are not looked at.  CORRUPT if the stream has no markers. */
bool vmdk_scan_co_records(VdNode *file, const VmdkHeader *hdr, VmdkScan *scan,
                          GError **error);
/* What the tables name.  *@sound: they can be read, all of them. */
bool vmdk_scan_co_tables(VdNode *file, const VmdkHeader *hdr, VmdkScan *scan,
                         bool *sound, GError **error);

/* The record of @grain; NULL = none.  *@next: the first grain behind it that
 * has one, UINT64_MAX = none. */
const VmdkRecordPlace *vmdk_scan_find(const VmdkScan *scan, uint64_t grain,
                                      uint64_t *next);
