/* SPDX-License-Identifier: BSD-3-Clause */
/* formats/vmdk/sparse/compact.c - making a sparse extent small.
 *
 *   shrink:      give up grains that hold nothing but zeroes - fill the holes
 *                in front with the grains behind - cut off the end
 *   defragment:  all grains in the order of the disk (defragment.c) - the same
 *
 * Holes are what no table names, whatever left them there.  Only a sound extent
 * is touched: both copies of all tables are compared first.
 *
 * At each moment every entry, on disk and in memory, names a place that holds
 * its grain; so a crash, a failure and the user's wish to end all leave a sound
 * extent, with some leaks at worst.
 *
 * Concurrency: nobody else changes the extent; readers are waited for before a
 * place gets another meaning.
 */
#include "formats/vmdk/sparse/pack.h"

#include "block/finding.h"
#include "io/buffer.h"
#include "io/zero.h"

#define LOOK_BYTES (UINT64_C(1) << 20)
#define LOOKS_IN_FLIGHT 8

/* -- what there is ----------------------------------------------------------
 */

static bool
refuse_damaged(const VmdkExtent *e, const VdCheckResult *found, GError **error)
{
    const VdFinding *first = found->findings && found->findings->len
                                 ? found->findings->pdata[0]
                                 : NULL;

    return vd_throw(error, found->check_errors ? VD_ERROR_IO : VD_ERROR_CORRUPT,
                    "%s: must be repaired before it is compacted: %s",
                    vd_node_name(e->file),
                    first ? first->detail : "its tables are damaged");
}

static bool
compact_co_check(VmdkExtent *e, GError **error)
{
    VdCheckResult found = {.max_findings = 1};
    bool ok = vmdk_sparse_co_examine(e, &found, NULL, error);

    if (ok && (found.corruptions || found.check_errors))
        ok = refuse_damaged(e, &found, error);
    g_clear_pointer(&found.findings, g_ptr_array_unref);
    return ok;
}

static void
note_meta(VmdkPack *p, uint64_t sector, uint64_t n)
{
    uint64_t unit = vmdk_pack_unit_sectors(p->e);
    uint64_t first = MAX(p->first, sector / unit);
    uint64_t end = (sector + n + unit - 1) / unit;

    if (sector > VMDK_GTE_ZERO && first < end)
        (void) vmdk_places_add(p->meta, first, end - first);
}

static void
note_all_meta(VmdkPack *p)
{
    const VmdkTables *tables = p->e->sparse->tables;
    const VmdkHeader *hdr = &tables->hdr;
    uint64_t gd_sectors = vmdk_header_gd_sectors(hdr);

    note_meta(p, hdr->desc_sector, hdr->desc_sector ? hdr->desc_sectors : 0);
    note_meta(p, hdr->gd_sector, gd_sectors);
    note_meta(p, hdr->rgd_sector, tables->rgd ? gd_sectors : 0);
    for (uint32_t i = 0; i < tables->n_gts; i++) {
        note_meta(p, tables->gd[i], tables->gt_sectors);
        if (tables->rgd)
            note_meta(p, tables->rgd[i], tables->gt_sectors);
    }
}

static void
remove_all(VmdkPlaces *from, const VmdkPlaces *places)
{
    uint64_t at = 0, first, n;

    while ((n = vmdk_places_next(places, at, UINT64_MAX, &first))) {
        vmdk_places_remove(from, first, n);
        at = first + n;
    }
}

/* Whatever no grain and no metadata lie in is free. */
static void
find_free(VmdkPack *p)
{
    VmdkSparse *sp = p->e->sparse;
    uint64_t end = sp->next >> sp->place_shift;

    vmdk_places_free(sp->free);
    sp->free = vmdk_places_new();
    if (end > p->first)
        (void) vmdk_places_add(sp->free, p->first, end - p->first);
    remove_all(sp->free, p->used);
    remove_all(sp->free, p->meta);
}

static bool
compact_co_survey(VmdkPack *p, GError **error)
{
    VmdkExtent *e = p->e;

    if (!vmdk_pack_co_settle(e, error) || !compact_co_check(e, error) ||
        !vmdk_sparse_co_find_end(e, error) ||
        !vmdk_sparse_co_survey_all(e, p->used, error))
        return false;
    note_all_meta(p);
    find_free(p);
    e->sparse->giving_up = VMDK_GIVING_UP_YES;
    return true;
}

/* -- zeroes -----------------------------------------------------------------
 */

