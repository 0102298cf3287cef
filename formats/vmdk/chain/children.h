/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/chain/children.h - who has this disk as a parent?
 *
 * A parent does not know its children.  What can be found cheaply are those
 * that lie in the same directory, where products put them.
 */
#pragma once

#include "formats/vmdk/state.h"

/* Paths (char *) of the disks in the directory of @s that name it as their
 * parent and remember its present content id; none is an empty array.  What
 * cannot be read as a descriptor is passed over.  IO if the directory cannot be
 * read. */
bool vmdk_children_co_find(VmdkState *s, GPtrArray **paths, GError **error);

/* REFUSED if there is one, naming it: "x.vmdk: cannot be @doing: ...". */
bool vmdk_children_co_refuse(VmdkState *s, const char *doing, GError **error);
