/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/stream/extent.c - a compressed extent, read at random.
 *
 * The map is that of a sparse extent, with records in the place of grains
 * (sparse/map.c), but a run has as many grains as are read together; only the
 * bytes come from elsewhere (stream.h).
 *
 * Concurrency: immutable after open; any number of requests may overlap.
 */
#include "formats/vmdk/sparse/sparse.h"

/* Where a run that begins at @off ends at the latest. */
static uint64_t
run_end(const VmdkSparse *sp, uint64_t off, uint64_t len)
{
    uint64_t grains = vmdk_stream_batch_grains(sp->grain_bytes);
    uint64_t most = grains * sp->grain_bytes - (off & (sp->grain_bytes - 1));

    return off + MIN(MIN(len, most), vmdk_sparse_table_rest(sp, off));
}

static bool
stream_co_map(VmdkExtent *e, uint64_t off, uint64_t len, VdRun *run,
              GError **error)
{
    uint64_t end;
    VdRun next;

    if (!vmdk_sparse_co_map(e, off, len, run, error))
        return false;
    if (run->kind != VD_RUN_ENCODED || run->len == len)
        return true;
    /* What is wrong with a later entry is told when that one is asked for. */
    end = run_end(e->sparse, off, len);
    while (off + run->len < end &&
           vmdk_sparse_co_lookup(e, off + run->len, end - off - run->len, &next,
                                 NULL) &&
           next.kind == VD_RUN_ENCODED)
        run->len += next.len;
    return true;
}

/* Entries of tables that were dropped are read again, and somebody may have
 * changed the file. */
static bool
extent_co_find_record(VmdkExtent *e, uint64_t off, uint64_t *record,
                      GError **error)
{
    VdRun run;

    if (!vmdk_sparse_co_lookup(e, off, 1, &run, error))
        return false;
    *record = run.child_off;
    return run.kind == VD_RUN_ENCODED ||
           vd_throw(error, VD_ERROR_CORRUPT,
                    "%s: the grain table entry for byte %" G_GUINT64_FORMAT
                    " of the extent has changed while it was read",
                    vd_node_name(e->file), off);
}

bool
vmdk_stream_co_decode(VmdkExtent *e, uint64_t off, const VdRun *run,
                      const VioVec *dst, GError **error)
{
    const VmdkSparse *sp = e->sparse;
    uint64_t in_grain = off & (sp->grain_bytes - 1), record = run->child_off;
    g_autofree VmdkStreamPart *parts = NULL;
    size_t done = 0, n = 0;

    if (dst->len <= sp->grain_bytes - in_grain)
        return vmdk_stream_co_read(sp->reader, record, off >> sp->grain_shift,
                                   (size_t) in_grain, dst, error);
    parts = g_new(VmdkStreamPart, vmdk_stream_batch_grains(sp->grain_bytes));
    while (done < dst->len) {
        uint64_t at = off + done;
        size_t skip = (size_t) (at & (sp->grain_bytes - 1));
        size_t len = MIN(dst->len - done, (size_t) sp->grain_bytes - skip);

        if (done > 0 && !extent_co_find_record(e, at, &record, error))
            return false;
        parts[n++] = (VmdkStreamPart){.record = record,
                                      .grain = at >> sp->grain_shift,
                                      .skip = skip,
                                      .dst = vio_vec_slice(dst, done, len)};
        done += len;
    }
    return vmdk_stream_co_read_parts(sp->reader, parts, n, error);
}

static bool
stream_co_check(VmdkExtent *e, VdCheckResult *result, GError **error)
{
    return vmdk_stream_co_check(e->file, &e->sparse->hdr, result, error);
}

const VmdkExtentOps vmdk_stream_ops = {
    .co_map = stream_co_map,
    .co_decode = vmdk_stream_co_decode,
    .co_check = stream_co_check,
    .free = vmdk_sparse_free,
};
