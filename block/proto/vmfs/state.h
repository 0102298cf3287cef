/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/vmfs/state.h - an opened node. */
#pragma once

#include "block/driver.h"
#include "block/proto/vmfs/bitmap.h"
#include "block/proto/vmfs/fd.h"

typedef struct VmfsState {
    GPtrArray *volumes; /* of VmfsVolume: all that are on the devices */
    VmfsFs *fs;         /* the one that was chosen */
    VmfsFd *fd;         /* the file */
    char *path;
    bool list;     /* opened for what is in it: may be a directory */
    bool in_place; /* may be written where it has blocks, if it is opened so */

    /* Of one that is written: write.c. */
    GArray *own;        /* bytes of the volume that must not be */
    VmfsBitmap *bitmap; /* blocks that are in use; NULL = not known */
    bool looked;        /* since the last flush, the last time at looked_ns */
    uint64_t looked_ns; /* that nobody has taken or changed the file */
    bool taken;         /* somebody has: nothing more is written */
} VmfsState;

/* -- name.c ---------------------------------------------------------------- */

bool vmfs_parse_name(const char *name, VdOptions *opts, GError **error);
/* The name by which @path in the same place can be opened: @given are the
 * options of @node, whose children are open.  Free with g_free. */
char *vmfs_make_name(const VdOptions *given, VdNode *node, const char *volume,
                     const char *path);

/* -- choose.c -------------------------------------------------------------- */

/* Open the children of @node, and s->fs on them; s->path is set.  Names the
 * node. */
bool vmfs_co_choose(VdNode *node, VdOptions *opts, GError **error);

/* -- lun.c ----------------------------------------------------------------- */

/* *@names: NULL-terminated, written in the one way (block/scsi-id.h); stays
 * NULL if none are said. */
bool vmfs_lun_take_names(VdOptions *opts, char ***names, GError **error);
/* REFUSED if it tells what it is called, and that is none of @names (NULL: any
 * will do). */
bool vmfs_lun_check(VdNode *extent, char *const *names, GError **error);

/* -- open.c ---------------------------------------------------------------- */

bool vmfs_co_open(VdNode *node, VdOptions *opts, GError **error);
void vmfs_co_close(VdNode *node);

/* -- write.c --------------------------------------------------------------- */

/* Is @fd, called @name, a file that may be written, and held by nobody? */
bool vmfs_write_check_file(const VmfsState *s, const VmfsFd *fd,
                           const char *name, GError **error);
/* Before the first write to s->fd. */
bool vmfs_write_co_begin(VdNode *node, GError **error);
bool vmfs_co_pwritev(VdNode *node, uint64_t off, const VioVec *src,
                     VdReqFlags flags, GError **error);
bool vmfs_co_write_zeroes(VdNode *node, uint64_t off, uint64_t len,
                          VdReqFlags flags, GError **error);
bool vmfs_co_flush_to_disk(VdNode *node, GError **error);
bool vmfs_co_finish(VdNode *node, GError **error);

/* -- list.c ---------------------------------------------------------------- */

GPtrArray *vmfs_co_list_directory(const VdEnv *env, VdOptions *opts,
                                  unsigned flags, GError **error);
