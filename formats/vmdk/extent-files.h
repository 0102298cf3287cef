/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/extent-files.h - the files that the extent lines name. */
#pragma once

#include "formats/vmdk/extent.h"

/* What the open options name in the place of the file of line @index; NULL =
 * nothing. */
const char *vmdk_extent_override(unsigned index, const VdOptions *opts);

/* Set e->path.  To be called for all extents before the first one is opened,
 * so that it is known which of them share a file. */
void vmdk_extent_note_file(VmdkExtent *e, unsigned index,
                           const VmdkExtentLine *line, const VdOptions *opts);

void vmdk_extent_forget_files(VmdkState *s);

/* Set e->file.  REFUSED by the policy, or for a file that would be written in
 * two ways. */
bool vmdk_extent_co_open_file(VmdkExtent *e, unsigned index, VdOptions *opts,
                              GError **error);

/* Are several of them pieces of one file?  What is behind one is then not free,
 * and the file not one extent's to remove. */
bool vmdk_extents_share_files(const VmdkState *s);

/* Raw extents of one file do not overlap, or nothing will be written: REFUSED.
 * After all have been opened; what was noted is forgotten. */
bool vmdk_extents_check_apart(VmdkState *s, GError **error);
