/* SPDX-License-Identifier: BSD-3-Clause */
/* block/file-hints.h - what the host's file system is told about new files.
 *
 * Both are about speed: a file system that knows neither takes the file as
 * well.  They are options of every format whose images are new files; api/
 * takes them, the transaction applies them.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define VD_EXTENT_SIZE_DEFAULT (UINT64_C(1) << 20)
#define VD_EXTENT_SIZE_MAX UINT32_MAX

typedef struct VdFileHints {
    uint64_t extent_size; /* bytes to allocate at a time; 0 = leave it alone */
    bool insist;          /* somebody asked for it */
    bool no_cow;
} VdFileHints;

#define VD_FILE_HINTS_DEFAULT                                                  \
    ((VdFileHints){.extent_size = VD_EXTENT_SIZE_DEFAULT})

/* What came of them: an errno, or 0. */
typedef struct VdFileHintsResult {
    int extent_size, no_cow;
} VdFileHintsResult;

/* Rows for tables of VdOptionSpec, in this order. */
#define VD_EXTENT_SIZE_ROW                                                     \
    {                                                                          \
        "extent_size_hint", VD_OPTION_SIZE, NULL,                              \
            "Extent size hint for the image file, 0 to disable", NULL, true    \
    }
#define VD_NO_COW_ROW                                                          \
    {                                                                          \
        "nocow", VD_OPTION_BOOL, NULL,                                         \
            "Turn off copy-on-write (valid only on btrfs)", NULL, true         \
    }

/* Blocks.  @fd: a regular file that is empty yet. */
VdFileHintsResult vd_file_hints_apply(int fd, const VdFileHints *hints);
