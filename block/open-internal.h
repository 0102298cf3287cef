/* SPDX-License-Identifier: BSD-3-Clause */
/* block/open-internal.h - the steps of opening, for the core itself.
 *
 *   open.c         a whole image: name -> options -> [probe] -> node
 *   open-name.c    names as options
 *   open-node.c    a node with its driver: what all opens have in common
 *   open-child.c   edges; open-parent.c: the next link of a chain
 *   probe.c        which format is it?
 *   overlay.c      a temporary link on top (block/overlay.h)
 *   close.c
 */
#pragma once

#include "block/node-internal.h"
#include "block/open.h"

/* What is the same for all nodes that one call opens. */
typedef struct VdOpenImage {
    const VdEnv *env;
    VdNode *owner; /* NULL = top */
    unsigned link; /* number in the chain */
    const char *name;
    const char *format; /* NULL = probe */
    VdOpenFlags flags;
} VdOpenImage;

/* Takes @opts over. */
VdNode *vd_image_co_open(const VdOpenImage *how, VdOptions *opts,
                         GError **error);

/* -- names (open-name.c) --------------------------------------------------- */

/* Add the options that @name stands for, its driver included, unless they are
 * set already. */
bool vd_name_co_to_options(const VdEnv *env, const char *name, VdOptions *opts,
                           GError **error);
/* Like vd_options_parse_json(), on a worker: the parser recurses. */
bool vd_json_co_to_options(const VdEnv *env, const char *name, VdOptions *opts,
                           GError **error);
/* "Unknown driver 'x'" if there is none. */
const VdDriver *vd_driver_by_name(const char *name, GError **error);

/* -- nodes (open-node.c) --------------------------------------------------- */

/* Options that any node understands: they change its flags. */
bool vd_node_take_generic(VdNode *node, VdOptions *opts, GError **error);
/* Open @node by @driver; @opts are to be used up.  On failure the node is
 * gone. */
bool vd_node_co_start(VdNode *node, const VdDriver *driver, VdOptions *opts,
                      GError **error);
/* Open the protocol node @node; @node_share: although somebody writes, if
 * need be (the node then remembers why that is dangerous). */
bool vd_node_co_start_leaf(VdNode *node, const VdDriver *driver,
                           VdOptions *opts, bool may_share, GError **error);
bool vd_driver_is_file(const VdDriver *driver);

/* -- probing (probe.c) ----------------------------------------------------- */

const VdDriver *vd_probe_co_driver(VdNode *file, GError **error);

/* -- edges (open-child.c) -------------------------------------------------- */

/* Flags of children: without what is done at the top door. */
#define VD_OPEN_TOP_ONLY                                                       \
    (VD_OPEN_IMAGE_OPTS | VD_OPEN_WRITETHROUGH | VD_OPEN_DETECT_ZEROES)

/* Open the child for probing; the driver that asks for it later gets it. */
VdNode *vd_node_co_offer_file(VdNode *node, VdOptions *opts, GError **error);
