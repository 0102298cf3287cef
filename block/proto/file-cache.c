/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/file-cache.c - what files leave behind in the page cache.
 *
 * Concurrency: nothing here yields.
 */
#include "block/proto/file-cache.h"

#include "block/drivers.h"
#include "block/proto/file.h"
#include "io/uncached.h"

void
vd_file_set_uncached(VdNode *leaf, bool on)
{
    const FileState *s;

    if (vd_node_driver(leaf) != &vd_file_driver)
        return;
    s = vd_node_state(leaf);
    vio_file_set_uncached(s->file, on);
}
