/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sesparse/sesparse.h - a seSparse extent at work: redo logs of
 * ESXi for large disks and on VMFS 6.
 *
 * Read only, as nobody has published how its journal, its free bitmap and its
 * backmap are kept.  A new one can be filled while it is being created, so that
 * reading can be tested; such files are not for ESXi.
 */
#pragma once

#include "formats/vmdk/sesparse/tables.h"
#include "formats/vmdk/state.h"

struct VmdkSeSparse {
    VmdkSeHeader hdr;
    VmdkSeVolatile vol;
    VmdkSeTables *tables;
    /* A new one that is being filled. */
    VioRangeLock *allocating; /* NULL: this is none */
    uint64_t next;            /* sector of the next new grain */
    bool marked;              /* as unfinished, in the file */
    VioCoMutex mark_lock, flush_lock;
};

/* Headers and directory of e->file.  @line_sectors: what the descriptor says,
 * 0 = it does not. */
bool vmdk_sesparse_co_open(VmdkExtent *e, uint64_t line_sectors,
                           GError **error);
void vmdk_sesparse_free(VmdkExtent *e);

/* map.c */
/* What the tables say; a run may reach behind the end of the file. */
bool vmdk_sesparse_co_lookup(VmdkExtent *e, uint64_t off, uint64_t len,
                             VdRun *run, GError **error);
/* What there is to read. */
bool vmdk_sesparse_co_map(VmdkExtent *e, uint64_t off, uint64_t len, VdRun *run,
                          GError **error);

/* new.c: an empty extent in the empty @file. */
bool vmdk_sesparse_co_create(VdNode *file, uint64_t capacity_sectors,
                             GError **error);

/* fill.c */
void vmdk_sesparse_start_filling(VmdkExtent *e);
bool vmdk_sesparse_co_write(VmdkExtent *e, uint64_t off, const VioVec *src,
                            GError **error);
bool vmdk_sesparse_co_write_zeroes(VmdkExtent *e, uint64_t off, uint64_t len,
                                   VdReqFlags flags, GError **error);
bool vmdk_sesparse_co_flush(VmdkExtent *e, GError **error);
bool vmdk_sesparse_co_finish(VmdkExtent *e, GError **error);

/* check.c */
bool vmdk_sesparse_co_check(VmdkExtent *e, VdCheckResult *result,
                            GError **error);
