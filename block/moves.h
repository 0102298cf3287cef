/* SPDX-License-Identifier: BSD-3-Clause */
/* block/moves.h - changes to the names of files that can be taken back.
 *
 * For operations that give an image's files other names or none.  Each step
 * either does one thing or fails and does nothing; undo takes back the steps so
 * far, the last one first.  Nothing is ever overwritten.  Files can be held
 * meanwhile: nobody else can then open them as images.
 *
 * All of it blocks: on a worker, one at a time.
 */
#pragma once

#include "block/error.h"
#include "block/node.h"

VdMoves *vd_moves_new(void);
/* Lets go of what is held; what was done stays done. */
void vd_moves_free(VdMoves *moves);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VdMoves, vd_moves_free)

/* IN_USE if somebody, even a reader, has @path open as an image.  A file that
 * is held already is left at that. */
bool vd_moves_hold(VdMoves *moves, const char *path, GError **error);

/* @to becomes another name of the file @from.  EXISTS if it is one already;
 * NOT_SUPPORTED if the file system has no hard links or is another one. */
bool vd_moves_link(VdMoves *moves, const char *from, const char *to,
                   GError **error);
/* A new file with this content, durable before it has its name; owner and mode
 * as those of @like. */
bool vd_moves_create(VdMoves *moves, const char *path, const char *text,
                     size_t len, const char *like, GError **error);
/* @from is called @to from now on: one step, no hard link. */
bool vd_moves_rename(VdMoves *moves, const char *from, const char *to,
                     GError **error);
/* Take away the name @path of a file.  @kept_as: another name of it, to undo
 * this; NULL = undo cannot. */
bool vd_moves_unlink(VdMoves *moves, const char *path, const char *kept_as,
                     GError **error);
/* Make the names that have changed so far durable. */
bool vd_moves_sync(VdMoves *moves, GError **error);

void vd_moves_undo(VdMoves *moves);

/* Behind the name of a descriptor whose files are being removed. */
#define VD_MOVES_REMOVING ".removing"

/* -- for tests --------------------------------------------------------------
 */

typedef enum VdMoveKind {
    VD_MOVE_LINK,
    VD_MOVE_CREATE,
    VD_MOVE_RENAME,
    VD_MOVE_UNLINK,
    VD_MOVE_SYNC,
} VdMoveKind;

/* Called before each step, on the worker; an errno other than 0 is how the step
 * fails.  NULL = no hook. */
typedef int (*VdMoveHook)(VdMoveKind kind, const char *path, void *opaque);
void vd_moves_set_hook(VdMoveHook hook, void *opaque);
