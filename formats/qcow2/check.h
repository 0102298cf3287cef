/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/check.h - counting the users of every cluster. */
#pragma once

#include "block/finding.h"
#include "formats/qcow2/qcow2.h"

/* How often each cluster of the file is used, as the tables have it. */
typedef struct Qcow2Survey {
    Qcow2State *s;
    VdCheckResult *result;
    uint32_t *users;
    uint64_t n;          /* clusters of the file, the last one may be short */
    uint64_t last_place; /* of the cluster before, for fragmentation */
} Qcow2Survey;

/* Fails only if something cannot be read or there is no memory; what is wrong
 * is noted. */
bool qcow2_survey_co_walk(Qcow2Survey *survey, GError **error);
/* [off, off + len) has one more user; the finding for what lies behind the end
 * of the file calls it @what. */
void qcow2_survey_use(Qcow2Survey *survey, uint64_t off, uint64_t len,
                      const char *what);
/* Clusters of bitmaps (bitmap-walk.c). */
bool qcow2_survey_co_bitmaps(Qcow2Survey *survey, GError **error);

bool qcow2_co_check(VdNode *node, const VdCheckParams *params,
                    VdCheckResult *result, GError **error);
