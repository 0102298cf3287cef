/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow/qcow.h - an opened qcow image, version 1. */
#pragma once

#include "block/rw.h"
#include "formats/common/table-cache.h"
#include "formats/qcow/header.h"

typedef struct QcowState {
    VdNode *node, *file;
    QcowHeader hdr;
    char *backing_name; /* as stored; NULL = none */
    uint64_t *l1;       /* host order */
    VdTableCache *cache;
    VdTable **tables; /* L2, by entry of L1; NULL = not in memory */
} QcowState;

bool qcow_co_open(VdNode *node, VdOptions *opts, GError **error);
void qcow_co_close(VdNode *node);

/* The L2 entry of the cluster that holds guest byte @off; 0 = it has none. */
bool qcow_co_entry(QcowState *s, uint64_t off, uint64_t *entry, GError **error);
bool qcow_co_map(VdNode *node, uint64_t off, uint64_t len, unsigned want,
                 VdRun *run, GError **error);
bool qcow_co_decode(VdNode *node, uint64_t off, const VdRun *run,
                    const VioVec *dst, GError **error);
