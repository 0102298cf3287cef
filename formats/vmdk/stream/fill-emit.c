/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/stream/fill-emit.c - grains of a filling leave for the file.
 *
 * A batch is compressed side by side on the workers, goes to the file with one
 * write, and then gets its table entries.  Grains of zeroes get none.
 *
 * A failure leaves what has no entry yet where it was, in the window; bytes
 * that have come to the file all the same are overwritten next time.
 *
 * Concurrency: one at a time (emitting); requests go on meanwhile.
 */
#include "formats/vmdk/stream/fill.h"

#include "io/offload.h"
#include "io/zero.h"

#include <inttypes.h>
#include <string.h>

#define BATCH_MAX 16
#define WORKERS_MAX BATCH_MAX
#define MAX_SECTOR UINT32_MAX /* what a table entry can say */
/* A window that is full gives away one of so many parts. */
#define PARTS 8

typedef struct {
    VmdkFillGrain *grain;
    uint8_t *record;
    size_t len; /* of the record; 0 = zeroes, needs none */
    GError *error;
} EmitJob;

typedef struct {
    VmdkFill *fill;
    EmitJob jobs[BATCH_MAX];
    unsigned n;
    uint8_t *records; /* room for each */
} Batch;

/* -- compressing: on workers -----------------------------------------------
 */

typedef struct {
    Batch *batch;
    unsigned first, step;
} Share;

static void
job_run(const Batch *batch, EmitJob *job)
{
    const VmdkSparse *sp = batch->fill->e->sparse;
    size_t len = (size_t) sp->grain_bytes;

    job->len = 0;
    if (vio_is_zero(job->grain->data, len))
        return;
    job->len = vmdk_stream_record_bound();
    (void) vmdk_stream_encode(
        job->grain->number << sp->grain_shift, job->grain->data, len,
        batch->fill->e->state->level, job->record, &job->len, &job->error);
}

static void
share_run(void *opaque)
{
    const Share *share = opaque;

    for (unsigned i = share->first; i < share->batch->n; i += share->step)
        job_run(share->batch, &share->batch->jobs[i]);
}

static bool
share_co_main(void *arg, GError **error)
{
    const Share *share = arg;

    vio_co_offload(vd_node_loop(share->batch->fill->e->file), share_run, arg);
    return true;
}

static bool
batch_co_encode(Batch *batch, GError **error)
{
    VioLoop *loop = vd_node_loop(batch->fill->e->file);
    unsigned n = CLAMP(vio_loop_workers(loop), 1, MIN(batch->n, WORKERS_MAX));
    g_autoptr(VioCoGroup) group = vio_co_group_new(WORKERS_MAX);
    Share shares[WORKERS_MAX];

    for (unsigned i = 0; i < n; i++) {
        shares[i] = (Share){batch, i, n};
        vio_co_group_spawn(group, share_co_main, &shares[i], NULL);
    }
    (void) vio_co_group_join(group, NULL); /* they do not fail */
    for (unsigned i = 0; i < batch->n; i++)
        if (batch->jobs[i].error) {
            g_propagate_error(error, g_steal_pointer(&batch->jobs[i].error));
            return false;
        }
    return true;
}

/* -- writing ---------------------------------------------------------------
 */

static bool
batch_co_write(const Batch *batch, GError **error)
{
    VmdkFill *fill = batch->fill;
    VdNode *file = fill->e->file;
    struct iovec iov[BATCH_MAX] = {0};
    uint64_t sectors = 0;
    VioVec src;
    int n = 0;

    for (unsigned i = 0; i < batch->n; i++) {
        const EmitJob *job = &batch->jobs[i];

        if (job->len > 0)
            iov[n++] = (struct iovec){job->record, job->len};
        sectors += job->len / VMDK_SECTOR;
    }
    if (fill->next_sector + sectors > MAX_SECTOR)
        return vd_throw(
            error, VD_ERROR_LIMIT,
            "%s: the file would grow beyond sector %u (2 TiB), the last that a grain table can name",
            vd_node_name(file), MAX_SECTOR);
    src = vio_vec_from_iov(iov, n);
    return n == 0 || vd_node_co_pwritev(file, fill->next_sector * VMDK_SECTOR,
                                        &src, 0, error);
}

