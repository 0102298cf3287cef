/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/compare/compare.h - the files of vdisk-img compare among
 * themselves. */
#pragma once

#include "tools/images.h"

#define COMPARE_PROGRESS_STEP 2

enum {
    COMPARE_SAME = 0,
    COMPARE_DIFFERENT = 1,
    COMPARE_CANNOT_OPEN = 2,
    COMPARE_MAP_ERROR = 3,
    COMPARE_READ_ERROR = 4,
};

typedef struct CompareJob {
    const CommonOptions *common;
    int n_images; /* 2, or of hashes 1 */
    const char *names[2];
    const char *second_format;
    VdOpenFlags cache;
    bool strict, all, hash;
    VdDisk *disks[2];
} CompareJob;

/* All that follows prints and returns the exit code. */
int compare_contents(const CompareJob *job);
int compare_hashes(const CompareJob *job);
