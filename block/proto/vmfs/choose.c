/* SPDX-License-Identifier: BSD-3-Clause */
/* block/proto/vmfs/choose.c - opening the extents, and which volume is meant.
 *
 * Block devices are opened past the page cache, which does not see what hosts
 * write to them.
 *
 * Concurrency: the node is visible to nobody else yet.
 */
#include "block/proto/vmfs/state.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "block/name.h"
#include "block/open.h"
#include "block/proto/text.h"
#include "block/proto/vmfs/partition.h"
#include "io/op.h"

/* -- extents --------------------------------------------------------------- */

typedef struct {
    VdNode *node;
    GPtrArray *pieces;
    char **luns;      /* that they have to be if they tell; NULL = any */
    bool spare;       /* what cannot be used is left out */
    GString *skipped; /* and why: for messages */
} Extents;

/* "extent" is short for "extent.0". */
static void
expand_single(VdOptions *opts)
{
    g_autofree char *name = NULL;

    vd_options_take_string(opts, "extent", &name);
    if (name)
        vd_options_set(opts, "extent.0", name);
}

static bool
has_extent(const VdOptions *opts, const char *key)
{
    g_autoptr(VdOptions) copy = vd_options_copy(opts);
    g_autoptr(VdOptions) sub = vd_options_take_sub(copy, key);

    return vd_options_peek(opts, key) || !vd_options_is_empty(sub);
}

static bool
extent_co_is_device(VdNode *node, const VdOptions *opts, const char *key,
                    const char *name)
{
    g_autofree char *sub = g_strconcat(key, ".filename", NULL);
    const char *path = name ? name : vd_options_peek(opts, sub);
    struct statx stx;

    return path &&
           vio_co_statx(vd_node_loop(node), AT_FDCWD, vd_name_strip_file(path),
                        0, STATX_TYPE, &stx) == 0 &&
           S_ISBLK(stx.stx_mode);
}

/* Not everything that is called a device can be opened like one; what is only
 * read is read all the same. */
static VdNode *
open_co_extent(VdNode *node, const char *key, const char *name, VdOptions *opts,
               GError **error)
{
    VdOpenFlags flags = vd_node_flags(node) & ~VD_OPEN_NO_IO;
    g_autoptr(VdOptions) again = NULL;
    GError *problem = NULL;
    VdNode *child;

    if (!extent_co_is_device(node, opts, key, name))
        return vd_node_co_open_child(node, key, name, opts, flags, error);
    again = vd_options_copy(opts);
    child = vd_node_co_open_child(node, key, name, opts, flags | VD_OPEN_DIRECT,
                                  &problem);
    if (child)
        return child;
    if (vd_error_is(problem, VD_ERROR_NOT_SUPPORTED) &&
        !vd_node_is_writable(node)) {
        g_clear_error(&problem);
        return vd_node_co_open_child(node, key, name, again, flags, error);
    }
    g_propagate_error(error, problem);
    return NULL;
}

static bool
load_co_extent(VdNode *child, GPtrArray *pieces, GError **error)
{
    g_autoptr(GArray) starts = g_array_new(FALSE, FALSE, sizeof(uint64_t));

    if (!vmfs_partition_co_find(child, starts, error))
        return false;
    if (starts->len == 0)
        return vd_throw(error, VD_ERROR_NOT_FOUND,
                        "%s: there is no VMFS on it, nor a partition with one",
                        vd_node_name(child));
    for (guint i = 0; i < starts->len; i++)
        if (!vmfs_lvm_co_load(child, g_array_index(starts, uint64_t, i), pieces,
                              error))
            return false;
    return true;
}

/* @child: NULL if it could not even be opened. */
static bool
extents_co_skip(Extents *x, VdNode *child, GError *problem, GError **error)
{
    if (!x->spare || vd_error_is(problem, VD_ERROR_CANCELLED)) {
        g_propagate_error(error, problem);
        return false;
    }
    if (child)
        (void) vd_node_co_close_child(x->node, child, NULL); /* only read */
    g_string_append_printf(x->skipped, "left out: %s; ", problem->message);
    g_error_free(problem);
    return true;
}

