/* SPDX-License-Identifier: BSD-3-Clause */
/* io/window.h - a window of a copy from file to file, as one job. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct VioFile;

/* Windows are for files in the page cache, and not for those whose server could
 * keep the few workers there are. */
bool vio_file_has_windows(const struct VioFile *file);

typedef struct VioWindow {
    uint64_t in_off, out_off;
    uint8_t *buf; /* to go through */
    size_t len;
    size_t zero_block; /* zeroes are looked for in blocks of this, and not
                          written; 0: all is written */
    size_t least_zero; /* a shorter run of them is data, unless it is all there
                          is */
    bool push_out;     /* begin write-out of what was written */

    /* out */
    size_t written, writes; /* bytes, in how many pieces */
    size_t end;             /* of the window, behind the last byte written */
} VioWindow;

/* Read, look for zeroes and write on a worker, through the page cache: both
 * files belong to this loop and have windows.  0 or -errno of either end; then
 * some of it may have been written.  Yields. */
int vio_co_copy_window(struct VioFile *in, struct VioFile *out,
                       VioWindow *window);
