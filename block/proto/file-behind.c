/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/file-behind.c - pushing out what is being written to a new file.
 *
 * A file that is to be durable when it is done (block/transaction.h) would
 * otherwise sit in the page cache until the last flush, which then has all the
 * work.  Every few MiB the kernel is asked to begin with what has been written
 * since; nobody waits for it and a failure is left for the flush to find.
 *
 * Concurrency: one push at a time, by a coroutine of its own; closing waits for
 * it.
 */
#include "block/proto/file.h"
#include "block/transaction.h"

#define BEHIND_STEP (UINT64_C(16) << 20)

void
file_behind_set_up(VdNode *node)
{
    FileState *s = vd_node_state(node);
    const VdTransaction *tx = vd_node_env(node)->tx;

    s->push_out = tx && vd_tx_is_synced(tx) && vd_node_is_writable(node) &&
                  !s->is_device && !s->direct;
}

static void
behind_co_main(void *opaque)
{
    FileState *s = opaque;
    uint64_t from = s->behind_from, to = s->behind_to;

    s->behind_bytes = 0;
    (void) vio_co_write_behind(s->file, from, to - from); /* only a hint */
    s->behind_busy = false;
    vio_co_queue_wake_all(&s->behind_idle);
}

void
file_behind_written(VdNode *node, uint64_t off, uint64_t len)
{
    FileState *s = vd_node_state(node);
    bool first = s->behind_bytes == 0;

    if (!s->push_out)
        return;
    s->behind_from = first ? off : MIN(s->behind_from, off);
    s->behind_to = first ? off + len : MAX(s->behind_to, off + len);
    s->behind_bytes += len;
    if (s->behind_bytes < BEHIND_STEP || s->behind_busy)
        return;
    s->behind_busy = true;
    vio_co_start(vd_node_loop(node), behind_co_main, s);
}

void
file_behind_co_end(VdNode *node)
{
    FileState *s = vd_node_state(node);

    s->push_out = false;
    while (s->behind_busy)
        vio_co_queue_wait(&s->behind_idle);
}
