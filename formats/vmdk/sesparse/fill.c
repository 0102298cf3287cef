/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sesparse/fill.c - writing to a new seSparse extent.
 *
 * Only for whoever has just created it: nobody else knows it yet, so that there
 * is no journal to keep.  The extent says "replay needed" from the first change
 * to the end, so that a copy that was interrupted is refused by all readers.
 *
 *   first change:  mark - barrier
 *   grain:         data behind the end of the file - entry in memory
 *   finish:        tables - directory - barrier - mark off
 *
 * Concurrency: grains are locked while they get their places; requests for
 * different grains do not wait for one another.
 */
#include "formats/vmdk/sesparse/sesparse.h"
#include "formats/vmdk/sparse/sparse.h"

#include "io/zero.h"

static uint64_t
grain_down(uint64_t off)
{
    return off & ~(uint64_t) (VMDK_SE_GRAIN_BYTES - 1);
}

static uint64_t
grain_up(uint64_t off)
{
    return grain_down(off + VMDK_SE_GRAIN_BYTES - 1);
}

/* -- the mark
 * --------------------------------------------------------------------- */

static bool
fill_co_write_volatile(VmdkExtent *e, bool unfinished, GError **error)
{
    VmdkSeSparse *se = e->sesparse;
    uint8_t raw[VMDK_SE_HEADER_BYTES];

    se->vol.replay = unfinished;
    se->vol.free_table = se->tables->next_table;
    vmdk_se_volatile_encode(&se->vol, raw);
    return vd_node_co_pwrite(e->file,
                             se->hdr.part[VMDK_SE_VOLATILE].start * VMDK_SECTOR,
                             raw, sizeof(raw), error);
}

static bool
fill_co_mark(VmdkExtent *e, GError **error)
{
    VmdkSeSparse *se = e->sesparse;

    if (G_LIKELY(se->marked))
        return true;
    vio_co_mutex_lock(&se->mark_lock);
    if (!se->marked)
        se->marked = fill_co_write_volatile(e, true, error) &&
                     vd_node_co_flush(e->file, error);
    vio_co_mutex_unlock(&se->mark_lock);
    return se->marked ||
           vd_prefix(error,
                     "%s: marking as unfinished: ", vd_node_name(e->file));
}

/* -- grains
 * ----------------------------------------------------------------------- */

/* Entries of the @n grains from @off on, the first of which lies at @sector; 0
 * = all of them read as zeroes. */
static bool
fill_co_set_entries(VmdkExtent *e, uint64_t off, uint64_t n, uint64_t sector,
                    GError **error)
{
    VmdkSeTables *tables = e->sesparse->tables;

    while (n) {
        VdTable *table =
            vmdk_se_tables_co_get_rw(tables, vmdk_se_table_of(off), error);
        uint32_t i = vmdk_se_entry_of(off);

        if (!table)
            return false;
        for (; n && i < VMDK_SE_ENTRIES; n--, i++) {
            vmdk_se_tables_set(tables, table, i,
                               sector ? sector : VMDK_SE_ZERO);
            sector += sector ? VMDK_SE_GRAIN_SECTORS : 0;
            off += VMDK_SE_GRAIN_BYTES;
        }
    }
    return true;
}

static bool
fill_reserve(VmdkExtent *e, uint64_t n, uint64_t *sector, GError **error)
{
    VmdkSeSparse *se = e->sesparse;
    const VmdkSeRegion *grains = &se->hdr.part[VMDK_SE_GRAINS];

    /* A grain that was zeroed and written again takes another place. */
    if (n * VMDK_SE_GRAIN_SECTORS > grains->start + grains->n - se->next)
        return vd_throw(error, VD_ERROR_NO_SPACE,
                        "%s: all %" G_GUINT64_FORMAT " grains are in use",
                        vd_node_name(e->file),
                        grains->n / VMDK_SE_GRAIN_SECTORS);
    *sector = se->next;
    se->next += n * VMDK_SE_GRAIN_SECTORS;
    return true;
}

/* @len bytes of the parent at @off to byte @at of the file. */
static bool
fill_co_copy_up(VmdkExtent *e, uint64_t off, size_t len, uint64_t at,
                GError **error)
{
    g_autofree uint8_t *bytes = g_malloc(VMDK_SE_GRAIN_BYTES);

    return !len || (vmdk_extent_co_read_parent(e, off, bytes, len, error) &&
                    vd_node_co_pwrite(e->file, at, bytes, len, error));
}

/* New grains for @src at @off, which have none. */
static bool
fill_co_allocate(VmdkExtent *e, uint64_t off, const VioVec *src,
                 bool from_parent, GError **error)
{
    uint64_t first = grain_down(off), last = grain_up(off + src->len);
    size_t head = (size_t) (off - first);
    size_t tail = (size_t) (MIN(last, e->len) - (off + src->len));
    uint64_t n = (last - first) >> VMDK_SE_GRAIN_SHIFT, sector = 0, at;

    if (!fill_reserve(e, n, &sector, error))
        return false;
    at = sector * VMDK_SECTOR;
    if (from_parent && (!fill_co_copy_up(e, first, head, at, error) ||
                        !fill_co_copy_up(e, off + src->len, tail,
                                         at + head + src->len, error)))
        return false;
    return vd_node_co_pwritev(e->file, at + head, src, 0, error) &&
           fill_co_set_entries(e, first, n, sector, error);
}

static bool
fill_co_write_run(VmdkExtent *e, uint64_t off, const VioVec *src,
                  const VdRun *run, GError **error)
{
    if (run->kind == VD_RUN_DATA)
        return vd_node_co_pwritev(e->file, run->child_off, src, 0, error);
    return fill_co_allocate(
        e, off, src, run->kind == VD_RUN_PARENT && vmdk_has_parent(e->state),
        error);
}