static bool
extents_co_add(Extents *x, const char *key, VdOptions *opts, GError **error)
{
    guint before = x->pieces->len;
    g_autofree char *name = NULL;
    GError *problem = NULL;
    VdNode *child;

    vd_options_take_string(opts, key, &name);
    child = open_co_extent(x->node, key, name, opts, &problem);
    if (child && vmfs_lun_check(child, x->luns, &problem) &&
        load_co_extent(child, x->pieces, &problem))
        return true;
    g_ptr_array_set_size(x->pieces, (gint) before);
    return extents_co_skip(x, child, problem, error);
}

static bool
open_co_extents(Extents *x, VdOptions *opts, GError **error)
{
    unsigned n = 0;

    expand_single(opts);
    for (; n < VMFS_MAX_EXTENTS; n++) {
        g_autofree char *key = g_strdup_printf("extent.%u", n);

        if (!has_extent(opts, key))
            break;
        if (!extents_co_add(x, key, opts, error))
            return false;
    }
    return n > 0 || vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                             "The 'vmfs' block driver requires an extent: the "
                             "device or file that the volume is on");
}

static bool
volume_is_on(const VmfsVolume *v, const VdNode *device)
{
    for (guint i = 0; i < v->runs->len; i++)
        if (g_array_index(v->runs, VmfsVolumeRun, i).device == device)
            return true;
    return false;
}

/* Those with nothing of the volume on them. */
static void
close_co_spare(VdNode *node, const VmfsVolume *v)
{
    const char *edge;
    unsigned i = 0;
    VdNode *child;

    while ((child = vd_node_nth_child(node, i, &edge))) {
        if (volume_is_on(v, child))
            i++;
        else
            (void) vd_node_co_close_child(node, child, NULL); /* only read */
    }
}

/* -- volumes --------------------------------------------------------------- */

/* @info: NULL if it cannot be read. */
static bool
is_called(const VmfsVolume *v, const VmfsFsInfo *info, const char *wanted)
{
    g_autofree char *lvm = vmfs_uuid_text(&v->uuid);
    g_autofree char *own = info ? vmfs_uuid_text(&info->uuid) : NULL;

    return g_ascii_strcasecmp(lvm, wanted) == 0 ||
           (info && (g_ascii_strcasecmp(own, wanted) == 0 ||
                     strcmp(info->label, wanted) == 0));
}

/* One that cannot be read is no failure, but for whoever has been stopped. */
static bool
volume_co_look(const VmfsVolume *v, VmfsFsInfo *info, bool *readable,
               GError **error)
{
    g_autoptr(GError) problem = NULL;

    *readable = !v->problem && vmfs_fs_co_look(v, info, &problem);
    if (!problem || !vd_error_is(problem, VD_ERROR_CANCELLED))
        return true;
    g_propagate_error(error, g_steal_pointer(&problem));
    return false;
}

/* For people who have to choose. */
static char *
volume_co_describe(const VmfsVolume *v, GError **error)
{
    g_autofree char *lvm = vmfs_uuid_text(&v->uuid);
    VmfsFsInfo info;
    g_autofree char *label = NULL, *own = NULL;
    bool readable;

    if (!volume_co_look(v, &info, &readable, error))
        return NULL;
    if (!readable)
        return g_strdup_printf("%s, snapshot id %u (%s)", lvm, v->snapshot_id,
                               v->problem ? v->problem
                                          : "no file system can be read");
    label = vd_escape_text(info.label, strlen(info.label));
    own = vmfs_uuid_text(&info.uuid);
    return g_strdup_printf("'%s' %s, snapshot id %u", label, own,
                           v->snapshot_id);
}

