/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/create/sample.h - how well does a disk compress?
 *
 * Grains that hold data are known by their rank: the how manieth in the order
 * of the disk.  The ranks of the sample are chosen first, spread evenly over
 * all, then taken as they come by.
 */
#pragma once

#include "formats/vmdk/create/create.h"

typedef struct VmdkSample VmdkSample;

/* A sample of @percent of @total grains, but no fewer than a handful, of
 * @source, each compressed at @level. */
VmdkSample *vmdk_sample_new(VdNode *source, uint64_t total, unsigned percent,
                            int level);
/* The next @n grains with data are those from grain @first of the disk on.
 * Takes what belongs to the sample; may wait for earlier ones. */
void vmdk_sample_co_pass(VmdkSample *sample, uint64_t first, uint64_t n);
/* Waits for all.  *@bytes: what the records of all grains will probably take.
 * Frees in any case. */
bool vmdk_sample_co_end(VmdkSample *sample, uint64_t *bytes, GError **error);