/* All grains of it are locked. */
static bool
fill_co_write_locked(VmdkExtent *e, uint64_t off, const VioVec *src,
                     GError **error)
{
    for (size_t done = 0; done < src->len;) {
        VioVec part;
        VdRun run;

        if (!vmdk_sesparse_co_lookup(e, off + done, src->len - done, &run,
                                     error))
            return false;
        part = vio_vec_slice(src, done, (size_t) run.len);
        if (!fill_co_write_run(e, off + done, &part, &run, error))
            return false;
        done += part.len;
    }
    return true;
}

bool
vmdk_sesparse_co_write(VmdkExtent *e, uint64_t off, const VioVec *src,
                       GError **error)
{
    VmdkSeSparse *se = e->sesparse;
    uint64_t first = grain_down(off);
    VioRange *range;
    bool ok;

    if (!fill_co_mark(e, error))
        return false;
    range = vio_range_co_lock(se->allocating, first,
                              grain_up(off + src->len) - first, true);
    ok = fill_co_write_locked(e, off, src, error);
    vio_range_unlock(se->allocating, range);
    return ok && vmdk_sparse_co_relieve(e, error);
}

/* -- zeroes
 * ----------------------------------------------------------------------- */

/* Whole grains, all of them locked. */
static bool
fill_co_zero_grains(VmdkExtent *e, uint64_t off, uint64_t len, GError **error)
{
    while (len) {
        VdRun run;

        if (!vmdk_sesparse_co_lookup(e, off, len, &run, error))
            return false;
        if ((run.kind == VD_RUN_DATA ||
             (run.kind == VD_RUN_PARENT && vmdk_has_parent(e->state))) &&
            !fill_co_set_entries(
                e, off, grain_up(run.len) >> VMDK_SE_GRAIN_SHIFT, 0, error))
            return false;
        off += run.len;
        len -= run.len;
    }
    return true;
}

static bool
fill_co_zero_whole(VmdkExtent *e, uint64_t off, uint64_t len, GError **error)
{
    VmdkSeSparse *se = e->sesparse;
    VioRange *range;
    bool ok;

    if (!fill_co_mark(e, error))
        return false;
    range = vio_range_co_lock(se->allocating, off, grain_up(len), true);
    ok = fill_co_zero_grains(e, off, len, error);
    vio_range_unlock(se->allocating, range);
    return ok && vmdk_sparse_co_relieve(e, error);
}

/* Less than a grain. */
static bool
fill_co_zero_bytes(VmdkExtent *e, uint64_t off, uint64_t len, GError **error)
{
    static uint8_t zeroes[VMDK_SE_GRAIN_BYTES];
    struct iovec iov;
    VioVec src = vio_vec_from_buf(&iov, zeroes, (size_t) len);

    return vmdk_sesparse_co_write(e, off, &src, error);
}

/* The end of the disk is the end of its last grain. */
bool
vmdk_sesparse_co_write_zeroes(VmdkExtent *e, uint64_t off, uint64_t len,
                              VdReqFlags flags, GError **error)
{
    uint64_t end = off + len, first = MIN(grain_up(off), end);
    uint64_t last = end == e->len ? end : MAX(grain_down(end), first);

    return (first == off || fill_co_zero_bytes(e, off, first - off, error)) &&
           (last == first ||
            fill_co_zero_whole(e, first, last - first, error)) &&
           (end == last || fill_co_zero_bytes(e, last, end - last, error));
}

static bool
fill_co_discard(VmdkExtent *e, uint64_t off, uint64_t len, GError **error)
{
    return true; /* nothing that could be given back */
}

/* -- to the file
 * ------------------------------------------------------------------ */

bool
vmdk_sesparse_co_flush(VmdkExtent *e, GError **error)
{
    VmdkSeSparse *se = e->sesparse;
    bool ok;

    vio_co_mutex_lock(&se->flush_lock);
    ok = vmdk_se_tables_co_write(se->tables, error);
    vio_co_mutex_unlock(&se->flush_lock);
    return ok;
}

/* Grains that were written in part reach to their ends. */
static bool
fill_co_whole_grains(VmdkExtent *e, GError **error)
{
    uint64_t size = e->sesparse->next * VMDK_SECTOR;

    return vd_node_size(e->file) >= size ||
           vd_node_co_truncate(e->file, size, VD_PREALLOC_OFF, error);
}

bool
vmdk_sesparse_co_finish(VmdkExtent *e, GError **error)
{
    VmdkSeSparse *se = e->sesparse;

    return !se->marked || (vmdk_sesparse_co_flush(e, error) &&
                           fill_co_whole_grains(e, error) &&
                           vd_node_co_flush(e->file, error) &&
                           fill_co_write_volatile(e, false, error));
}

static const VmdkExtentOps fill_ops = {
    .co_map = vmdk_sesparse_co_map,
    .co_write = vmdk_sesparse_co_write,
    .co_write_zeroes = vmdk_sesparse_co_write_zeroes,
    .co_discard = fill_co_discard,
    .co_flush = vmdk_sesparse_co_flush,
    .co_finish = vmdk_sesparse_co_finish,
    .co_check = vmdk_sesparse_co_check,
};

void
vmdk_sesparse_start_filling(VmdkExtent *e)
{
    VmdkSeSparse *se = e->sesparse;

    se->allocating = vio_range_lock_new();
    se->next = se->hdr.part[VMDK_SE_GRAINS].start;
    e->ops = &fill_ops;
}
