/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/life/rename.h - renaming one link: the parts. */
#pragma once

#include "formats/vmdk/files.h"

#include "block/moves.h"

#define VMDK_HINT_KEY "parentFileNameHint"

typedef struct VmdkRename {
    VmdkState *s;
    const char *old_path, *new_path;
    unsigned flags; /* VdRenameFlags */
    VdMoves *moves;
    /* The plan. */
    char *old_dir, *new_dir; /* all links resolved */
    GPtrArray *from, *to;    /* names of data files, now and then */
    VmdkDescriptor *desc;    /* as it shall be */
    bool text_changes, hint_changes;
    char *parent; /* with hint_changes: its whole path */
    /* The work. */
    bool moved;          /* the one file has its new name and no other */
    bool text_changed;   /* of an embedded descriptor, maybe */
    GPtrArray *children; /* that shall follow */
} VmdkRename;

/* Fill in the plan; refuse what cannot be done.  Blocks. */
bool vmdk_rename_plan(VmdkRename *r, GError **error);

/* What a child in the old directory, which has @stored now, shall call the
 * disk; g_free. */
char *vmdk_rename_child_hint(const VmdkRename *r, const char *stored);
