/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/qcow2/qcow2.h - an opened qcow2 image. */
#pragma once

#include "block/rw.h"
#include "block/codec/codec.h"
#include "formats/qcow2/l2.h"
#include "formats/qcow2/refcount.h"

typedef struct Qcow2Decoded Qcow2Decoded; /* decoded.c */

struct Qcow2State {
    VdNode *node, *file;
    VdNode *data; /* where guest clusters are: file, or the data file */
    Qcow2Header hdr;
    Qcow2Extensions ext;
    GPtrArray *bitmaps;    /* of VdBitmap, those that count; may be NULL */
    char *backing_name;    /* as stored; NULL = none */
    Qcow2Tables *tables;   /* L1 and L2 of what is shown */
    bool shows_snapshot;   /* and not the disk as it is now */
    Qcow2Decoded *decoded; /* compressed clusters, as they were last read */
    /* Of images that may be written: */
    Qcow2Refcounts *refcounts;
    bool stores_zeroes;       /* though no parent shows through, yet */
    bool begun;               /* something has been changed */
    uint64_t file_bytes;      /* that the file had when it was opened */
    VioRangeLock *allocating; /* guest bytes whose entries change */
    VioCoMutex table_lock;    /* who places L2 tables */
    VioCoMutex flush_lock;
    VdRecordFormat records;
    int level;              /* of compression */
    uint64_t packed_at;     /* behind the last compressed cluster, in a cluster
                               of the file that has room (packed.c); 0 = the
                               next one begins in a new one */
    VioCoMutex packed_lock; /* who places compressed clusters */
};

bool qcow2_co_open(VdNode *node, VdOptions *opts, GError **error);
void qcow2_co_close(VdNode *node);
bool qcow2_co_map(VdNode *node, uint64_t off, uint64_t len, unsigned want,
                  VdRun *run, GError **error);
bool qcow2_co_decode(VdNode *node, uint64_t off, const VdRun *run,
                     const VioVec *dst, GError **error);
void qcow2_get_info(VdNode *node, VdNodeInfo *info);
GVariant *qcow2_describe(VdNode *node);

/* -- snapshots --------------------------------------------------------------
 */

GPtrArray *qcow2_co_list_snapshots(VdNode *node, GError **error);
bool qcow2_co_snapshot(VdNode *node, VdSnapshotOp op, const char *name,
                       GError **error);

/* -- bitmaps ----------------------------------------------------------------
 */

GPtrArray *qcow2_co_list_bitmaps(VdNode *node, GError **error);
bool qcow2_co_read_bitmap(VdNode *node, const char *name, uint64_t off,
                          uint64_t len, GArray *ranges, GError **error);
bool qcow2_co_change_bitmap(VdNode *node, const VdBitmapChange *change,
                            GError **error);
/* Bytes that copies of all bitmaps of @source would take in an image with the
 * header @target; UINT64_MAX if one of both cannot have any.  CORRUPT, LIMIT.
 */
bool qcow2_bitmaps_co_measure(VdNode *source, const Qcow2Header *target,
                              uint64_t *bytes, GError **error);

/* -- writing --------------------------------------------------------------- */

bool qcow2_co_pwritev(VdNode *node, uint64_t off, const VioVec *src,
                      VdReqFlags flags, GError **error);
bool qcow2_co_write_zeroes(VdNode *node, uint64_t off, uint64_t len,
                           VdReqFlags flags, GError **error);
bool qcow2_co_discard(VdNode *node, uint64_t off, uint64_t len, GError **error);
bool qcow2_co_flush_to_os(VdNode *node, GError **error);
bool qcow2_co_finish(VdNode *node, GError **error);

/* CORRUPT: it has to be repaired first. */
bool qcow2_refuse_writing(const Qcow2State *s, GError **error);
/* Before anything of the image is changed but what the disk shows: bitmaps stay
 * true. */
bool qcow2_co_begin_tables(Qcow2State *s, GError **error);
/* Before anything of the image is changed. */
bool qcow2_co_begin(Qcow2State *s, GError **error);
/* No table lies on another one, and all count as used; else CORRUPT. */
bool qcow2_co_is_sound(Qcow2State *s, GError **error);
bool qcow2_co_store_header(Qcow2State *s, GError **error);
/* All that was changed is durable. */
bool qcow2_co_sync(Qcow2State *s, GError **error);
/* Write tables out if too many have changed. */
bool qcow2_co_relieve(Qcow2State *s, GError **error);
/* The L2 table of guest byte @off is there and nobody else's. */
bool qcow2_co_own_table(Qcow2State *s, uint64_t off, GError **error);
/* Guest byte @off (of a cluster) gets @entry; what the one before named has one
 * user less. */
