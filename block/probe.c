/* SPDX-License-Identifier: BSD-3-Clause */
/* block/probe.c - recognising a format by the first bytes of a file,
 * or by its last ones if the name allows that.
 *
 * Concurrency: the file belongs to a node that is being opened.
 */
#include "block/open-internal.h"

#include "block/registry.h"
#include "block/rw.h"

/* Rather than @raw, if the name and the end of @file say so. */
static const VdDriver *
probe_co_tail(VdNode *file, const VdDriver *raw, GError **error)
{
    const VdDriver *driver = vd_registry_find_tail(vd_node_name(file));
    uint8_t tail[VD_PROBE_TAIL_BYTES];
    size_t len = MIN(file->size, sizeof(tail));

    if (!driver || vd_node_limits(file)->open_ended)
        return raw;
    if (!vd_node_co_pread(file, file->size - len, tail, len, error))
        return vd_prefix_null(error, "Could not read image for determining "
                                     "its format: ");
    return driver->probe_tail(tail, len, file->size) ? driver : raw;
}

const VdDriver *
vd_probe_co_driver(VdNode *file, GError **error)
{
    g_autofree uint8_t *head = g_malloc0(VD_PROBE_BYTES);
    const VdDriver *runner_up, *found;
    size_t len = MIN(file->size, VD_PROBE_BYTES);

    if (file->driver->caps & VD_CAP_GUEST_BYTES)
        return vd_registry_raw();
    if (!vd_node_co_pread(file, 0, head, len, error))
        return vd_prefix_null(error, "Could not read image for determining "
                                     "its format: ");
    found = vd_registry_probe(head, len, file->size, vd_node_name(file),
                              &runner_up);
    if (!found)
        return vd_throw_null(error, VD_ERROR_UNKNOWN_FORMAT,
                             "%s: no driver knows the format",
                             vd_node_name(file));
    if (runner_up)
        vd_node_warn(file,
                     "%s: looks like format '%s' as well as '%s'; taken for "
                     "the first",
                     vd_node_name(file), found->name, runner_up->name);
    return found->caps & VD_CAP_RAW ? probe_co_tail(file, found, error) : found;
}
