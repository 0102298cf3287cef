/* SPDX-License-Identifier: BSD-3-Clause */
/* block/undo.h - changing a file in many places, all or nothing.
 *
 * Before anything is overwritten, what was there goes to a file beside it
 * (NAME.vdisk-repair) and is durable.  When all is done the side file goes.  If
 * it does not get that far, everything is put back: at once by
 * vd_undo_co_cancel(), or by vd_undo_co_recover() when the file is next opened
 * for writing.
 *
 *   write ... write - old contents to the side file - barrier - new contents
 *   [ and again ] - barrier - side file emptied - barrier - side file removed
 *
 * What is written behind the old end of the file needs no saving: putting back
 * cuts it off.
 *
 * The side file lies where others may write.  It is believed only if it is a
 * plain file of the same owner, its records are whole, and every sector that it
 * speaks of holds what was there before or what was written then: a file that
 * somebody has changed since is left alone.
 */
#pragma once

#include "block/rw.h"

typedef struct VdUndo VdUndo;

/* For @file, a file or filters above one, open for writing.  Makes nothing yet;
 * what is behind the end from now on is new. */
VdUndo *vd_undo_new(VdNode *file);

/* Whole sectors of @file; each no more than once in the life of @undo.  Kept
 * in memory until there is enough of it or vd_undo_co_apply() comes. */
bool vd_undo_co_write(VdUndo *undo, uint64_t off, const void *buf, size_t len,
                      GError **error);
/* Do what was asked for.  What else was written to the file before is made
 * durable first. */
bool vd_undo_co_apply(VdUndo *undo, GError **error);
/* Apply, make durable, forget what was before.  After a failure: cancel. */
bool vd_undo_co_end(VdUndo *undo, GError **error);
/* All as it was; false if that failed, and the side file stays for the next
 * opening.  Nothing to undo: true. */
bool vd_undo_co_cancel(VdUndo *undo, GError **error);
/* After end or cancel. */
void vd_undo_free(VdUndo *undo);

/* When @file is opened, before anything in it is believed.  Open for writing:
 * what an interrupted change left is undone, with a warning.  Read-only: only a
 * warning.  REFUSED if there is a side file that is none of this file as it
 * is. */
bool vd_undo_co_recover(VdNode *file, GError **error);