bool qcow2_co_replace(Qcow2State *s, uint64_t off, const Qcow2Entry *entry,
                      GError **error);

/* @data in new clusters that nobody names yet, counted as used (place.c); not
 * flushed.  Nothing: *off 0. */
bool qcow2_co_place(Qcow2State *s, const void *data, uint64_t len,
                    uint64_t *off, GError **error);
/* What it names has one user less. */
void qcow2_give_up_entry(Qcow2State *s, const Qcow2Entry *entry);

/* -- letting go (forget.c) ------------------------------------------------- */

/* No entry determines the clusters in [off, end) any more; tables of which
 * nothing else is wanted go, too.  No change of the image is in flight. */
bool qcow2_co_forget(Qcow2State *s, uint64_t off, uint64_t end, GError **error);
/* Give back what was let go of, and the end of the file that nobody uses.  No
 * request of the image is in flight. */
bool qcow2_co_trim(Qcow2State *s, GError **error);
/* End of all guest bytes that the L1 table could speak of. */
uint64_t qcow2_reach(const Qcow2State *s);

bool qcow2_co_resize(VdNode *node, const VdResize *how, GError **error);

/* Is what no entry determines the parent's? */
static inline bool
qcow2_has_parent(const Qcow2State *s)
{
    return s->backing_name != NULL;
}

/* The same, or soon: zeroes have to be stored as such. */
static inline bool
qcow2_shows_parent(const Qcow2State *s)
{
    return qcow2_has_parent(s) || s->stores_zeroes;
}

/* -- chains (chain.c) ------------------------------------------------------ */

bool qcow2_co_chain_begin(VdNode *node, VdChainRole role, char **coming,
                          GError **error);
bool qcow2_co_chain_end(VdNode *node, const char *coming, GError **error);
bool qcow2_co_set_parent(VdNode *node, const VdParentRef *ref, GError **error);
bool qcow2_co_make_empty(VdNode *node, GError **error);
bool qcow2_co_uncover(VdNode *node, uint64_t off, uint64_t len, uint64_t *bytes,
                      GError **error);

/* -- options that change (amend.c) ----------------------------------------- */

extern const VdOptionSpec qcow2_amend_options[];
bool qcow2_co_amend(VdNode *node, VdOptions *opts, GError **error);
/* No entry of the disk has a mark for zeroes any more; durable. */
bool qcow2_co_expand_zeroes(Qcow2State *s, GError **error);

/* -- compressed clusters --------------------------------------------------- */

const VdRecordFormat *qcow2_record_format(VdNode *node);
bool qcow2_encode(VdNode *node, uint64_t off, const void *src, size_t len,
                  void *dst, size_t *dst_len, GError **error);
bool qcow2_co_append(VdNode *node, const VdAppend *append, GError **error);
/* INVALID_ARGUMENT but for whole clusters. */
bool qcow2_co_write_packed(Qcow2State *s, uint64_t off, const VioVec *src,
                           GError **error);

/* @len bytes of a compressed cluster get a place, counted as used; and the
 * entry for that. */
bool qcow2_co_place_packed(Qcow2State *s, uint64_t len, uint64_t *off,
                           GError **error);
uint64_t qcow2_packed_word(const Qcow2State *s, uint64_t off, uint64_t len);
/* One user less of each cluster that bytes [off, off + len) touch. */
void qcow2_give_up_packed(Qcow2State *s, uint64_t off, uint64_t len);

static inline VdCodecFrame
qcow2_codec(const Qcow2Header *hdr)
{
    return hdr->compression == QCOW2_ZSTD ? VD_CODEC_ZSTD : VD_CODEC_RAW_4K;
}

Qcow2Decoded *qcow2_decoded_new(Qcow2State *s);
/* What entry @word names is something else now. */
void qcow2_decoded_forget(Qcow2Decoded *decoded, uint64_t word);
void qcow2_decoded_free(Qcow2Decoded *decoded);
