/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/qcow2.h - an opened qcow2 image. */
#pragma once

#include "block/rw.h"
#include "formats/qcow2/l2.h"

typedef struct Qcow2Decoded Qcow2Decoded; /* decoded.c */

typedef struct Qcow2State {
    VdNode *node, *file;
    VdNode *data; /* where guest clusters are: file, or the data file */
    Qcow2Header hdr;
    Qcow2Extensions ext;
    char *backing_name;    /* as stored; NULL = none */
    Qcow2Tables *tables;   /* L1 and L2 of the disk */
    Qcow2Decoded *decoded; /* compressed clusters, as they were last read */
} Qcow2State;

bool qcow2_co_open(VdNode *node, VdOptions *opts, GError **error);
void qcow2_co_close(VdNode *node);
bool qcow2_co_map(VdNode *node, uint64_t off, uint64_t len, unsigned want,
                  VdRun *run, GError **error);
bool qcow2_co_decode(VdNode *node, uint64_t off, const VdRun *run,
                     const VioVec *dst, GError **error);
void qcow2_get_info(VdNode *node, VdNodeInfo *info);
GVariant *qcow2_describe(VdNode *node);

Qcow2Decoded *qcow2_decoded_new(Qcow2State *s);
void qcow2_decoded_free(Qcow2Decoded *decoded);
