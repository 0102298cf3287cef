/* SPDX-License-Identifier: BSD-3-Clause */
/* tools/img/snapshot-words.h - the argument of -l: which state of a source is
 * read. */
#pragma once

#include "tools/images.h"

/* @text (may be NULL): a name or "snapshot.id=ID,snapshot.name=NAME".  False
 * after a message. */
bool snapshot_words_check(const char *text);
/* In the place of *@disk, opened by @spec, the snapshot @text of it (NULL: as
 * it is).  False after a message; *@disk may be NULL then. */
bool snapshot_load(VdContext *ctx, const ImageSpec *spec, const char *text,
                   VdDisk **disk);
