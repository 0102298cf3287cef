/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/blocks/parent.h - looking for the parent of a differencing disk of
 * Windows', which remembers an id and some names.
 *
 * Backslashes separate, and drive letters mean nothing here: a disk is looked
 * for where a relative name says, and beside the child by its last name.
 */
#pragma once

#include "block/driver.h"

/* An array of paths (char *), each once. */
GPtrArray *vd_places_new(void);
/* @path as it is. */
void vd_places_add(GPtrArray *places, const char *path);
/* What @name, stored in @child, may mean.  Relative: "..\dir\x.vhd" from the
 * child's directory; in any case "x.vhd" there. */
void vd_places_add_windows(GPtrArray *places, VdNode *child, const char *name,
                           bool relative);

/* @candidate: opened without its own parent. */
typedef bool (*VdIsParent)(VdNode *child, VdNode *candidate);

/* Open the first of @places that is there and that @is_wanted as the parent of
 * @child.  True without a parent: there is none; then *mismatch (in @places) is
 * one that is not wanted, or NULL. */
bool vd_places_co_open_parent(const GPtrArray *places, VdNode *child,
                              const char *format, VdIsParent is_wanted,
                              const char **mismatch, GError **error);
