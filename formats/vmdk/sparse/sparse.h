/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/sparse.h - a sparse extent at work: a hosted one (KDMV)
 * or a redo log of ESXi (COWD). */
#pragma once

#include "formats/vmdk/state.h"
#include "formats/vmdk/sparse/cowd-header.h"
#include "formats/vmdk/sparse/places.h"
#include "formats/vmdk/sparse/tables.h"

/* Bytes of the file that were given up. */
typedef struct VmdkRange {
    uint64_t off, len;
    uint64_t epoch; /* resting: in which the last request may have begun that
                       knows it */
} VmdkRange;

/* Bytes of the file for new grains. */
typedef struct VmdkPlace {
    uint64_t off, len;
    bool hole; /* reads as zeroes */
} VmdkPlace;

typedef enum VmdkGivingUp {
    VMDK_GIVING_UP_UNKNOWN,
    VMDK_GIVING_UP_YES,
    VMDK_GIVING_UP_NO, /* grains share places */
} VmdkGivingUp;

/* What differs between the two kinds, beside what VmdkHeader says. */
typedef struct VmdkSparseKind {
    size_t header_bytes;
    bool (*decode)(const uint8_t *raw, const char *name, VmdkHeader *hdr,
                   GError **error);
    /* Sizes and places of @hdr into the first sector of a header. */
    void (*patch)(const VmdkHeader *hdr, uint8_t *raw);
    size_t unclean_byte, unclean_len; /* the dirty mark, in the header */
    /* As relayout.h says of hosted ones. */
    bool (*co_relayout)(VmdkExtent *e, uint64_t capacity_sectors,
                        GError **error);
    /* Before tables are written that name new places: the header has to know
     * of those.  The barrier follows.  NULL = it does not care. */
    bool (*co_note_end)(VmdkExtent *e, GError **error);
} VmdkSparseKind;

struct VmdkSparse {
    /* All that a look-up needs, in one cache line: a read of a long chain looks
     * at every link's. */
    VdTable **slot; /* tables->slot */
    VdTable *empty; /* tables->empty */
    uint64_t grain_bytes;
    unsigned grain_shift; /* log2 of bytes per grain */
    unsigned table_shift; /* log2 of bytes of disk per table */
    uint32_t entry_mask;  /* entries per table - 1 */
    uint32_t grain_sectors;

    const VmdkSparseKind *kind;
    VmdkHeader hdr;
    uint8_t raw[VMDK_COWD_HEADER_BYTES]; /* header as in the file */
    uint64_t place_unit;  /* bytes: grains and tables start at multiples */
    unsigned place_shift; /* log2 of that */
    VmdkTables *tables;
    uint64_t next;            /* file offset of the next new grain; 0 = not
                                 known yet */
    bool grown;               /* there are new grains */
    VioRangeLock *allocating; /* extent ranges whose grains are being placed,
                                 dropped or marked; exclusive only */
    VioCoMutex flush_lock;
    bool marked;         /* the unclean flag is in the file, by us */
    bool header_unknown; /* a change of it failed in a way that leaves open
                            which one is on disk: no more writing */

    /* Places that were given up (space.c). */
    VmdkGivingUp giving_up;
    GArray *freed;    /* of VmdkRange: entries not durable yet */
    GArray *resting;  /* of VmdkRange: requests may be on their way there */
    VmdkPlaces *free; /* may be used again */
    VmdkStreamReader *reader;
    struct VmdkScan *scan; /* recover=on: in the place of tables; else NULL */
    struct VmdkArrival *arrival; /* in-order=on: likewise */
    struct VmdkFill *fill; /* stream being filled (stream/fill.h), else NULL */
};

/* cowd.c */
extern const VmdkSparseKind vmdk_cowd_kind;

/* Read header and directories of e->file.  @line_sectors: what the descriptor
 * says, 0 = it does not. */
bool vmdk_sparse_co_open(VmdkExtent *e, uint64_t line_sectors, GError **error);
void vmdk_sparse_free(VmdkExtent *e);

/* stream/extent.c */
bool vmdk_stream_co_decode(VmdkExtent *e, uint64_t off, const VdRun *run,
                           const VioVec *dst, GError **error);
