/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/images.h - opening images, with the messages that users know. */
#pragma once

#include "tools/options.h"

typedef struct ImageSpec {
    const char *name;
    const char *format; /* NULL = probe */
    bool image_opts;
    bool native; /* Linux AIO was asked for: only for direct I/O */
    VdOpenFlags flags;
} ImageSpec;

/* A context by the common options, which must outlive it; NULL after a
 * message. */
VdContext *image_context_new(const CommonOptions *common);
/* The same with @buffers bytes for I/O buffers. */
VdContext *image_context_new_sized(const CommonOptions *common,
                                   uint64_t buffers);
/* The same for use from any thread, not from this one alone. */
VdContext *image_context_new_shared(const CommonOptions *common);

/* The same for work that signals stop, until it ends. */
VdContext *image_context_begin(const CommonOptions *common);
void image_context_end(VdContext *ctx);

/* The operand @name read by the common options, plus @flags. */
ImageSpec image_spec(const CommonOptions *common, const char *name,
                     unsigned flags);

/* The same for functions that open images themselves. */
VdImageRef image_ref(const ImageSpec *spec);

/* NULL after "Could not open 'NAME': reason". */
VdDisk *image_open(VdContext *ctx, const ImageSpec *spec);
/* The parent that the image @child names; NULL after the same. */
VdDisk *image_open_parent(VdContext *ctx, const VdInfo *child,
                          VdOpenFlags flags);
/* False after a message. */
bool image_close(VdDisk *disk, const char *name);
/* The disk was only read from: its close has nothing to lose. */
void image_close_quietly(VdDisk *disk);

/* The image and, with @whole_chain, its parents, from the top down: an array
 * of VdGraphNode.  Headers only.  NULL after a message. */
GPtrArray *image_chain_graphs(VdContext *ctx, const ImageSpec *spec,
                              bool whole_chain);
/* The same as an array of VdInfo. */
GPtrArray *image_chain_infos(VdContext *ctx, const ImageSpec *spec,
                             bool whole_chain);

/* If @error says that there is no room: how much there is where the local file
 * @name lies, and that @what ("the copy") may need @needed bytes (0 = nobody
 * knows). */
void image_hint_space(const GError *error, const char *name, const char *what,
                      uint64_t needed);
/* The same for a disk that may become as full as its size allows. */
void image_hint_space_of_disk(VdContext *ctx, const ImageSpec *spec,
                              const GError *error);

/* The path of a plain or "file:" name; NULL for others. */
const char *image_local_path(const char *name);
