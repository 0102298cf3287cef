/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/vmfs/volume.c - a volume, put together from its extents.
 *
 * Extents belong together if volume and snapshot id are the same: a copy that
 * an array has made of a device has another one, and is never mixed with the
 * original.  In which order they are given does not matter.
 *
 * Concurrency: volumes are constant once they are made.
 */
#include "block/proto/vmfs/volume.h"

#include <inttypes.h>

#include "block/rw.h"

void
vmfs_volume_free(VmfsVolume *volume)
{
    if (!volume)
        return;
    g_free(volume->problem);
    g_free(volume->danger);
    g_array_unref(volume->runs);
    g_free(volume);
}

/* -- extents in order ------------------------------------------------------ */

static bool
belong_together(const VmfsPiece *a, const VmfsPiece *b)
{
    return vmfs_uuid_equal(&a->volume.uuid, &b->volume.uuid) &&
           a->volume.snapshot_id == b->volume.snapshot_id;
}

static int
compare_pieces(const void *x, const void *y)
{
    const VmfsPiece *a = *(const VmfsPiece *const *) x;
    const VmfsPiece *b = *(const VmfsPiece *const *) y;

    return a->volume.first_pe < b->volume.first_pe
               ? -1
               : a->volume.first_pe > b->volume.first_pe;
}

/* One device that is seen under two names (several paths lead to a LUN) is
 * taken once. */
static bool
is_known(const GPtrArray *group, const VmfsPiece *piece)
{
    for (guint i = 0; i < group->len; i++) {
        const VmfsPiece *other = g_ptr_array_index(group, i);

        if (vmfs_uuid_equal(&other->device_id, &piece->device_id) &&
            other->volume.first_pe == piece->volume.first_pe)
            return true;
    }
    return false;
}

static GPtrArray *
collect_group(const GPtrArray *pieces, guint first)
{
    GPtrArray *group = g_ptr_array_new();
    const VmfsPiece *like = g_ptr_array_index(pieces, first);

    for (guint i = first; i < pieces->len; i++) {
        VmfsPiece *piece = g_ptr_array_index(pieces, i);

        if (belong_together(like, piece) && !is_known(group, piece))
            g_ptr_array_add(group, piece);
    }
    g_ptr_array_sort(group, compare_pieces);
    return group;
}

static bool
is_first_of_group(const GPtrArray *pieces, guint index)
{
    for (guint i = 0; i < index; i++)
        if (belong_together(g_ptr_array_index(pieces, i),
                            g_ptr_array_index(pieces, index)))
            return false;
    return true;
}

/* What is missing, or NULL. */
static char *
find_gap(const GPtrArray *group)
{
    const VmfsPiece *first = g_ptr_array_index(group, 0);
    uint32_t wanted = first->volume.n_devices;
    uint64_t next = 0;

    for (guint i = 0; i < group->len; i++) {
        const VmfsPiece *piece = g_ptr_array_index(group, i);

        if (piece->volume.first_pe != next ||
            piece->volume.last_pe < piece->volume.first_pe)
            return g_strdup_printf("extent %u of %" PRIu32 " is missing, or "
                                   "there is one too many: %s begins with "
                                   "piece %" PRIu64 ", expected %" PRIu64,
                                   i + 1, wanted, vd_node_name(piece->device),
                                   piece->volume.first_pe, next);
        next = piece->volume.last_pe + 1;
    }
    if (group->len == wanted)
        return NULL;
    return g_strdup_printf("extent %u of %" PRIu32 " is missing, or there is "
                           "one too many: %u were found",
                           group->len + 1, wanted, group->len);
}

/* -- runs ------------------------------------------------------------------ */

static int
compare_runs(const void *x, const void *y)
{
    const VmfsVolumeRun *a = x, *b = y;

    return a->logical < b->logical ? -1 : a->logical > b->logical;
}

static GArray *
collect_runs(const GPtrArray *group)
{
    GArray *runs = g_array_new(FALSE, FALSE, sizeof(VmfsVolumeRun));

    for (guint i = 0; i < group->len; i++) {
        const VmfsPiece *piece = g_ptr_array_index(group, i);

        for (guint k = 0; k < piece->entries->len; k++) {
            const VmfsLvmEntry *e =
                &g_array_index(piece->entries, VmfsLvmEntry, k);
            VmfsVolumeRun run = {e->logical, e->len, piece->device,
                                 e->physical};

            g_array_append_val(runs, run);
        }
    }
    g_array_sort(runs, compare_runs);
    return runs;
}

static bool
follows(const VmfsVolumeRun *last, const VmfsVolumeRun *run)
{
    return last->device == run->device &&
           last->physical + last->len == run->physical;
}

/* Neighbours become one. */
static void
add_runs(VmfsVolume *v, const GArray *runs)
{
    for (guint i = 0; i < runs->len && !v->problem; i++) {
        const VmfsVolumeRun *run = &g_array_index(runs, VmfsVolumeRun, i);
        VmfsVolumeRun *last =
            v->runs->len
                ? &g_array_index(v->runs, VmfsVolumeRun, v->runs->len - 1)
                : NULL;

        if (run->logical != v->size) {
            v->problem_code = VD_ERROR_CORRUPT;
            v->problem = g_strdup_printf(
                "%s at byte %" PRIu64 ": the next extent of LVM begins at "
                "%" PRIu64,
                run->logical > v->size ? "nothing is" : "two things are",
                v->size, run->logical);
        } else if (last && follows(last, run)) {
            last->len += run->len;
        } else {
            g_array_append_vals(v->runs, run, 1);
        }
        v->size = run->logical + run->len;
    }
}

