/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/zero.c - zeroes and discards in a sparse extent, and
 * grains that the parent has just so.
 *
 * What becomes of a whole grain that shall read as zeroes:
 *
 *                     no parent            parent, zero marks   parent, none
 *   absent            nothing              mark                 new, a hole
 *   present           entry 0 if it may    mark if it may       in place
 *                     be given up, else in place
 *
 * What the parent has just so becomes absent, whatever there is to say zeroes.
 * "In place" leaves it to the file below, which may punch a hole.  What becomes
 * of a place that was given up is told in space.c.
 *
 * Concurrency: whole grains are locked while their entries change.
 */
#include "formats/vmdk/sparse/sparse.h"

#define ZERO_PIECE (64u << 10)

/* What an entry becomes that is given up; false if there is no way to say
 * "zeroes". */
static bool
given_up_entry(const VmdkExtent *e, uint32_t *entry)
{
    if (!vmdk_must_store_zeroes(e->state))
        *entry = VMDK_GTE_ABSENT;
    else if (e->sparse->tables->zero_gte)
        *entry = VMDK_GTE_ZERO;
    else
        return false;
    return true;
}

/* Set all entries of [off, off + len), within one table. */
static bool
sparse_co_set_all(VmdkExtent *e, uint64_t off, uint64_t len, uint32_t entry,
                  GError **error)
{
    VmdkSparse *sp = e->sparse;
    uint32_t index = vmdk_sparse_table_of(sp, off);
    uint32_t i = vmdk_sparse_entry_of(sp, off);
    uint64_t n = (len + sp->grain_bytes - 1) >> sp->grain_shift;
    VdTable *table = vmdk_tables_co_get_rw(sp->tables, index, error);

    if (!table)
        return false;
    for (; n; n--, i++)
        vmdk_tables_set(table, i, entry);
    return true;
}

/* A mark needs a table on disk; a missing one comes as new grains do. */
static bool
sparse_co_mark_zero(VmdkExtent *e, uint64_t off, uint64_t len, GError **error)
{
    VmdkSparse *sp = e->sparse;
    uint64_t whole = (len + sp->grain_bytes - 1) & ~(sp->grain_bytes - 1);

    if (!sp->tables->zero_gte ||
        vmdk_tables_is_missing(sp->tables, vmdk_sparse_table_of(sp, off)))
        return vmdk_sparse_co_allocate_zero(e, off, whole, error);
    return sparse_co_set_all(e, off, len, VMDK_GTE_ZERO, error);
}

bool
vmdk_sparse_can_forget(const VmdkExtent *e)
{
    uint32_t entry;

    return given_up_entry(e, &entry);
}

bool
vmdk_sparse_co_forget(VmdkExtent *e, uint64_t off, uint64_t len, uint64_t place,
                      GError **error)
{
    uint64_t grain = e->sparse->grain_bytes;
    uint32_t entry;

    if (!given_up_entry(e, &entry))
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: the extent cannot say that a grain is zero",
                        vd_node_name(e->file));
    if (!sparse_co_set_all(e, off, len, entry, error))
        return false;
    vmdk_sparse_give_up(e, place, (len + grain - 1) & ~(grain - 1));
    return true;
}

/* Whether a discard or zeroes may do so, now. */
static bool
sparse_co_may_forget(VmdkExtent *e)
{
    return vmdk_sparse_can_forget(e) && vmdk_sparse_co_may_give_up(e);
}

/* One run of whole grains; locked. */
static bool
sparse_co_zero_run(VmdkExtent *e, uint64_t off, const VdRun *run,
                   VdReqFlags flags, GError **error)
{
    switch (run->kind) {
    case VD_RUN_ZERO:
        return true;
    case VD_RUN_PARENT:
        return !vmdk_must_store_zeroes(e->state) ||
               sparse_co_mark_zero(e, off, run->len, error);
    case VD_RUN_DATA:
        if ((flags & VD_REQ_MAY_UNMAP) && sparse_co_may_forget(e))
            return vmdk_sparse_co_forget(e, off, run->len, run->child_off,
                                         error);
        return vmdk_sparse_co_check_trust(e, off, run->len, error) &&
               vd_node_co_write_zeroes(e->file, run->child_off, run->len,
                                       flags & ~VD_REQ_NO_FALLBACK, error);
    case VD_RUN_ENCODED:
        break;
    }
    g_assert_not_reached();
}

static bool
sparse_co_discard_run(VmdkExtent *e, uint64_t off, const VdRun *run,
                      GError **error)
{
    return run->kind != VD_RUN_DATA || !sparse_co_may_forget(e) ||
           vmdk_sparse_co_forget(e, off, run->len, run->child_off, error);
}

