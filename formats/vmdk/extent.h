/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/extent.h - one line of the descriptor at work.
 *
 * An extent covers a stretch of the disk.  What it does with it is one small
 * table of functions per kind; offsets given to those count from the extent's
 * beginning and lie inside it.
 */
#pragma once

#include "block/rw.h"
#include "formats/vmdk/descriptor/descriptor.h"

typedef struct VmdkState VmdkState;
typedef struct VmdkExtent VmdkExtent;
typedef struct VmdkSparse VmdkSparse;
typedef struct VmdkCompact VmdkCompact;
typedef struct VmdkSeSparse VmdkSeSparse;

typedef struct VmdkExtentOps {
    bool (*co_map)(VmdkExtent *e, uint64_t off, uint64_t len, VdRun *run,
                   GError **error);
    bool (*co_decode)(VmdkExtent *e, uint64_t off, const VdRun *run,
                      const VioVec *dst, GError **error);
    bool (*co_write)(VmdkExtent *e, uint64_t off, const VioVec *src,
                     GError **error);
    bool (*co_write_zeroes)(VmdkExtent *e, uint64_t off, uint64_t len,
                            VdReqFlags flags, GError **error);
    bool (*co_discard)(VmdkExtent *e, uint64_t off, uint64_t len,
                       GError **error);
    /* Whole grains of [off, off + len) are the parent's again (block/driver.h);
     * NULL: that cannot be said. */
    bool (*co_uncover)(VmdkExtent *e, uint64_t off, uint64_t len,
                       uint64_t *bytes, GError **error);
    /* Dirty metadata to the file, in order. */
    bool (*co_flush)(VmdkExtent *e, GError **error);
    /* After the last flush: mark clean. */
    bool (*co_finish)(VmdkExtent *e, GError **error);
    bool (*co_check)(VmdkExtent *e, VdCheckResult *result, GError **error);
    /* Make good what a check would find, all or nothing.  NULL: what is wrong
     * stays. */
    bool (*co_repair)(VmdkExtent *e, VdCheckResult *result, GError **error);
    /* It determines nothing any more; NULL: that cannot be said. */
    bool (*co_make_empty)(VmdkExtent *e, GError **error);
    /* Room for @len bytes, whole sectors and more than now; what is added
     * reads as zeroes.  Durable, and old or new after a crash; the caller
     * changes e->len afterwards, or does not.  No change is in flight.  NULL:
     * this kind cannot grow. */
    bool (*co_grow)(VmdkExtent *e, uint64_t len, VdPrealloc prealloc,
                    GError **error);
    /* End of the last byte that takes up space of its own; NULL: there is no
     * such thing, or none that anybody would have to be asked about. */
    bool (*co_used_end)(VmdkExtent *e, uint64_t *end, GError **error);
    /* Give back what lies behind e->len, which was more a moment ago and is so
     * on disk already.  No request is in flight.  NULL: nothing to do. */
    bool (*co_shrink)(VmdkExtent *e, GError **error);
    /* Make the file small and tidy (compact.h); NULL = it cannot. */
    bool (*co_compact)(VmdkExtent *e, VmdkCompact *job, GError **error);
    void (*free)(VmdkExtent *e);
} VmdkExtentOps;

struct VmdkExtent {
    const VmdkExtentOps *ops; /* NULL = not opened (VD_OPEN_NO_IO) */
    VmdkState *state;
    VdNode *file;        /* NULL: none needed */
    uint64_t start, len; /* bytes of the disk */
    uint64_t file_off;   /* flat: of the first byte */
    VmdkAccess access;
    VmdkExtentType type;
    VmdkSparse *sparse;
    VmdkSeSparse *sesparse;
    uint64_t capacity_sectors; /* as the file's own header says; 0 = none */
    char *path;                /* as opened; NULL = none */
    bool named_by_caller;      /* not the descriptor's word */
    GError *problem; /* why it was not opened, for a check; NULL = none */
};

/* flat.c: bytes as they are. */
extern const VmdkExtentOps vmdk_flat_ops;
/* flat.c: no storage, zeroes. */
extern const VmdkExtentOps vmdk_zero_ops;
/* sparse.c: grains. */
extern const VmdkExtentOps vmdk_sparse_ops;
/* stream/extent.c: compressed grains, read only. */
extern const VmdkExtentOps vmdk_stream_ops;
/* stream/fill-open.c: the same, none of them there yet, being written. */
extern const VmdkExtentOps vmdk_fill_ops;
/* stream/recover.c: the same without their tables. */
extern const VmdkExtentOps vmdk_recovered_ops;
/* stream/arrive.c: the same, still coming. */
extern const VmdkExtentOps vmdk_arriving_ops;

/* -- whole disk: extent.c -----------------------------------------------------
 */

/* The extent that holds @off. */
VmdkExtent *vmdk_extent_at(const VmdkState *s, uint64_t off);

/* The unit of allocation in bytes; 0 = there is none. */
uint64_t vmdk_extent_grain_bytes(const VmdkExtent *e);
bool vmdk_extent_is_unclean(const VmdkExtent *e);
/* Compressed grains behind tables, complete or being filled. */
bool vmdk_extent_is_stream(const VmdkExtent *e);

/* e->len, of a header that says @capacity_sectors (> 0) and a line that says
 * @line_sectors, 0 = there is none.  LIMIT. */
bool vmdk_extent_settle_size(VmdkExtent *e, uint64_t capacity_sectors,
                             uint64_t line_sectors, GError **error);

/* Bytes of the parent for a grain that is written in part; zeroes behind its
 * end.  NOT_FOUND if the parent is not open. */
bool vmdk_extent_co_read_parent(VmdkExtent *e, uint64_t off, uint8_t *buf,
                                size_t len, GError **error);

/* @line as extent number @index, which s->extents need not have yet: file and
 * all.  What has been opened when it fails is e->file, for the caller to
 * close. */
bool vmdk_extent_co_open_line(VmdkState *s, unsigned index,
                              const VmdkExtentLine *line, VmdkExtent *e,
                              GError **error);
/* What belongs to it but for the file. */
void vmdk_extent_clear(VmdkExtent *e);
/* Other extents in the place of s->extents; taken over.  The old array stays
 * readable until the disk is closed, since requests look at it. */
void vmdk_extents_replace(VmdkState *s, VmdkExtent *extents, unsigned n);

/* Open what the extent lines of the descriptor (or the bare header) name. */
bool vmdk_extents_co_open(VmdkState *s, VdOptions *opts, GError **error);
void vmdk_extents_free(VmdkState *s);