/* -- what must not be written ---------------------------------------------- */

static int
compare_places(const void *x, const void *y)
{
    const VmfsVolumeRun *a = x, *b = y;

    if (a->device != b->device)
        return (uintptr_t) a->device < (uintptr_t) b->device ? -1 : 1;
    return a->physical < b->physical ? -1 : a->physical > b->physical;
}

/* Whoever writes to one of two writes to the other. */
static char *
find_twice(const VmfsVolume *v)
{
    g_autoptr(GArray) runs = g_array_copy(v->runs);

    g_array_sort(runs, compare_places);
    for (guint i = 1; i < runs->len; i++) {
        const VmfsVolumeRun *a = &g_array_index(runs, VmfsVolumeRun, i - 1);
        const VmfsVolumeRun *b = &g_array_index(runs, VmfsVolumeRun, i);

        if (a->device == b->device && b->physical < a->physical + a->len)
            return g_strdup_printf(
                "%s: byte %" PRIu64 " is in the volume twice, at bytes %" PRIu64
                " and %" PRIu64,
                vd_node_name(b->device), b->physical,
                a->logical + (b->physical - a->physical), b->logical);
    }
    return NULL;
}

static char *
find_in_tables(const VmfsVolume *v, const VmfsPiece *piece)
{
    for (guint i = 0; piece->tables && i < piece->tables->len; i++) {
        const VmfsLvmTables *t =
            &g_array_index(piece->tables, VmfsLvmTables, i);

        for (guint k = 0; k < v->runs->len; k++) {
            const VmfsVolumeRun *run =
                &g_array_index(v->runs, VmfsVolumeRun, k);

            if (run->device == piece->device && run->physical < t->end &&
                run->physical + run->len > t->start)
                return g_strdup_printf(
                    "%s: byte %" PRIu64 " of the volume lies at byte %" PRIu64
                    ", among the tables of LVM",
                    vd_node_name(run->device), run->logical, run->physical);
        }
    }
    return NULL;
}

/* Damage that reading survives. */
static char *
find_danger(const VmfsVolume *v, const GPtrArray *group)
{
    char *danger = find_twice(v);

    for (guint i = 0; !danger && i < group->len; i++)
        danger = find_in_tables(v, g_ptr_array_index(group, i));
    return danger;
}

static VmfsVolume *
assemble_one(const GPtrArray *pieces, guint first)
{
    const VmfsPiece *piece = g_ptr_array_index(pieces, first);
    g_autoptr(GPtrArray) group = collect_group(pieces, first);
    g_autoptr(GArray) runs = collect_runs(group);
    VmfsVolume *v = g_new0(VmfsVolume, 1);

    v->uuid = piece->volume.uuid;
    v->snapshot_id = piece->volume.snapshot_id;
    v->n_devices = piece->volume.n_devices;
    v->runs = g_array_new(FALSE, FALSE, sizeof(VmfsVolumeRun));
    v->problem_code = VD_ERROR_NOT_FOUND;
    v->problem = find_gap(group);
    if (!v->problem)
        add_runs(v, runs);
    if (!v->problem)
        v->danger = find_danger(v, group);
    return v;
}

GPtrArray *
vmfs_volumes_assemble(const GPtrArray *pieces)
{
    GPtrArray *volumes =
        g_ptr_array_new_with_free_func((GDestroyNotify) vmfs_volume_free);

    for (guint i = 0; i < pieces->len; i++)
        if (is_first_of_group(pieces, i))
            g_ptr_array_add(volumes, assemble_one(pieces, i));
    return volumes;
}

/* -- places ---------------------------------------------------------------- */

/* The run that @off, which is inside, lies in. */
static const VmfsVolumeRun *
find_run(const VmfsVolume *v, uint64_t off)
{
    guint low = 0, high = v->runs->len;

    while (high - low > 1) {
        guint middle = low + (high - low) / 2;

        if (g_array_index(v->runs, VmfsVolumeRun, middle).logical <= off)
            low = middle;
        else
            high = middle;
    }
    return &g_array_index(v->runs, VmfsVolumeRun, low);
}

bool
vmfs_volume_locate(const VmfsVolume *v, uint64_t off, uint64_t len,
                   VmfsVolumeRun *run, GError **error)
{
    const VmfsVolumeRun *found;
    uint64_t skip, size;

    if (off >= v->size)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "byte %" PRIu64 " is behind the end of the volume at "
                        "%" PRIu64,
                        off, v->size);
    found = find_run(v, off);
    skip = off - found->logical;
    size = vd_node_size(found->device);
    if (found->physical + skip >= size)
        return vd_throw(error, VD_ERROR_CORRUPT,
                        "%s: ends at byte %" PRIu64 ", but the volume has "
                        "something at %" PRIu64,
                        vd_node_name(found->device), size,
                        found->physical + skip);
    *run = (VmfsVolumeRun){
        .logical = off,
        .len = MIN(len, found->len - skip),
        .device = found->device,
        .physical = found->physical + skip,
    };
    run->len = MIN(run->len, size - run->physical);
    return true;
}

bool
vmfs_volume_co_read(const VmfsVolume *v, uint64_t off, void *buf, size_t len,
                    GError **error)
{
    uint8_t *to = buf;

    while (len > 0) {
        VmfsVolumeRun run;

        if (!vmfs_volume_locate(v, off, len, &run, error) ||
            !vd_node_co_pread(run.device, run.physical, to, run.len, error))
            return false;
        off += run.len;
        to += run.len;
        len -= run.len;
    }
    return true;
}
