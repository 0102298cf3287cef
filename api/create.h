/* SPDX-License-Identifier: BSD-3-Clause */
/* api/create.h - the parsed words of a creation, for api/ only. */
#pragma once

#include "api/disk.h"
#include "block/transaction.h"

typedef struct VdCreatePlan {
    const VdDriver *driver;
    char *filename;
    uint64_t size;      /* UINT64_MAX = not given: the parent's */
    char *backing_file; /* NULL = none */
    char *backing_format;
    VdOptions *options; /* the rest, checked against the driver's table */
} VdCreatePlan;

/* No I/O. */
VdCreatePlan *vd_create_plan_new(const VdCreateParams *params, GError **error);
/* Out of the options: they are no business of the driver's. */
bool vd_create_take_hints(VdCreatePlan *plan, VdFileHints *hints,
                          GError **error);
void vd_create_plan_free(VdCreatePlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VdCreatePlan, vd_create_plan_free)