/* Grains that lie behind one another, on the disk and in the file. */
typedef struct {
    VmdkPack *p;
    uint64_t off, place, len;
} Look;

/* Grains from @at on, all of which are zeroes. */
static bool
look_co_give_up(const Look *look, uint64_t at, uint64_t len, GError **error)
{
    VmdkPack *p = look->p;
    VmdkSparse *sp = p->e->sparse;
    uint64_t place = look->place + at;
    uint64_t n = (len + sp->grain_bytes - 1) >> sp->grain_shift;

    if (!vmdk_sparse_co_mark_unclean(p->e, error) ||
        !vmdk_sparse_co_forget(p->e, look->off + at, len, place, error))
        return false;
    vmdk_places_remove(p->used, place >> sp->place_shift,
                       n << (sp->grain_shift - sp->place_shift));
    p->job->result->freed_clusters += n;
    p->job->progress.zero += len;
    return true;
}

/* A hole of the file needs no reading. */
static bool
look_co_is_hole(const Look *look)
{
    VdNode *file = look->p->e->file;
    uint64_t size = vd_node_size(file);
    VdRun run;

    if (look->place >= size)
        return true;
    size = MIN(look->len, size - look->place);
    return vd_node_co_map(file, look->place, size, VD_WANT_ZERO, &run, NULL) &&
           run.kind == VD_RUN_ZERO && run.len >= size;
}

/* A grain that is too large for one read. */
static bool
look_co_read_large(const Look *look, uint8_t *buf, GError **error)
{
    struct iovec iov;

    for (uint64_t at = 0; at < look->len; at += LOOK_BYTES) {
        size_t len = (size_t) MIN(LOOK_BYTES, look->len - at);
        VioVec dst = vio_vec_from_buf(&iov, buf, len);

        if (!vd_node_co_preadv_eof(look->p->e->file, look->place + at, &dst,
                                   error))
            return false;
        if (!vio_is_zero(buf, len))
            return true;
    }
    return look_co_give_up(look, 0, look->len, error);
}

static bool
look_co_read(const Look *look, uint8_t *buf, GError **error)
{
    uint64_t grain = look->p->e->sparse->grain_bytes, n;
    struct iovec iov;
    VioVec dst = vio_vec_from_buf(&iov, buf, (size_t) look->len);
    bool zero;

    if (!vd_node_co_preadv_eof(look->p->e->file, look->place, &dst, error))
        return false;
    for (uint64_t at = 0; at < look->len; at += n) {
        n = vio_zero_run(buf + at, (size_t) (look->len - at), (size_t) grain,
                         &zero);
        if (zero && !look_co_give_up(look, at, n, error))
            return false;
    }
    return true;
}

static bool
look_co_main(void *arg, GError **error)
{
    const Look *look = arg;
    VioLoop *loop = vd_node_loop(look->p->e->file);
    size_t room = (size_t) MIN(look->len, LOOK_BYTES);
    bool ok;

    if (look_co_is_hole(look)) {
        ok = look_co_give_up(look, 0, look->len, error);
    } else {
        uint8_t *buf = vio_co_buffer_get(loop, room);

        ok = look->len > room ? look_co_read_large(look, buf, error)
                              : look_co_read(look, buf, error);
        vio_buffer_put(loop, buf, room);
    }
    vmdk_compact_tell(look->p->job, look->len);
    return ok;
}

static void
look_co_start(VmdkPack *p, VioCoGroup *group, uint64_t off, const VdRun *run)
{
    uint64_t most = MAX(LOOK_BYTES, p->e->sparse->grain_bytes), n;

    for (uint64_t at = 0; at < run->len && !vio_co_group_failed(group);
         at += n) {
        Look *look = g_new(Look, 1);

        n = MIN(most, run->len - at);
        *look = (Look){p, off + at, run->child_off + at, n};
        vio_co_group_spawn(group, look_co_main, look, g_free);
    }
}

static bool
zero_co_table(VmdkExtent *e, const VdTable *table, uint32_t n, void *arg,
              GError **error)
{
    g_autoptr(VioCoGroup) group = vio_co_group_new(LOOKS_IN_FLIGHT);
    const VmdkSparse *sp = e->sparse;
    uint64_t off = (uint64_t) table->index << sp->table_shift;
    uint64_t end = MIN(e->len, off + ((uint64_t) n << sp->grain_shift));
    VmdkPack *p = arg;
    bool ok = vmdk_compact_goes_on(p->job, error);
    VdRun run;

    for (; ok && off < end && !vio_co_group_failed(group); off += run.len) {
        ok = vmdk_sparse_co_lookup(e, off, end - off, &run, error);
        if (ok && run.kind == VD_RUN_DATA)
            look_co_start(p, group, off, &run);
    }
    ok = vio_co_group_join(group, ok ? error : NULL) && ok;
    return ok && vmdk_sparse_co_relieve(e, error);
}

