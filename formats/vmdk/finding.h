/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/finding.h - writing down what a check finds. */
#pragma once

#include "include/vdisk.h"

typedef enum VmdkFindingKind {
    VMDK_FINDING_CORRUPTION, /* data are wrong, or writing would make them so */
    VMDK_FINDING_LEAK,       /* space that nothing uses */
    VMDK_FINDING_ERROR,      /* could not be looked at */
    VMDK_FINDING_NOTE,       /* reads well, but others may refuse it; counts as
                                nothing */
} VmdkFindingKind;

/* Count it, and keep it unless there are result->max_findings already.
 * @offset: byte in @file. */
void vmdk_finding_add(VdCheckResult *result, VmdkFindingKind kind,
                      const char *file, uint64_t offset, const char *format,
                      ...) G_GNUC_PRINTF(5, 6);
