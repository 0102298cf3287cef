/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/file-reserved.c - block devices that another host has reserved.
 *
 * Some hosts that share a device with others reserve it (SCSI-2) while they
 * change something there, which takes milliseconds.  What others ask of it
 * meanwhile is not done; Linux tells that as EBADE.  So it is asked again, for
 * a few seconds.
 *
 * Concurrency: each request waits for itself.
 */
#include "block/proto/file.h"

#include <errno.h>
#include <inttypes.h>

#include "block/open.h"

#define MAX_TRIES 20u
#define SHORT_PAUSE_NS UINT64_C(50000000)
#define LONG_PAUSE_NS UINT64_C(200000000)

bool
file_co_ask_again(VdNode *node, ssize_t *ret, unsigned *tries)
{
    const FileState *s = vd_node_state(node);
    int slept;

    if (*ret != -EBADE || !s->is_device || *tries == MAX_TRIES)
        return false;
    ++*tries;
    slept = vio_co_sleep(vd_node_loop(node),
                         MIN(*tries * SHORT_PAUSE_NS, LONG_PAUSE_NS),
                         vd_node_env(node)->cancel);
    if (slept < 0)
        *ret = slept;
    return slept == 0;
}

bool
file_throw_request(const VdNode *node, ssize_t ret, const char *what,
                   size_t len, uint64_t off, GError **error)
{
    if (ret == -EBADE)
        return vd_throw(error, VD_ERROR_IN_USE,
                        "%s: %s %zu bytes at offset %" PRIu64
                        ": another host has reserved the device",
                        vd_node_name(node), what, len, off);
    return vd_throw_errno(error, (int) -ret,
                          "%s: %s %zu bytes at offset %" PRIu64,
                          vd_node_name(node), what, len, off);
}
