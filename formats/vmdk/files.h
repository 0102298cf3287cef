/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/files.h - the files that one link of a chain is made of. */
#pragma once

#include "formats/vmdk/state.h"

/* A file beside the descriptor that the descriptor names. */
typedef struct VmdkFile {
    char *path; /* where that is */
    char *name; /* as it is stored, slashes turned */
    int extent; /* number of its line; -1: it is the value of @key */
    char *key;
} VmdkFile;

/* Data files, change tracking, digest: of VmdkFile, in the order of the text.
 * Not the descriptor itself, nor the file that holds it.  Whether they exist
 * and may be touched is another question.  No I/O. */
GPtrArray *vmdk_files(const VmdkState *s);