/* The parent shows the same.  Marks in the place of a table stay. */
static bool
sparse_co_uncover_run(VmdkExtent *e, uint64_t off, const VdRun *run,
                      uint64_t *bytes, GError **error)
{
    VmdkSparse *sp = e->sparse;
    uint64_t whole = (run->len + sp->grain_bytes - 1) & ~(sp->grain_bytes - 1);

    if (run->kind == VD_RUN_PARENT ||
        vmdk_tables_is_missing(sp->tables, vmdk_sparse_table_of(sp, off)) ||
        !vmdk_sparse_co_may_give_up(e))
        return true;
    if (!sparse_co_set_all(e, off, run->len, VMDK_GTE_ABSENT, error))
        return false;
    if (run->kind == VD_RUN_DATA)
        vmdk_sparse_give_up(e, run->child_off, whole);
    *bytes += run->len;
    return true;
}

typedef struct {
    enum { JOB_ZEROES, JOB_DISCARD, JOB_UNCOVER } what;
    VdReqFlags flags; /* zeroes */
    uint64_t *bytes;  /* uncover */
} Job;

static bool
sparse_co_change_run(VmdkExtent *e, uint64_t off, const VdRun *run,
                     const Job *job, GError **error)
{
    switch (job->what) {
    case JOB_ZEROES:
        return sparse_co_zero_run(e, off, run, job->flags, error);
    case JOB_DISCARD:
        return sparse_co_discard_run(e, off, run, error);
    case JOB_UNCOVER:
        return sparse_co_uncover_run(e, off, run, job->bytes, error);
    }
    g_assert_not_reached();
}

/* Whole grains within one table. */
static bool
sparse_co_change_table(VmdkExtent *e, uint64_t off, uint64_t len,
                       const Job *job, GError **error)
{
    VmdkSparse *sp = e->sparse;
    uint64_t end = off + len;
    VioRange *range = vio_range_co_lock(sp->allocating, off, len, true);
    bool ok = true;

    while (ok && off < end) {
        VdRun run;

        ok = vmdk_sparse_co_lookup(e, off, end - off, &run, error) &&
             sparse_co_change_run(e, off, &run, job, error);
        if (ok)
            off += run.len;
    }
    vio_range_unlock(sp->allocating, range);
    return ok;
}

static bool
sparse_co_change_whole(VmdkExtent *e, uint64_t off, uint64_t end,
                       const Job *job, GError **error)
{
    while (off < end) {
        uint64_t len = MIN(end - off, vmdk_sparse_table_rest(e->sparse, off));

        if (!sparse_co_change_table(e, off, len, job, error) ||
            !vmdk_sparse_co_relieve(e, error))
            return false;
        off += len;
    }
    return true;
}

/* A piece of a grain: data, unless it is zero already. */
static bool
sparse_co_zero_piece(VmdkExtent *e, uint64_t off, uint64_t len, GError **error)
{
    static const uint8_t zeroes[ZERO_PIECE];

    while (len) {
        size_t part = (size_t) MIN(len, ZERO_PIECE);
        struct iovec iov;
        VioVec src = vio_vec_from_buf(&iov, (void *) zeroes, part);
        VdRun run;

        if (!vmdk_sparse_co_lookup(e, off, part, &run, error))
            return false;
        if (run.kind == VD_RUN_DATA ||
            (run.kind == VD_RUN_PARENT && vmdk_must_store_zeroes(e->state))) {
            src = vio_vec_slice(&src, 0, (size_t) run.len);
            if (!vmdk_sparse_co_write(e, off, &src, error))
                return false;
        }
        off += run.len;
        len -= run.len;
    }
    return true;
}

bool
vmdk_sparse_co_write_zeroes(VmdkExtent *e, uint64_t off, uint64_t len,
                            VdReqFlags flags, GError **error)
{
    uint64_t grain = e->sparse->grain_bytes, end = off + len;
    uint64_t first = (off + grain - 1) & ~(grain - 1);
    uint64_t last = end == e->len ? end : end & ~(grain - 1);
    Job job = {.what = JOB_ZEROES, .flags = flags};

    if (!vmdk_sparse_co_mark_unclean(e, error))
        return false;
    if (first >= last)
        return sparse_co_zero_piece(e, off, len, error);
    return sparse_co_zero_piece(e, off, first - off, error) &&
           sparse_co_change_whole(e, first, last, &job, error) &&
           sparse_co_zero_piece(e, last, end - last, error);
}

/* The whole grains of [off, off + len). */
static bool
sparse_co_change_inside(VmdkExtent *e, uint64_t off, uint64_t len,
                        const Job *job, GError **error)
{
    uint64_t grain = e->sparse->grain_bytes, end = off + len;
    uint64_t first = (off + grain - 1) & ~(grain - 1);
    uint64_t last = end == e->len ? end : end & ~(grain - 1);

    if (first >= last)
        return true;
    return vmdk_sparse_co_mark_unclean(e, error) &&
           sparse_co_change_whole(e, first, last, job, error);
}

bool
vmdk_sparse_co_discard(VmdkExtent *e, uint64_t off, uint64_t len,
                       GError **error)
{
    Job job = {.what = JOB_DISCARD};

    return sparse_co_change_inside(e, off, len, &job, error);
}

bool
vmdk_sparse_co_uncover(VmdkExtent *e, uint64_t off, uint64_t len,
                       uint64_t *bytes, GError **error)
{
    Job job = {.what = JOB_UNCOVER, .bytes = bytes};

    return sparse_co_change_inside(e, off, len, &job, error);
}
