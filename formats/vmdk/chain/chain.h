/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/chain/chain.h - a link and its parent: what the driver does. */
#pragma once

#include "formats/vmdk/state.h"

/* In a child that is being committed: the content id that its parent will
 * have, accepted beside parentCID. */
#define VMDK_KEY_COMING "ddb.parentAfterCommit"

/* A commit was interrupted and the descriptor is about to be written for
 * another reason: what the note stood for is decided by now.  desc_lock is
 * held. */
void vmdk_chain_settle(VmdkState *s);

bool vmdk_co_chain_begin(VdNode *node, VdChainRole role, char **coming,
                         GError **error);
bool vmdk_co_chain_end(VdNode *node, const char *coming, GError **error);
bool vmdk_co_set_parent(VdNode *node, const VdParentRef *ref, GError **error);
bool vmdk_co_make_empty(VdNode *node, GError **error);
/* NULL: no path.  Of another machine's the last name is looked for, beside the
 * child. */
char *vmdk_locate_parent(const char *child, const char *stored);
bool vmdk_co_find_children(VdNode *node, GPtrArray **paths, GError **error);
