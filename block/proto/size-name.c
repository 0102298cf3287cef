/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/size-name.c - names of leaves that have a size and nothing else.
 *
 * Concurrency: pure functions.
 */
#include "block/proto/size-name.h"

#include "block/error.h"
#include "block/node.h"

#include <inttypes.h>
#include <string.h>

bool
vd_parse_size_name(const char *name, VdOptions *opts, GError **error)
{
    const char *colon = strchr(name, ':');
    const char *rest = colon ? colon + 1 : name;
    uint64_t size;

    rest += strspn(rest, "/");
    if (*rest == '\0')
        return true;
    if (!vd_parse_size(rest, &size, error))
        return vd_prefix(error, "%s: ", name);
    vd_options_set(opts, "size", rest);
    return true;
}

bool
vd_take_disk_size(VdOptions *opts, const char *driver, uint64_t *size,
                  GError **error)
{
    uint64_t wanted = *size;

    if (!vd_options_take_size(opts, "size", &wanted, error))
        return false;
    if (wanted > (uint64_t) VD_MAX_SIZE)
        return vd_throw(error, VD_ERROR_LIMIT,
                        "%s: size %" PRIu64 " is above the maximum %" PRIu64,
                        driver, wanted, (uint64_t) VD_MAX_SIZE);
    *size = wanted;
    return true;
}
