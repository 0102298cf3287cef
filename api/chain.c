/* SPDX-License-Identifier: BSD-3-Clause */
/* api/chain.c - what commit, rebase and attach share.
 *
 * Concurrency: no state.
 */
#include "api/chain.h"

VdDisk *
vd_chain_co_open_image(VdContext *ctx, const VdImageRef *image, unsigned flags,
                       unsigned writable, GError **error)
{
    VdOpenFlags all = (VdOpenFlags) (image->flags | flags);
    bool by_opts = all & VD_OPEN_IMAGE_OPTS;
    VdOptions *opts =
        vd_disk_parse_options(image->name, image->options, all, error);

    if (opts == NULL)
        return NULL;
    return vd_disk_co_open_chain(ctx, by_opts ? NULL : image->name,
                                 image->format, opts, all, writable, error);
}

unsigned
vd_chain_find(const VdNode *top, const VdNode *node)
{
    unsigned depth = 1;

    while ((top = vd_node_parent(top)) != NULL) {
        if (vd_node_is_same_file(top, node))
            return depth;
        depth++;
    }
    return 0;
}
