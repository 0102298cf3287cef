/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/stream/repair.h - files of other tools made fit for importers.
 *
 * For files that may not open as they are: this works on the name.
 */
#pragma once

#include "block/open.h"
#include "block/transaction.h"
#include "formats/vmdk/descriptor/descriptor.h"
#include "formats/vmdk/stream/scan.h"

/* Make @path keep the rules of "esxi-import", contents unchanged.  What only
 * header, descriptor and end are to blame for is changed in place; anything
 * else is written anew and put in its place.  A file that is good already is
 * left alone.  Errors: NOT_SUPPORTED (no streamOptimized file, a grain size
 * that others do not take), REFUSED (it has a parent), CORRUPT (damaged
 * grains: their data would be lost). */
bool vmdk_stream_co_repair(const VdEnv *env, const char *path,
                           VdStreamRepair *result, GError **error);

/* -- private to repair.c and rebuild.c ------------------------------------- */

typedef struct VmdkPatient {
    const VdEnv *env;
    const char *path;
    VdNode *file;
    uint8_t raw[VMDK_HEADER_BYTES]; /* with the magic of a finished file */
    VmdkHeader hdr;       /* directory located; GD_AT_END if it is lost */
    bool unfinished;      /* the magic was that of one being written */
    VmdkDescriptor *desc; /* NULL: none that can be read */
    uint64_t sectors;     /* of the disk */
} VmdkPatient;

/* The text of a good stream with @sectors: what @desc (may be NULL) says,
 * where that is possible. */
VmdkDescriptor *vmdk_repair_new_text(const VmdkDescriptor *desc,
                                     const char *path, uint64_t sectors,
                                     GError **error);
/* The values that importers want, set in @desc. */
bool vmdk_repair_set_words(VmdkDescriptor *desc, uint64_t sectors,
                           GError **error);

/* Write all of it anew to @target, which is empty; p->file is only read. */
bool vmdk_repair_co_rebuild(VmdkPatient *p, VdNode *target,
                            VdStreamRepair *result, GError **error);
