/* SPDX-License-Identifier: BSD-3-Clause */
/* block/finding.h - writing down what a check finds. */
#pragma once

#include "include/vdisk.h"

typedef enum VdFindingKind {
    VD_FINDING_CORRUPTION, /* data are wrong, or writing would make them so */
    VD_FINDING_LEAK,       /* space that nothing uses */
    VD_FINDING_ERROR,      /* could not be looked at */
    VD_FINDING_BREACH,     /* of a rule of a profile */
    VD_FINDING_NOTE,       /* reads well, but others may refuse it; counts as
                                nothing */
} VdFindingKind;

/* Of VdFinding, which it owns. */
GPtrArray *vd_findings_new(void);

/* Count it, and keep it unless there are result->max_findings already.
 * @offset: byte in @file. */
void vd_finding_add(VdCheckResult *result, VdFindingKind kind, const char *file,
                    uint64_t offset, const char *format, ...)
    G_GNUC_PRINTF(5, 6);
/* The same about grain number @grain of its extent. */
void vd_finding_add_grain(VdCheckResult *result, VdFindingKind kind,
                          const char *file, uint64_t grain, uint64_t offset,
                          const char *format, ...) G_GNUC_PRINTF(6, 7);
/* The same, with the id of a profile's rule; @grain may be VD_NO_GRAIN. */
void vd_finding_add_rule(VdCheckResult *result, VdFindingKind kind,
                         const char *rule, const char *file, uint64_t grain,
                         uint64_t offset, const char *format, ...)
    G_GNUC_PRINTF(7, 8);