/* stream/recover.c: header read, size settled. */
bool vmdk_stream_co_recover(VmdkExtent *e, GError **error);
void vmdk_stream_recover_free(VmdkSparse *sp);
/* What is at @off, by the records that have been found. */
bool vmdk_stream_scan_map(const VmdkExtent *e, const struct VmdkScan *scan,
                          uint64_t off, uint64_t len, VdRun *run);
/* stream/arrive.c: likewise, of a stream that may still be coming. */
bool vmdk_stream_co_arrive(VmdkExtent *e, GError **error);
void vmdk_stream_arrive_free(VmdkSparse *sp);

/* map.c */
/* What the tables say; a run may reach behind the end of the file. */
bool vmdk_sparse_co_lookup(VmdkExtent *e, uint64_t off, uint64_t len,
                           VdRun *run, GError **error);
/* What there is to read. */
bool vmdk_sparse_co_map(VmdkExtent *e, uint64_t off, uint64_t len, VdRun *run,
                        GError **error);

/* survey.c */
/* For each table that has entries, in order, the first @n of which belong to
 * the disk; CORRUPT at one that cannot be trusted. */
typedef bool (*VmdkTableFunc)(VmdkExtent *e, const VdTable *table, uint32_t n,
                              void *arg, GError **error);
bool vmdk_sparse_co_walk(VmdkExtent *e, VmdkTableFunc fn, void *arg,
                         GError **error);
/* The places of all grains; CORRUPT if not each has one of its own. */
bool vmdk_sparse_co_survey(VmdkExtent *e, VmdkPlaces *used, GError **error);
/* The same two with what the header's capacity has more than the disk. */
bool vmdk_sparse_co_walk_all(VmdkExtent *e, VmdkTableFunc fn, void *arg,
                             GError **error);
bool vmdk_sparse_co_survey_all(VmdkExtent *e, VmdkPlaces *used, GError **error);

/* end.c */
/* Before the first new place: where it is. */
bool vmdk_sparse_co_find_end(VmdkExtent *e, GError **error);

/* space.c */
/* Space for new grains: up to @bytes, a multiple of the grain size, after
 * vmdk_sparse_co_find_end(). */
bool vmdk_sparse_reserve(VmdkExtent *e, uint64_t bytes, VmdkPlace *place,
                         GError **error);
/* The same behind all others, and all of it. */
bool vmdk_sparse_reserve_new(VmdkExtent *e, uint64_t bytes, VmdkPlace *place,
                             GError **error);
/* It has not come to be used; no request knows it. */
void vmdk_sparse_unreserve(VmdkExtent *e, const VmdkPlace *place);
/* So that it reads as zeroes, as far as the file reaches. */
bool vmdk_sparse_co_make_zero(VmdkExtent *e, const VmdkPlace *place,
                              GError **error);
/* Asked before vmdk_sparse_give_up(): false if it would do harm. */
bool vmdk_sparse_co_may_give_up(VmdkExtent *e);
/* The entries in memory no longer name these bytes of the file: whole grains */
void vmdk_sparse_give_up(VmdkExtent *e, uint64_t off, uint64_t len);
/* Entries that let go of @freed are durable.  flush_lock is held. */
void vmdk_sparse_rest(VmdkExtent *e, const GArray *freed);
/* What no request can know any more becomes free.  flush_lock is held. */
void vmdk_sparse_co_release(VmdkExtent *e);
/* Cut off what is free at the end of the file; nobody may be using it. */
bool vmdk_sparse_co_trim(VmdkExtent *e, GError **error);

/* write.c */
bool vmdk_sparse_co_write(VmdkExtent *e, uint64_t off, const VioVec *src,
                          GError **error);
/* All tables of [off, off + len) can be had and may be changed, and it is known
 * where new grains go. */
bool vmdk_sparse_co_place_tables(VmdkExtent *e, uint64_t off, uint64_t len,
                                 GError **error);
/* Give [off, off + len), which has no grains, new ones that are zeroes.  Whole
 * grains, range locked by the caller. */
bool vmdk_sparse_co_allocate_zero(VmdkExtent *e, uint64_t off, uint64_t len,
                                  GError **error);
/* Grains whose table has entries that point into metadata are not written.
 * For a run that a look-up has just given. */
bool vmdk_sparse_co_check_trust(VmdkExtent *e, uint64_t off, uint64_t len,
                                GError **error);