static bool
compact_co_free_zeroes(VmdkPack *p, GError **error)
{
    vmdk_compact_bound(p->job, p->job->bound, "zeroes");
    return !vmdk_sparse_can_forget(p->e) ||
           (vmdk_sparse_co_walk_all(p->e, zero_co_table, p, error) &&
            vmdk_pack_co_settle(p->e, error));
}

/* -- moving -----------------------------------------------------------------
 */

typedef struct {
    VmdkPack *p;
    uint64_t end; /* where the grains would end without holes */
} Fill;

/* Grains behind that end go to the holes in front of it: there are as many. */
static bool
fill_co_table(VmdkExtent *e, const VdTable *table, uint32_t n, void *arg,
              GError **error)
{
    const Fill *fill = arg;
    VmdkSparse *sp = e->sparse;
    uint64_t off = (uint64_t) table->index << sp->table_shift;
    uint64_t unit = vmdk_pack_unit_sectors(e);

    for (uint32_t i = 0; i < n; i++) {
        uint32_t entry = vmdk_table_entry(table, i);
        uint64_t hole = UINT64_MAX;

        if (entry <= VMDK_GTE_ZERO || entry / unit < fill->end)
            continue;
        (void) vmdk_places_take(sp->free, 1, &hole);
        g_assert(hole < fill->end);
        vmdk_pack_add(fill->p, off + ((uint64_t) i << sp->grain_shift),
                      entry / unit, hole);
    }
    return fill->p->moves->len < vmdk_pack_batch(fill->p) ||
           vmdk_pack_co_run(fill->p, error);
}

static bool
compact_co_fill_holes(VmdkPack *p, GError **error)
{
    const VmdkSparse *sp = p->e->sparse;
    Fill fill = {p, vmdk_pack_end(p, vmdk_places_count(p->used))};
    uint64_t first;

    if (!vmdk_places_next(sp->free, 0, 1, &first) || first >= fill.end)
        return true;
    return vmdk_sparse_co_walk_all(p->e, fill_co_table, &fill, error) &&
           vmdk_pack_co_run(p, error);
}

/* -- the extent -------------------------------------------------------------
 */

/* Grains that are places, which all are but those of more than a sector of a
 * COWD extent. */
static bool
can_move(const VmdkExtent *e)
{
    return e->sparse->grain_shift == e->sparse->place_shift;
}

static bool
compact_co_move(VmdkPack *p, GError **error)
{
    bool defragment = p->job->params->what & VD_COMPACT_DEFRAGMENT;
    uint64_t used = vmdk_places_count(p->used) << p->e->sparse->place_shift;

    vmdk_compact_bound(p->job, used * (defragment ? 2 : 1), "move");
    return defragment ? vmdk_pack_co_defragment(p, error)
                      : compact_co_fill_holes(p, error);
}

static bool
compact_co_steps(VmdkPack *p, GError **error)
{
    unsigned what = p->job->params->what;

    if (!can_move(p->e) && (what & VD_COMPACT_DEFRAGMENT))
        return vd_throw(error, VD_ERROR_NOT_SUPPORTED,
                        "%s: grains of %u sectors cannot be put in order in a "
                        "vmfsSparse extent",
                        vd_node_name(p->e->file), p->e->sparse->grain_sectors);
    return compact_co_survey(p, error) &&
           (!(what & VD_COMPACT_SHRINK) || compact_co_free_zeroes(p, error)) &&
           (!can_move(p->e) || compact_co_move(p, error));
}

bool
vmdk_sparse_co_compact(VmdkExtent *e, VmdkCompact *job, GError **error)
{
    uint64_t unit = vmdk_pack_unit_sectors(e);
    VmdkPack p = {
        .e = e,
        .job = job,
        .used = vmdk_places_new(),
        .meta = vmdk_places_new(),
        .first = (e->sparse->hdr.overhead_sectors + unit - 1) / unit,
        .moves = g_array_new(FALSE, FALSE, sizeof(VmdkMove)),
    };
    bool ok = compact_co_steps(&p, error) && vmdk_sparse_co_trim(e, error);

    vmdk_places_free(p.used);
    vmdk_places_free(p.meta);
    g_array_unref(p.moves);
    return ok;
}
