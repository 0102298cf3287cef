/* SPDX-License-Identifier: BSD-3-Clause */
/* block/node.h - one opened driver instance of the graph.
 *
 * A node, its children and every coroutine that works on them belong to one
 * loop: no locks.  A node has exactly one owner: the node above it, or the
 * disk handle.  The graph changes only in open and close.
 *
 * Edges: "file" (the one child of formats and filters), "extents.N" (data
 * files of a VMDK), and the parent link of a redo-log chain, which is not a
 * child but vd_node_parent().
 */
#pragma once

#include "include/vdisk.h"
#include "io/loop.h"
#include "io/sync.h"

typedef struct VdNode VdNode;
typedef struct VdDriver VdDriver;
typedef struct VdEnv VdEnv;
typedef struct VdTransaction VdTransaction;
typedef struct VdMoves VdMoves;

/* Largest offset, length or size that the stack takes. */
#define VD_MAX_SIZE (INT64_MAX & ~((INT64_C(1) << 30) - 1))
/* Largest data request handed to a driver. */
#define VD_MAX_TRANSFER ((UINT64_C(1) << 31) - 512)

typedef struct VdLimits {
    uint32_t request_align; /* power of two; offsets and lengths of requests */
    uint32_t mem_align;     /* power of two; addresses of buffers */
    uint64_t max_transfer;  /* bytes; 0 = VD_MAX_TRANSFER */
    uint64_t opt_transfer;  /* bytes; 0 = no wish */
    uint64_t zeroes_align;  /* bytes; write_zeroes below it falls back */
    uint64_t discard_align; /* bytes */
    bool sequential;        /* every byte is written once, in order; a leaf's,
                               and those of nodes that pass bytes through */
    bool open_ended;        /* more comes behind what can be read, and nobody
                               knows how much: see co_read_on */
} VdLimits;

/* -- for drivers ----------------------------------------------------------- */

void *vd_node_state(const VdNode *node);
VioLoop *vd_node_loop(const VdNode *node);
const VdDriver *vd_node_driver(const VdNode *node);
/* What messages call it: the file name where there is one. */
const char *vd_node_name(const VdNode *node);
void vd_node_set_name(VdNode *node, const char *name);
uint64_t vd_node_size(const VdNode *node);
void vd_node_set_size(VdNode *node, uint64_t size);
VdOpenFlags vd_node_flags(const VdNode *node);
bool vd_node_is_writable(const VdNode *node);
/* Set in co_open; defaults: align 1, everything else 0. */
VdLimits *vd_node_limits(VdNode *node);
/* Bytes of the largest request that the driver will get. */
uint64_t vd_node_max_transfer(const VdNode *node);
/* Request flags that the driver handles itself; set in co_open. */
void vd_node_set_write_flags(VdNode *node, VdReqFlags data, VdReqFlags zeroes);
/* Give a piece of news to the user of the context. */
void vd_node_warn(const VdNode *node, const char *format, ...)
    G_GNUC_PRINTF(2, 3);

/* The present epoch of the graph, which moves on here as far as it can.  What
 * no look-up has given any more since epoch n is not in use by any request once
 * this is n + 2 (block/epoch.h). */
uint64_t vd_node_epoch(VdNode *node);
/* For what works with answers of the map without being a read or write: it is
 * a request between the two; leave gets what enter gave. */
unsigned vd_node_enter(VdNode *node);
void vd_node_leave(VdNode *node, unsigned parity);
/* Wait until all requests that have begun before are over; not from inside a
 * request. */
void vd_node_co_settle(VdNode *node);

VdNode *vd_node_child(const VdNode *node, const char *edge);
/* The child "file" of formats and filters: quicker, for each request. */
VdNode *vd_node_file(const VdNode *node);
/* Children in the order in which they were opened; NULL behind the last.
 * *@edge: its name, which belongs to @node. */
VdNode *vd_node_nth_child(const VdNode *node, unsigned n, const char **edge);
VdNode *vd_node_parent(const VdNode *node);
/* Of the file that @node is stored in, which names in it are relative to; its
 * own if it has none. */
const char *vd_node_file_name(const VdNode *node);
/* The file of the image that has named @node, or what it is part of, as its
 * parent; NULL: no image has. */
const char *vd_node_named_by(const VdNode *node);
/* What the driver says of it, a{sv}; NULL = nothing; g_variant_unref. */
GVariant *vd_node_describe(VdNode *node);
const VdEnv *vd_node_env(const VdNode *node);

/* Whether @path is the file that @node was opened from (device and inode).
 * Blocks for a look-up of the file system. */
bool vd_node_is_file_at(const VdNode *node, const char *path);
bool vd_node_is_same_file(const VdNode *a, const VdNode *b);

/* Counters of the door (block/rw.c); for leaves these are device requests. */
const VdStats *vd_node_stats(const VdNode *node);
