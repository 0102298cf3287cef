/* SPDX-License-Identifier: BSD-3-Clause */
/* block/filter/readonly.c - filter "readonly": nothing below it is written.
 *
 * An open for writing is refused, so that a stack can be handed to somebody
 * who must not change it whatever flags he opens it with.  Its child is opened
 * read-only.
 *
 * Concurrency: as block/filter/filter.c.
 */
#include "block/drivers.h"
#include "block/filter/filter.h"

static bool
readonly_co_open(VdNode *node, VdOptions *opts, GError **error)
{
    if (vd_node_is_writable(node))
        return vd_throw(error, VD_ERROR_READ_ONLY,
                        "opened for writing through a readonly filter");
    return filter_co_open_child(node, opts, vd_node_flags(node), error);
}

const VdDriver vd_readonly_driver = {
    VD_DRIVER_HEADER,
    .name = "readonly",
    .kind = VD_DRIVER_FILTER,
    .co_open = readonly_co_open,
    .co_preadv = filter_co_preadv,
};
