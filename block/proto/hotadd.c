/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/hotadd.c - driver "hotadd": a disk of another virtual machine
 * that has been attached to the one we run in.
 *
 * It is a block device here, so the file driver does the work; it is opened
 * past the page cache, since what is written to a disk that shows the same
 * elsewhere must not stay here.  This driver sees to it that it is the right
 * one and ours alone.  Who attaches and detaches: vsphere/hotadd.c.
 *
 * Options: size, in bytes, which the device must have; exclusive=on|off,
 * whether it is refused if somebody has mounted it; file: the device.
 *
 * Concurrency: as block/filter/filter.c.
 */
#include "block/drivers.h"
#include "block/filter/filter.h"

#include <inttypes.h>

typedef struct {
    uint64_t size;
    bool exclusive;
} HotaddOpen;

static bool
hotadd_take_options(VdOptions *opts, HotaddOpen *how, GError **error)
{
    if (!vd_options_take_size(opts, "size", &how->size, error) ||
        !vd_options_take_bool(opts, "exclusive", &how->exclusive, error))
        return false;
    if (how->size == 0)
        return vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                        "The 'hotadd' block driver requires the size of the "
                        "disk");
    if (how->exclusive)
        vd_options_set(opts, "file.exclusive", "on");
    return true;
}

/* Only devices can always be opened that way: what stands for one in tests may
 * lie where that does not work. */
static bool
hotadd_co_open_device(VdNode *node, VdOptions *opts, GError **error)
{
    VdOpenFlags flags = vd_node_flags(node);
    g_autoptr(VdOptions) again = vd_options_copy(opts);
    GError *problem = NULL;

    if (filter_co_open_child(node, opts, flags | VD_OPEN_DIRECT, &problem))
        return true;
    if (vd_error_is(problem, VD_ERROR_NOT_SUPPORTED)) {
        g_clear_error(&problem);
        return filter_co_open_child(node, again, flags, error);
    }
    g_propagate_error(error, problem);
    return false;
}

static bool
hotadd_co_open(VdNode *node, VdOptions *opts, GError **error)
{
    HotaddOpen how = {.exclusive = true};

    if (!hotadd_take_options(opts, &how, error) ||
        !hotadd_co_open_device(node, opts, error))
        return false;
    if (vd_node_size(node) == how.size)
        return true;
    return vd_throw(error, VD_ERROR_REFUSED,
                    "%s: has %" PRIu64 " bytes, but the disk that was attached "
                    "has %" PRIu64 ": it is another one",
                    vd_node_name(node), vd_node_size(node), how.size);
}

const VdDriver vd_hotadd_driver = {
    VD_DRIVER_HEADER,
    .name = "hotadd",
    .kind = VD_DRIVER_FILTER,
    .caps = VD_CAP_FIXED_SIZE,
    .co_open = hotadd_co_open,
    .co_preadv = filter_co_preadv,
    .co_pwritev = filter_co_pwritev,
    .co_write_zeroes = filter_co_write_zeroes,
};
