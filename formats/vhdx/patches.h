/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vhdx/patches.h - what a file would be if its log were replayed. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct VhdxPatch {
    uint64_t off, len;
    const uint8_t *bytes; /* NULL = zeroes */
} VhdxPatch;

typedef struct VhdxPatches VhdxPatches;

/* @patches: VhdxPatch in the order in which they are to be written; later ones
 * win.  @keep: what their bytes are in, freed with @free_keep. */
VhdxPatches *vhdx_patches_new(const GArray *patches, void *keep,
                              GDestroyNotify free_keep);
void vhdx_patches_free(VhdxPatches *patches);

/* The first piece of [off, off + len): *n of its bytes are alike, either from
 * a patch (*patch: its rest from @off on) or the file's own (false). */
bool vhdx_patches_find(const VhdxPatches *patches, uint64_t off, uint64_t len,
                       uint64_t *n, VhdxPatch *patch);

/* All of them, ascending and apart. */
typedef bool (*VhdxPatchFunc)(const VhdxPatch *patch, void *arg,
                              GError **error);
bool vhdx_patches_each(const VhdxPatches *patches, VhdxPatchFunc fn, void *arg,
                       GError **error);
