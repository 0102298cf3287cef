/* SPDX-License-Identifier: BSD-3-Clause */
/* api/disk.h - the inside of a VdDisk and its requests, for api/ only. */
#pragma once

#include "api/context.h"
#include "block/chain.h"
#include "block/rw.h"

struct VdDisk {
    VdContext *ctx;
    VdNode *node;
    char *name;     /* as the user wrote it */
    char *named_by; /* the file of the image that names it; NULL = the user */
    VdEnv env;
    unsigned in_flight; /* requests whose caller still waits */
    VioCoQueue idle;    /* closers that wait for the last of them */
};

/* Open with the transaction @tx (may be NULL) in force.  Frees @opts. */
VdDisk *vd_disk_co_open(VdContext *ctx, const char *name, const char *format,
                        VdOptions *opts, VdOpenFlags flags, VdTransaction *tx,
                        GError **error);
/* The same with link @link (1 = the first parent) of its chain open for
 * writing. */
VdDisk *vd_disk_co_open_chain(VdContext *ctx, const char *name,
                              const char *format, VdOptions *opts,
                              VdOpenFlags flags, unsigned link, GError **error);
/* Open @name as the parent that the image in the file @image names, or is to
 * name: what may be opened so is less than what the user may name. */
VdDisk *vd_disk_co_open_parent(VdContext *ctx, const char *image,
                               const char *name, const char *format,
                               VdOpenFlags flags, GError **error);
/* NULL after a failure; @text may be NULL. */
VdOptions *vd_disk_parse_options(const char *name, const char *text,
                                 VdOpenFlags flags, GError **error);
/* Wait for requests in flight, then close; frees in any case. */
bool vd_disk_co_close(VdDisk *disk, GError **error);

/* Every request of a user is counted between these two.  Runner only. */
void vd_disk_enter(VdDisk *disk);
void vd_disk_leave(VdDisk *disk);

/* No break point is left, and all that has stopped goes on.  Runner only. */
void vd_breaks_release(VdDisk *disk);

/* What is known about @node of @disk. */
VdInfo *vd_info_co_new(VdDisk *disk, VdNode *node);

/* -- one request, synchronous or not ----------------------------------------
 */

typedef enum VdReqOp {
    VD_OP_READ,
    VD_OP_WRITE,
    VD_OP_ZEROES,
    VD_OP_DISCARD,
    VD_OP_FLUSH,
} VdReqOp;

typedef struct VdReq {
    VdDisk *disk;
    VdReqOp op;
    VdReqFlags flags;
    uint64_t off, len; /* len: ZEROES and DISCARD */
    VioVec vec;        /* READ and WRITE */
} VdReq;

bool vd_req_co_run(const VdReq *req, GError **error);

/* -- one answer about the map ------------------------------------------------
 */

/* What is at @off of @node, whose leaf tells its holes. */
bool vd_map_co_entry(VdNode *node, uint64_t off, uint64_t len,
                     VdMapEntry *entry, GError **error);