/* The grain of @job is what its entry says, and needs no memory any more. */
static bool
job_co_settle(VmdkFill *fill, const EmitJob *job, GError **error)
{
    VmdkSparse *sp = fill->e->sparse;
    uint64_t number = job->grain->number, off = number << sp->grain_shift;
    uint32_t i = vmdk_sparse_entry_of(sp, off);
    VdTable *table =
        vmdk_tables_co_get_rw(sp->tables, vmdk_sparse_table_of(sp, off), error);

    if (!table)
        return false;
    if (vmdk_table_entry(table, i) != VMDK_GTE_ABSENT ||
        (job->len > 0 && number < fill->next_grain))
        fill->disordered = true;
    if (job->len > 0 || vmdk_table_entry(table, i) != VMDK_GTE_ABSENT)
        vmdk_tables_set(table, i,
                        job->len > 0 ? (uint32_t) fill->next_sector
                                     : VMDK_GTE_ABSENT);
    if (job->len > 0)
        fill->next_grain = MAX(fill->next_grain, number + 1);
    fill->next_sector += job->len / VMDK_SECTOR;
    vmdk_fill_drop(fill->leaving, number);
    return true;
}

/* -- a batch ---------------------------------------------------------------
 */

static void
batch_take(Batch *batch)
{
    size_t bound = vmdk_stream_record_bound();
    uint64_t from = 0;
    VmdkFillGrain *grain;

    while (batch->n < BATCH_MAX &&
           (grain = vmdk_fill_next(batch->fill->leaving, from))) {
        batch->jobs[batch->n] = (EmitJob){
            .grain = grain, .record = batch->records + batch->n * bound};
        batch->n++;
        from = grain->number + 1;
    }
}

static bool
emit_co_batch(VmdkFill *fill, GError **error)
{
    g_autofree Batch *batch = g_new0(Batch, 1);
    g_autofree uint8_t *records =
        g_malloc(BATCH_MAX * vmdk_stream_record_bound());
    bool ok;

    batch->fill = fill;
    batch->records = records;
    batch_take(batch);
    ok = batch_co_encode(batch, error) && batch_co_write(batch, error);
    for (unsigned i = 0; i < batch->n; i++) {
        ok = ok && job_co_settle(fill, &batch->jobs[i], error);
        g_clear_error(&batch->jobs[i].error);
    }
    return ok && vmdk_fill_co_write_tables(fill, false, error);
}

/* -- what others see -------------------------------------------------------
 */

/* The header says "unfinished": tables need not come behind what they name. */
static bool
no_barrier(void *arg, GError **error)
{
    return true;
}

bool
vmdk_fill_co_write_tables(VmdkFill *fill, bool all, GError **error)
{
    VmdkTables *tables = fill->e->sparse->tables;

    return (!all &&
            vd_table_cache_dirty_bytes(tables->cache) <= VMDK_DIRTY_BYTES) ||
           vmdk_tables_co_write(tables, no_barrier, NULL, error);
}

/* The @n lowest grains. */
static bool
emit_co_lowest(VmdkFill *fill, int n, GError **error)
{
    bool ok = true;

    vmdk_fill_take(fill, n);
    while (ok && vmdk_fill_next(fill->leaving, 0))
        ok = emit_co_batch(fill, error);
    vmdk_fill_give_back(fill);
    return ok || vd_prefix(error, "%s: storing what was written before: ",
                           vd_node_name(fill->e->state->node));
}

bool
vmdk_fill_co_emit_all(VmdkFill *fill, GError **error)
{
    return emit_co_lowest(fill, g_tree_nnodes(fill->window), error);
}

static bool
is_full(const VmdkFill *fill)
{
    return g_tree_nnodes(fill->window) >= fill->max_window;
}

bool
vmdk_fill_co_make_room(VmdkFill *fill, GError **error)
{
    bool ok = true;

    if (G_LIKELY(!is_full(fill)))
        return true;
    vio_co_mutex_lock(&fill->emitting);
    while (ok && is_full(fill)) /* maybe not any more */
        ok = emit_co_lowest(fill, MAX(fill->max_window / PARTS, 1), error);
    vio_co_mutex_unlock(&fill->emitting);
    return ok;
}
