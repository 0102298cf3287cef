/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/descriptor/names.h - names of the files that belong to one disk.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef enum VmdkNameKind {
    VMDK_NAME_FLAT,         /* x-flat.vmdk */
    VMDK_NAME_SPLIT_FLAT,   /* x-f001.vmdk */
    VMDK_NAME_SPLIT_SPARSE, /* x-s001.vmdk */
    VMDK_NAME_SESPARSE,     /* x-sesparse.vmdk */
    VMDK_NAME_DELTA,        /* x-delta.vmdk */
} VmdkNameKind;

/* Path of data file number @index (from 1) beside the descriptor @path. */
char *vmdk_name_extent(const char *path, VmdkNameKind kind, unsigned index);

/* The last component of @path without its suffix: what data files are called
 * after. */
char *vmdk_name_stem(const char *path);

/* The absolute @path as seen from the absolute directory @from: both without
 * "." and "..". */
char *vmdk_name_relative(const char *from, const char *path);

/* A file name from a descriptor in the form of this system: backslashes become
 * slashes, "file:" goes.  NULL for names that are no paths ("json:...",
 * "nbd://..."). */
char *vmdk_name_localise(const char *stored);

/* "C:/..." or "//server/...": absolute, but nowhere on this system. */
bool vmdk_name_is_foreign(const char *localised);
