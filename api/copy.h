/* SPDX-License-Identifier: BSD-3-Clause */
/* api/copy.h - the inside of a copy, for api/copy*.c only.
 *
 *   planner (copy-plan.c)    walks the map of the sources ahead of the data and
 *                            queues spans; knows the total early
 *   dispatcher (copy.c)      cuts spans into items, at most c->depth in flight
 *   items (copy-data.c)      read, look for zeroes, write: any order
 *         (copy-stream.c)    read, encode on workers, append: in order
 *   sums (copy-sums.c)       what planner and items have found, if asked for
 *   verification (copy-verify.c)  holds the target against them, later
 *   endless (copy-endless.c) instead of planner and dispatcher, for pipes
 *   marks (copy-resume.c)    up to where everything is done
 *   cache (copy-cache.c)     what of it stays in memory
 *
 * All of them are coroutines of one loop.  The first thing that goes wrong
 * stops planner and dispatcher; what is in flight ends, and of all failures the
 * one with the lowest offset is reported.
 */
#pragma once

#include "api/copy-sums.h"
#include "api/meter.h"

#define VD_COPY_ITEM (UINT64_C(1) << 20) /* bytes read at a time */
#define VD_COPY_MAX_SPARSE (UINT64_C(16) << 20)
#define VD_COPY_SPANS 16384 /* look-ahead of the planner */

typedef enum VdSpanKind {
    VD_SPAN_DATA, /* to be read and written */
    VD_SPAN_ZERO, /* known to be zero, to be written */
} VdSpanKind;

typedef struct VdSpan {
    uint64_t off, len; /* of the target */
    VdSpanKind kind;
} VdSpan;

typedef struct VdCopySource {
    VdDisk *disk;
    uint64_t skip;  /* of the disk, in front of what is copied */
    uint64_t start; /* where the first byte that is copied goes */
    uint64_t size;  /* bytes that it really has there */
    uint64_t end;   /* start + size; of a whole disk rounded up to a sector */
} VdCopySource;

/* What the planner has found and nobody has taken yet: a ring. */
typedef struct VdPlan {
    VdSpan *ring;
    unsigned head, count;
    VioCoQueue room, filled, ended;
    VdSpan pending;    /* not queued yet, may still grow */
    uint64_t data_end; /* behind the last byte that some DATA span covers */
    uint64_t data;     /* bytes of all DATA spans so far */
    uint64_t scanned;
    bool running, stop;
} VdPlan;

/* What is worth copying, if it is not everything (vd_copy_co_disks). */
typedef struct VdCopyChoice {
    /* Rebase: fill the holes of the target's top link with what its chain has
     * there, wherever @against would show something else.  Source and target
     * are the same disk then. */
    bool fill_holes;
    VdDisk *against;       /* NULL = zeroes */
    unsigned common_depth; /* links from this depth on are those of @against;
                              0 = none is */
} VdCopyChoice;

/* How far it is, see copy-resume.c.  Offsets of the target. */
typedef struct VdCopyMarks {
    GQueue running;      /* of VdCopyItem, by offset */
    uint64_t dispatched; /* behind the last item */
    uint64_t lost;       /* the first that was not written; UINT64_MAX: all was
                          */
    uint64_t done;       /* what is in front of it is durable */
    uint64_t next_ns;    /* when to look again */
    bool busy;
    VioCoQueue idle;
} VdCopyMarks;

typedef struct VdCopy {
    VdContext *ctx;
    VioLoop *loop;
    VdCopySource *sources;
    unsigned n_sources;
    VdDisk *target;
    const VdDriver *target_driver;
    VdCopyParams params;
    VdCopyChoice choice;
    uint64_t begin, end; /* of what the sources cover of the target */

    const VdRecordFormat *records; /* what the target's are; NULL = there are
                                      none */
    bool hand_over;                /* those of the source go over as they are */
    uint64_t unit;                 /* spans of data are rounded outward to it */
    uint64_t item_bytes;           /* largest item; a multiple of unit */
    size_t zero_block;  /* zero detection looks at whole blocks of this */
    bool endless;       /* the source is open_ended */
    bool thin_clusters; /* the target need not be written cluster by cluster */
    bool keep_zeroes;   /* zeroes found among data are data */
    unsigned offload_misses; /* how often in a row it has been in vain */
    unsigned window_misses;  /* the same */
    size_t out_room;         /* for the records of an item */
    unsigned depth;

    uint64_t cache_limit; /* more data than this are not to stay in memory */
    bool uncached;        /* they are more */

    VdPlan plan;
    VdCopyMarks marks;
    VdMeter meter;
    VdCopyResult result;
    GError *error;
    uint64_t fail_off;
    uint64_t rate_next; /* ns, when the next byte may be written */
    VioTurnstile order; /* records */
    uint64_t next_ticket;
} VdCopy;

