/* SPDX-License-Identifier: BSD-3-Clause */
/* vix/abi.h - how the shared libraries differ.  All else is common to them. */
#pragma once

#include <stdbool.h>

typedef struct VixAbi {
    unsigned soname;
    bool short_connect_params; /* those that we have not allocated may end
                                  behind vimApiVer, 80 bytes */
    bool has_sector_sizes;     /* creation parameters end with them */
} VixAbi;

/* Each library has its own. */
extern const VixAbi vix_abi;
