/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/state.h - an opened VMDK: what the files of the driver share. */
#pragma once

#include "formats/vmdk/descriptor/descriptor.h"
#include "formats/vmdk/extent.h"
#include "formats/vmdk/sparse/header.h"
#include "formats/vmdk/stream/stream.h"
#include "formats/common/table-cache.h"

struct VmdkState {
    VdNode *node;
    VdNode *file; /* descriptor, or the one extent */
    VdTableCache *cache;
    VmdkDescriptor *desc; /* NULL: a bare extent */
    VmdkHeader header;    /* of @file; embedded and bare only */
    bool has_header;
    bool bare_sesparse;  /* @file is a seSparse extent */
    char *header_parent; /* what a bare COWD extent says; NULL = nothing */
    uint32_t cid, parent_cid;
    uint32_t coming_cid; /* of a parent that is being committed to (chain.h);
                            VMDK_CID_NONE = none */
    bool takes_over;     /* a child is being committed to it */
    bool stores_zeroes;  /* there will be another parent: whole grains of zeroes
                            are worth storing */
    char *parent_path;   /* where it is, if it was not opened; NULL = unknown */
    char *parent_problem; /* why it is not open, for a check; NULL = none */
    bool encrypted;
    bool keep_cbt;    /* option: rather do not write */
    bool recover;     /* option: streams are read without their tables */
    bool in_order;    /* option: a stream that may still be coming */
    bool force_dirty; /* option: read extents whose journal needs replaying */

    VmdkExtent *extents;
    unsigned n_extents;
    GPtrArray *old_extents; /* arrays that s->extents once was; NULL = none */
    GHashTable *file_uses;  /* of extent-files.c: by path */

    /* Before the first change: content id, change tracking (cid.c). */
    bool modified;
    VioCoMutex job_lock;  /* jobs over the whole disk: checking, resizing;
                             taken before desc_lock */
    VioCoMutex desc_lock; /* rewriting the descriptor */
    int desc_fd;          /* holds the lock of a replaced text file; -1 */

    VmdkStreamWriter *writer; /* append-only; NULL = no such thing */
    bool stream_ended, stream_failed;
    int level;            /* of deflate */
    uint64_t fill_window; /* option: bytes that a stream being filled gathers */
};

/* -- open.c, driver.c ---------------------------------------------------------
 */
bool vmdk_co_open(VdNode *node, VdOptions *opts, GError **error);
void vmdk_co_close(VdNode *node);
/* Undo what an interrupted repair of @file left, before anything in it is
 * believed. */
bool vmdk_co_finish_repair(VdNode *node, VdNode *file, GError **error);

/* -- parent.c
 * ------------------------------------------------------------------ */
/* Find, open and check the parent that the descriptor names. */
bool vmdk_parent_co_open(VmdkState *s, VdOptions *opts, GError **error);
/* Whether a hole means "ask the parent". */
static inline bool
vmdk_has_parent(const VmdkState *s)
{
    return s->parent_cid != VMDK_CID_NONE;
}

/* Whether zeroes have to be stored to be seen. */
static inline bool
vmdk_must_store_zeroes(const VmdkState *s)
{
    return vmdk_has_parent(s) || s->stores_zeroes;
}
/* For a repair: remember the content id that the parent has now, whatever it
 * is.  *@old and *@now (may be NULL): both; equal if nothing was to be done. */
bool vmdk_parent_co_take_cid(VmdkState *s, uint32_t *old, uint32_t *now,
                             GError **error);

/* -- cid.c
 * --------------------------------------------------------------------- */
/* To be called before every change of the contents; does something once. */
bool vmdk_co_note_change(VmdkState *s, GError **error);
/* Change tracking ends, as nobody would bring its file up to date.  *changed:
 * the descriptor is to be stored.  desc_lock is held. */
bool vmdk_cid_co_end_tracking(VmdkState *s, bool *changed, GError **error);
/* To be called before the size changes: the same, if changes are tracked. */
bool vmdk_co_note_resize(VmdkState *s, GError **error);

/* -- descriptor/store.c
 * --------------------------------------------------------- */
/* Write s->desc to where it came from.  desc_lock is held. */
bool vmdk_descriptor_co_store(VmdkState *s, GError **error);

/* -- create.c
 * ------------------------------------------------------------------ */
extern const VdOptionSpec vmdk_create_options[];
bool vmdk_co_measure(const VdMeasureSpec *spec, VdMeasureResult *result,
                     GError **error);
bool vmdk_co_create(VdTransaction *tx, const VdCreateSpec *spec,
                    GError **error);

/* create/rebuild.c */
bool vmdk_co_rebuild(VdTransaction *tx, const VdRebuildSpec *spec,
                     GError **error);

/* -- meta.c
 * -------------------------------------------------------------------- */
const char *vmdk_get_meta(VdNode *node, const char *key);
char **vmdk_list_meta(VdNode *node);
bool vmdk_co_set_meta(VdNode *node, const char *key, const char *value,
                      GError **error);
/* @edit works on a copy of the descriptor, which then takes the old one's
 * place; a failure leaves all as it was. */
bool vmdk_co_edit_descriptor(VmdkState *s,
                             bool (*edit)(VmdkDescriptor *desc, const void *arg,
                                          GError **error),
                             const void *arg, GError **error);
/* -- amend.c; names of adapters: create/options.c */
extern const VdOptionSpec vmdk_amend_options[];
extern const char *const vmdk_adapter_names[];
/* What a descriptor says for one of the names. */
const char *vmdk_adapter_stored(unsigned i);
bool vmdk_co_amend(VdNode *node, VdOptions *opts, GError **error);
/* -- meta-keep.c */
bool vmdk_co_keep_meta(VdNode *node, VdNode *source, const VdOptions *given,
                       GError **error);
/* The text @to of a new disk of @sectors gets what the links of @source have.
 */
bool vmdk_keep_meta(VmdkDescriptor *to, uint64_t sectors, VdNode *source,
                    const VdOptions *given, GError **error);
/* Put @desc (taken over) in the place of s->desc, on disk first: a failure
 * leaves both as they were.  Waits for desc_lock. */
bool vmdk_co_replace_descriptor(VmdkState *s, VmdkDescriptor *desc,
                                GError **error);

/* -- files.c, rename.c, unlink.c
 * -------------------------------------------------------------------- */
char **vmdk_list_files(VdNode *node);
bool vmdk_co_rename(VdNode *node, const char *new_path, unsigned flags,
                    VdMoves *moves, GError **error);
bool vmdk_co_unlink(VdNode *node, unsigned flags, VdMoves *moves,
                    GError **error);

/* -- check.c, info.c
 * ------------------------------------------------------------ */
bool vmdk_co_check(VdNode *node, const VdCheckParams *params,
                   VdCheckResult *result, GError **error);
void vmdk_get_info(VdNode *node, VdNodeInfo *info);
GVariant *vmdk_describe(VdNode *node);
