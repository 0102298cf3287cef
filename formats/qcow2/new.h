/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/new.h - an image that is to be. */
#pragma once

#include "block/driver.h"
#include "formats/qcow2/l2.h"

typedef struct Qcow2New {
    Qcow2Header hdr;
    VdPrealloc prealloc;
    int level; /* of compression, for who fills it */
    char *backing_name, *backing_format, *data_file; /* NULL = none */
    bool data_file_raw;
    /* Places, in clusters, in this order; the header is at 0. */
    uint64_t reftable, n_reftable;
    uint64_t blocks, n_blocks;
    uint64_t l1, n_l1;
    uint64_t l2, n_l2;     /* of preallocated images */
    uint64_t data, n_data; /* likewise; none in the file with a data file */
    uint64_t total;
} Qcow2New;

extern const VdOptionSpec qcow2_create_options[];

/* Take the options and lay everything out. */
bool qcow2_new_init(Qcow2New *new, const VdCreateSpec *spec, GError **error);
void qcow2_new_clear(Qcow2New *new);

/* Clusters of the disk, of L2 tables that all of them need, and of all there is
 * with @n_l2 tables and @n_data clusters. */
uint64_t qcow2_new_disk_clusters(const Qcow2New *new);
uint64_t qcow2_new_disk_tables(const Qcow2New *new);
void qcow2_new_lay_out(Qcow2New *new, uint64_t n_l2, uint64_t n_data);

bool qcow2_co_create(VdTransaction *tx, const VdCreateSpec *spec,
                     GError **error);
bool qcow2_co_measure(const VdMeasureSpec *spec, VdMeasureResult *result,
                      GError **error);