static bool
throw_co_choice(const GPtrArray *volumes, const char *wanted, GError **error)
{
    g_autoptr(GString) list = g_string_new(NULL);

    for (guint i = 0; i < volumes->len; i++) {
        g_autofree char *one =
            volume_co_describe(g_ptr_array_index(volumes, i), error);

        if (!one)
            return false;
        g_string_append_printf(list, "%s%s", i ? "; " : "", one);
    }
    if (volumes->len == 0)
        return vd_throw(error, VD_ERROR_NOT_FOUND,
                        "there is no volume on the devices");
    return wanted ? vd_throw(error, VD_ERROR_NOT_FOUND,
                             "no volume, or more than one, is called '%s'; "
                             "there are: %s",
                             wanted, list->str)
                  : vd_throw(error, VD_ERROR_INVALID_ARGUMENT,
                             "there is more than one volume, and option "
                             "'volume' does not say which: %s",
                             list->str);
}

/* Volumes that only the snapshot id tells from it. */
static unsigned
count_copies(const GPtrArray *volumes, const VmfsVolume *of)
{
    unsigned n = 0;

    for (guint i = 0; i < volumes->len; i++) {
        const VmfsVolume *v = g_ptr_array_index(volumes, i);

        n += v != of && vmfs_uuid_equal(&v->uuid, &of->uuid);
    }
    return n;
}

/* Extents of copies that an array has made of one volume are for people to sort
 * out, also where only one of them is whole. */
static const VmfsVolume *
volume_co_choose(const GPtrArray *volumes, const char *wanted, GError **error)
{
    const VmfsVolume *chosen = NULL;
    unsigned n = 0;

    for (guint i = 0; i < volumes->len; i++) {
        const VmfsVolume *v = g_ptr_array_index(volumes, i);
        VmfsFsInfo info;
        bool readable = false;

        if (wanted && !volume_co_look(v, &info, &readable, error))
            return NULL;
        if (!wanted || is_called(v, readable ? &info : NULL, wanted)) {
            chosen = v;
            n++;
        }
    }
    if (n != 1 || count_copies(volumes, chosen) > 0) {
        (void) throw_co_choice(volumes, wanted, error);
        return NULL;
    }
    if (chosen->problem)
        return vd_throw_null(error, chosen->problem_code, "volume: %s",
                             chosen->problem);
    return chosen;
}

/* What they are called by says which extents they are on. */
static void
set_name(VdNode *node, const VdOptions *given, const char *volume)
{
    const VmfsState *s = vd_node_state(node);
    g_autofree char *name = vmfs_make_name(given, node, volume, s->path);

    vd_node_set_name(node, name);
}

bool
vmfs_co_choose(VdNode *node, VdOptions *opts, GError **error)
{
    VmfsState *s = vd_node_state(node);
    g_autoptr(GPtrArray) pieces =
        g_ptr_array_new_with_free_func((GDestroyNotify) vmfs_piece_free);
    g_autoptr(GString) skipped = g_string_new(NULL);
    g_autoptr(VdOptions) given = vd_options_copy(opts);
    g_autofree char *wanted = NULL;
    g_auto(GStrv) luns = NULL;
    Extents x = {.node = node, .pieces = pieces, .skipped = skipped};
    const VmfsVolume *chosen;

    vd_options_take_string(opts, "volume", &wanted);
    if (!vd_options_take_bool(opts, "spare-extents", &x.spare, error) ||
        !vmfs_lun_take_names(opts, &luns, error))
        return false;
    x.luns = luns;
    if (!open_co_extents(&x, opts, error))
        return false;
    set_name(node, given, wanted);
    s->volumes = vmfs_volumes_assemble(pieces);
    chosen = volume_co_choose(s->volumes, wanted, error);
    if (!chosen)
        return vd_prefix(error, "%s: %s", vd_node_name(node), skipped->str);
    if (x.spare) {
        close_co_spare(node, chosen);
        set_name(node, given, wanted);
    }
    s->fs = vmfs_fs_co_open(chosen, error);
    return s->fs || vd_prefix(error, "%s: ", vd_node_name(node));
}