typedef struct VdCopyItem {
    VdCopy *copy;
    VdSpan span;
    uint64_t ticket; /* records */
    GList link;      /* in copy->marks.running */
} VdCopyItem;

/* -- copy.c ------------------------------------------------------------------
 */

/* vd_copy() inside of a coroutine. */
bool vd_copy_co_disks(VdDisk *const *sources, unsigned n_sources,
                      VdDisk *target, const VdCopyParams *params,
                      const VdCopyChoice *choice, VdCopyResult *result,
                      GError **error);

/* vd_copy_verify() inside of a coroutine. */
bool vd_copy_co_verify(VdDisk *target, VdCopySums *sums,
                       VdProgressFunc progress, void *progress_opaque,
                       uint64_t *verified, GError **error);

/* Takes @error over.  @doing: "reading", "writing", ... */
void vd_copy_fail(VdCopy *c, uint64_t off, const char *doing, GError *error);
/* Whether work on @off is pointless by now. */
bool vd_copy_stopped(const VdCopy *c, uint64_t off);
/* Cancelled?  Then the copy has failed. */
bool vd_copy_check_cancel(VdCopy *c);
/* Wait until @len more bytes may be written. */
bool vd_copy_co_pace(VdCopy *c, uint64_t len);

/* -- copy-plan.c -------------------------------------------------------------
 */

void vd_plan_start(VdCopy *c);
/* The next span; waits for the planner.  False: there is no more. */
bool vd_plan_co_next(VdCopy *c, VdSpan *span);
/* Have the planner stop and wait until it has. */
void vd_plan_co_stop(VdCopy *c);

/* -- copy-cache.c ------------------------------------------------------------
 */

void vd_copy_cache_begin(VdCopy *c);
/* There are more data to copy. */
void vd_copy_cache_note(VdCopy *c);
void vd_copy_cache_end(VdCopy *c);

/* -- copy-endless.c ----------------------------------------------------------
 */

/* Is a source open_ended, and the copy one that such a source can have? */
bool vd_copy_check_endless(VdCopy *c, GError **error);
/* Read to its end and written, in members of @group, which is joined. */
void vd_copy_co_endless(VdCopy *c, VioCoGroup *group);

/* -- copy-resume.c -----------------------------------------------------------
 */

/* Check and take what the caller wants of it. */
bool vd_copy_set_resume(VdCopy *c, GError **error);
void vd_copy_item_starts(VdCopyItem *item);
/* @ok: all of it is in the target. */
void vd_copy_item_ends(VdCopyItem *item, bool ok);
/* All items have ended. */
void vd_copy_co_resume_end(VdCopy *c);

/* -- copy-data.c, copy-stream.c: members of the group ------------------------
 */

/* Fill @buf with the bytes of @span; a failure has been recorded. */
bool vd_copy_co_read(VdCopy *c, const VdSpan *span, uint8_t *buf);
/* What has been read goes to the target; a failure has been recorded. */
bool vd_copy_co_write_read(VdCopy *c, const VdSpan *span, const uint8_t *buf);
/* Zeroes to the target; a failure has been recorded. */
bool vd_copy_co_zero(VdCopy *c, uint64_t off, uint64_t len);
bool vd_copy_co_data_item(void *arg, GError **error);
bool vd_copy_co_zero_item(void *arg, GError **error);
bool vd_copy_co_stream_item(void *arg, GError **error);
/* Records of sources go to the target as they are? */
void vd_copy_set_records(VdCopy *c);
/* Tables and tail of an append-only target. */
void vd_copy_co_stream_end(VdCopy *c);
