/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/io/options.h - what vdisk-io's own command line asks for. */
#pragma once

#include "include/vdisk.h"
#include "tools/vi/vi.h"

typedef struct MainWords {
    GPtrArray *lines; /* of -c */
    const char *format, *engine;
    VdOpenFlags flags;
    bool native, misaligned;
    Vi *vi; /* --vi-* */
} MainWords;

/* All options, with getopt's order of the rest.  -1: go on with the file, if
 * one is named; else that is the end, with this exit code. */
int options_take(int argc, char **argv, MainWords *words);
