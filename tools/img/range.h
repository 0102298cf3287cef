/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/range.h - a range of one disk: what dump and fill have in common.
 */
#pragma once

#include "tools/options.h"

typedef struct RangeJob {
    CommonOptions *common;
    const char *file;
    uint64_t off, len; /* len: bytes, none if not given */
    bool has_len;
} RangeJob;

/* -o and -l; wrong ones end in a message and false. */
bool range_take(RangeJob *job, int code, const char *arg);
/* Open the image, call @work with the range that lies inside of it, close.  The
 * result is the exit code. */
int range_run(RangeJob *job, unsigned flags,
              bool (*work)(RangeJob *job, VdDisk *disk));

#define CMD_ROWS_RANGE                                                         \
    {'o', "offset", "OFF", "first byte; default 0"},                           \
    {                                                                          \
        'l', "length", "LEN", "bytes"                                          \
    }