/* Before the first change of this extent. */
bool vmdk_sparse_co_mark_unclean(VmdkExtent *e, GError **error);
/* Too many dirty tables: write them. */
bool vmdk_sparse_co_relieve(VmdkExtent *e, GError **error);

/* Let the entries of [off, off + @place->len) name @place, behind one another.
 * Whole grains, that have none; it does no harm if @place is not durable. */
bool vmdk_sparse_co_assign(VmdkExtent *e, uint64_t off, const VmdkPlace *place,
                           GError **error);

/* resize.c: the operations of extent.h */
bool vmdk_sparse_co_grow(VmdkExtent *e, uint64_t len, VdPrealloc prealloc,
                         GError **error);
bool vmdk_sparse_co_used_end(VmdkExtent *e, uint64_t *end, GError **error);
bool vmdk_sparse_co_shrink(VmdkExtent *e, GError **error);

/* zero.c */
bool vmdk_sparse_co_write_zeroes(VmdkExtent *e, uint64_t off, uint64_t len,
                                 VdReqFlags flags, GError **error);
bool vmdk_sparse_co_discard(VmdkExtent *e, uint64_t off, uint64_t len,
                            GError **error);
/* *bytes grows by those of the disk that the extent no longer determines. */
bool vmdk_sparse_co_uncover(VmdkExtent *e, uint64_t off, uint64_t len,
                            uint64_t *bytes, GError **error);

/* Whole grains can be made to read as zeroes without a place. */
bool vmdk_sparse_can_forget(const VmdkExtent *e);
/* Do that to [off, off + len), grains of one table that lie at byte @place of
 * the file, and give them up. */
bool vmdk_sparse_co_forget(VmdkExtent *e, uint64_t off, uint64_t len,
                           uint64_t place, GError **error);

/* zero-marks.c */
/* A hosted extent whose entries may say "zeroes", or must not.  Durable; after
 * a failure or a crash it is as before, or shows the same and may. */
bool vmdk_sparse_co_set_zero_marks(VmdkExtent *e, bool on, GError **error);

/* compact.c */
bool vmdk_sparse_co_compact(VmdkExtent *e, VmdkCompact *job, GError **error);

/* flush.c */
/* The sector of sp->raw that holds @byte, to the file. */
bool vmdk_sparse_co_store_header(VmdkExtent *e, size_t byte, GError **error);
/* Dirty mark or clean mark. */
bool vmdk_sparse_co_store_mark(VmdkExtent *e, bool unclean, GError **error);
bool vmdk_sparse_co_flush(VmdkExtent *e, GError **error);
bool vmdk_sparse_co_finish(VmdkExtent *e, GError **error);

/* empty.c */
bool vmdk_sparse_co_make_empty(VmdkExtent *e, GError **error);

/* check.c */
/* @stale (may be NULL): gets the numbers (uint32_t) of tables whose copies
 * differ, which are then no findings. */
bool vmdk_sparse_co_examine(VmdkExtent *e, VdCheckResult *result, GArray *stale,
                            GError **error);
bool vmdk_sparse_co_check(VmdkExtent *e, VdCheckResult *result, GError **error);

/* repair.c */
/* Mend what can be mended without losing more; what was lost before is noted in
 * @result.  All or nothing: a failure leaves the file as it was. */
bool vmdk_sparse_co_repair(VmdkExtent *e, VdCheckResult *result,
                           GError **error);
/* Give back the space that nothing uses.  Only for an extent that is sound. */
bool vmdk_sparse_co_give_back(VmdkExtent *e, GError **error);

/* Bytes of the extent from @off to the end of its table. */
static inline uint64_t
vmdk_sparse_table_rest(const VmdkSparse *sp, uint64_t off)
{
    uint64_t span = UINT64_C(1) << sp->table_shift;

    return span - (off & (span - 1));
}

static inline uint32_t
vmdk_sparse_table_of(const VmdkSparse *sp, uint64_t off)
{
    return (uint32_t) (off >> sp->table_shift);
}

static inline uint32_t
vmdk_sparse_entry_of(const VmdkSparse *sp, uint64_t off)
{
    return (uint32_t) (off >> sp->grain_shift) & sp->entry_mask;
}
