/* SPDX-License-Identifier: BSD-3-Clause */
/* block/open.h - building the graph: names, probing, children, closing. */
#pragma once

#include "block/driver.h"
#include "io/cancel.h"

/* What all nodes of one disk share.  Belongs to the caller and outlives them.
 */
struct VdEnv {
    VioLoop *loop;
    VioCancel *cancel; /* NULL = never */
    VdTransaction *tx; /* names being created map to their new files */
    VdWarnFunc warn;   /* NULL = drop */
    void *warn_opaque;
    const char *const *allow_paths; /* see VdContextParams */
    bool allow_any_path, contain_parents;
    unsigned writable_link; /* this link of the chain (1 = the first parent) is
                               opened for writing, too; 0 = none */
    unsigned lock_wait_ms;  /* see VdContextParams */
    const char *named_by;   /* the disk is opened as the parent that the image
                               in this file names; NULL = the user's choice */
    /* Of each request that a leaf has answered; NULL = nobody watches. */
    void (*observe)(const VdRequest *request, void *opaque);
    void *observe_opaque;
};

/* Open the node that @name (path, SCHEME:..., json:{...}) and @opts describe.
 * @format NULL: options' "driver", else probe.  @opts is taken over in any
 * case and may be NULL; what no driver took is an error. */
VdNode *vd_co_open(const VdEnv *env, const char *name, const char *format,
                   VdOptions *opts, VdOpenFlags flags, GError **error);

/* The driver that @name or options of a protocol node ask for (taken out);
 * what is left in @opts is for its co_open. */
const VdDriver *vd_protocol_co_driver(const VdEnv *env, const char *name,
                                      VdOptions *opts, GError **error);

/* Open the child of @node on @edge: options "edge.*" of @opts if there are
 * any (taken out), else @name.  Protocol level: no format probing, unless the
 * options name a driver.  The node owns the child from then on.
 * @flags: those of @node, changed by the caller where needed. */
VdNode *vd_node_co_open_child(VdNode *node, const char *edge, const char *name,
                              VdOptions *opts, VdOpenFlags flags,
                              GError **error);

/* Open @name as a whole image (probed, or @format) and make it the parent
 * link of @node.  Read-only.  Loops (device, inode) and chains deeper than
 * VD_MAX_CHAIN are refused. */
VdNode *vd_node_co_open_parent(VdNode *node, const char *name,
                               const char *format, GError **error);
/* The same without its own parent and for a look at what it says of itself
 * only; it does not become the parent: vd_node_co_close(). */
VdNode *vd_node_co_peek_parent(VdNode *node, const char *name,
                               const char *format, GError **error);
/* Drop what open_parent made (a candidate that does not fit). */
void vd_node_co_close_parent(VdNode *node);

#define VD_MAX_CHAIN 256

/* Close the child that open_child gave and let go of its edge, although @node
 * stays open.  Nobody may use it any more. */
bool vd_node_co_close_child(VdNode *node, VdNode *child, GError **error);

/* Finish (write back; may fail), then close, top down; frees in any case. */
bool vd_node_co_close(VdNode *node, GError **error);

/* @child as named in the image @base (path of the naming file): absolute stays,
 * else relative to the directory of @base.  Free with g_free. */
char *vd_path_combine(const char *base, const char *child);
/* The same for formats that store names of parents, not paths alone. */
char *vd_parent_combine(const char *base, const char *stored);
/* What an image of @driver at @base that names its parent @stored opens, as far
 * as a name alone tells that.  INVALID_ARGUMENT: no such image can.  g_free. */
char *vd_parent_locate(const VdDriver *driver, const char *base,
                       const char *stored, GError **error);
/* The other way round: @path as the image @base is to name it.  Relative to the
 * directory of @base if both have one below the root in common, else absolute;
 * symbolic links are resolved.  NULL if either is no path or its directory does
 * not exist.  Free with g_free. */
char *vd_path_relative(const char *base, const char *path);

/* Does the policy let an image at @base reach the extent file @path?  Inside
 * the directory of @base (symlinks resolved), or an allowed directory.
 * REFUSED with the path otherwise. */
bool vd_policy_check(const VdEnv *env, const char *base, const char *path,
                     GError **error);
/* The same for what is followed wherever it is, unless the policy says
 * otherwise or the image is on a web server: parents, data files of qcow2. */
bool vd_policy_check_parent(const VdEnv *env, const char *base,
                            const char *path, GError **error);
/* Did an image choose what @node is on?  Parents: but not those at the place
 * that the image is at itself (block/name.h), on the same devices. */
bool vd_policy_is_chosen(const VdNode *node);
/* May a secret of this machine be sent to the server that @node (@name in
 * messages) is on?  REFUSED if an image has named it as its parent: whoever
 * made the image has chosen the server, and the secret. */
bool vd_policy_check_secret(const VdNode *node, const char *name,
                            GError **error);
