/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/check-image.h - checking an image, and mending it. */
#pragma once

#include "tools/options.h"

enum {
    CHECK_CLEAN = 0,
    CHECK_FAILED = 1,
    CHECK_CORRUPT = 2,
    CHECK_LEAKS = 3,
    CHECK_UNSUPPORTED = 63,
};

typedef struct CheckJob {
    const CommonOptions *common;
    const char *name;
    VdOpenFlags cache;
    VdCheckParams params;
    unsigned max_findings; /* 0 = default */
} CheckJob;

/* Look, mend what params.repair asks for, look again, print; returns what
 * "check" exits with: the state afterwards. */
int check_image(const CheckJob *job);
