/* SPDX-License-Identifier: BSD-3-Clause */
/* block/node-internal.h - the inside of a node, for the core itself.
 *
 * Drivers see block/node.h only.
 */
#pragma once

#include "block/driver.h"
#include "block/epoch.h"
#include "block/track.h"

/* First bytes that formats are recognised by. */
#define VD_PROBE_BYTES 4096
/* Formats and filters stacked by options; chains have VD_MAX_CHAIN. */
#define VD_MAX_NESTING 16

typedef struct VdEdge {
    char *name;
    VdNode *node;
    bool offered; /* opened for probing, the driver has not asked for it yet */
} VdEdge;

typedef struct VdFileId {
    bool known;
    uint64_t dev, ino;
} VdFileId;

struct VdNode {
    /* Looked at by every request. */
    const VdDriver *driver; /* NULL until probed */
    void *state;
    uint64_t size;
    uint64_t padded_size; /* else 0: a write pads the last unit, and this is
                           * where the end will be once that is cut off */
    VdLimits limits;
    VdOpenFlags flags;
    VdReqFlags data_flags, zero_flags; /* what the driver handles itself */
    bool growable;                     /* writes may reach beyond the end */
    bool raw_guessed; /* nobody said raw: the head must stay unrecognised */
    const VdDriver *tail_guard; /* of these: and not be known to this one by
                                   its tail; NULL = cannot */
    bool parent_missing;        /* has one, but it was not to be opened */
    VdNode *parent;             /* next link of the chain */
    struct VdChainSkip *skip;   /* made by the first small read */
    VdTrackList writes;         /* in flight */
    uint64_t write_gen;         /* counts writes that have ended */
    VdEpochs *epochs;           /* of the whole graph: own_epochs of its top */

    uint64_t flushed_gen; /* value of write_gen that is on disk */
    bool flushing;
    VioCoQueue flush_queue;
    GError *flush_error; /* of the first flush that failed; for ever */

    VdStats stats;
    uint64_t read_on;    /* open_ended: the next byte that comes */
    VdStats *leaf_stats; /* of the top of the graph: counts device requests */
    VdEpochs own_epochs;

    const VdEnv *env;
    char *name;
    VdNode *owner;    /* above: by an edge or as its parent; NULL = top */
    GPtrArray *edges; /* of VdEdge */
    VdNode *file;     /* behind edge "file", or NULL */
    unsigned link;    /* number in the chain, 0 = top */
    unsigned nesting; /* edges between here and the link's top node */
    VdFileId file_id; /* of the file behind edge "file", or of the leaf's */
    GError *lock_conflict; /* read-only although somebody writes: raw only */
};

/* A node without a driver yet.  @owner NULL for the top. */
VdNode *vd_node_new(const VdEnv *env, VdNode *owner, VdOpenFlags flags);
void vd_node_set_driver(VdNode *node, const VdDriver *driver);
/* Only the node itself: driver closed, children and parent gone. */
void vd_node_free(VdNode *node);

VdEdge *vd_node_find_edge(const VdNode *node, const char *name);
void vd_node_add_edge(VdNode *node, const char *name, VdNode *child,
                      bool offered);

/* close.c: for an open that failed half way; @opened tells whether co_open of
 * the driver succeeded. */
void vd_node_co_discard_failed(VdNode *node, bool opened);

/* Largest request to the driver; a multiple of its alignment. */
static inline uint64_t
vd_max_transfer(const VdNode *node)
{
    uint64_t max = node->limits.max_transfer;

    if (max == 0 || max > VD_MAX_TRANSFER)
        max = VD_MAX_TRANSFER;
    return max - max % node->limits.request_align;
}

static inline bool
vd_node_is_leaf(const VdNode *node)
{
    return node->driver->kind == VD_DRIVER_PROTOCOL;
}
